/*
 * text.h
 *		A growing piece of text, PostgreSQL array literals, and text made fit to be stored.
 */
#ifndef LISTENER_TEXT_H
#define LISTENER_TEXT_H

#include <stddef.h>

/* Zeroed, it is empty; data ends in NUL as soon as anything was appended. */
typedef struct Text
{
	char *data;
	size_t length;
	size_t capacity;
} Text;

extern void text_clear(Text *text);
extern void text_free(Text *text);
extern void text_append(Text *text, const char *bytes, size_t length);
extern void text_append_string(Text *text, const char *string);
extern void text_append_char(Text *text, char c);
extern void text_printf(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern void text_array_begin(Text *text);
extern void text_array_add(Text *text, const char *element);
extern void text_array_add_quoted(Text *text, const char *element);
extern void text_array_end(Text *text);

extern size_t text_sanitize(char *to, size_t room, const char *from, size_t length);

#endif
