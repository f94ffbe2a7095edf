/*
 * log.c
 *		One line an event on stderr.
 */
#include "log.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static const char *const level_names[] = { "info", "warning", "error" };

static void append_time(Text *line);
static void append_value(Text *line, const char *value);

/*
 * Writes the line with one write(), so that lines of several processes on one stderr stay whole.
 * log_event() is the comfortable way to call it.
 */
void
log_fields(LogLevel level, const char *event, const LogField *fields, size_t count)
{
	static Text line;

	text_clear(&line);
	append_time(&line);
	text_printf(&line, " level=%s event=%s", level_names[level], event);
	for (size_t i = 0; i < count; i++)
	{
		if (fields[i].key == NULL)
			continue;
		text_printf(&line, " %s=", fields[i].key);
		if (fields[i].text != NULL)
			append_value(&line, fields[i].text);
		else
			text_printf(&line, "%lld", (long long) fields[i].number);
	}
	text_append_char(&line, '\n');

	/* Nobody can be told that the log cannot be written. */
	if (write(STDERR_FILENO, line.data, line.length) < 0)
		return;
}

/* time=2026-01-31T12:00:00.000Z */
static void
append_time(Text *line)
{
	struct timeval now;
	struct tm utc;
	char text[32];

	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	text_printf(line, "time=%s.%03dZ", text, (int) (now.tv_usec / 1000));
}

/* A value in quotes where it needs them; line breaks (of the server's messages) become spaces. */
static void
append_value(Text *line, const char *value)
{
	bool quoted = *value == '\0' || strpbrk(value, " \"=\\\n\r\t") != NULL;
	size_t length = strlen(value);

	while (length > 0 && (value[length - 1] == '\n' || value[length - 1] == ' '))
		length--;
	if (quoted)
		text_append_char(line, '"');
	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) value[i];

		if (c == '"' || c == '\\')
			text_append_char(line, '\\');
		text_append_char(line, c < 0x20 || c == 0x7f ? ' ' : (char) c);
	}
	if (quoted)
		text_append_char(line, '"');
}
