/*
 * log.h
 *		One line an event on stderr: time=... level=... event=... key=value
 *
 * What may hold a secret never comes here: no header values, no bodies, no URLs, no keys.
 */
#ifndef LISTENER_LOG_H
#define LISTENER_LOG_H

#include <stddef.h>
#include <stdint.h>

typedef enum LogLevel
{
	LEVEL_INFO,
	LEVEL_WARNING,
	LEVEL_ERROR
} LogLevel;

/* One key with its value: text, or a number where text is NULL. Without a key it is left out. */
typedef struct LogField
{
	const char *key;
	const char *text;
	int64_t number;
} LogField;

#define log_text(key_, text_) ((LogField){ (key_), (text_) != NULL ? (text_) : "", 0 })
#define log_text_if(key_, text_) ((LogField){ (text_) != NULL ? (key_) : NULL, (text_), 0 })
#define log_number(key_, number_) ((LogField){ (key_), NULL, (number_) })

/* log_event(LEVEL_INFO, "connected", log_text("session", "claim"), log_number("port", 5432)); */
#define log_event(level, event, ...)                                                               \
	log_fields(level, event, (const LogField[]){ __VA_ARGS__ },                                    \
			   sizeof((const LogField[]){ __VA_ARGS__ }) / sizeof(LogField))

extern void log_fields(LogLevel level, const char *event, const LogField *fields, size_t count);

#endif
