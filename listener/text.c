/*
 * text.c
 *		A growing piece of text, PostgreSQL array literals, and text made fit to be stored.
 */
#include "text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static void reserve(Text *text, size_t more);
static size_t utf8_length(const unsigned char *at, size_t left);

/* Empties it and keeps its memory for the next use. */
void
text_clear(Text *text)
{
	text->length = 0;
	if (text->data != NULL)
		text->data[0] = '\0';
}

/* Gives its memory back; it is empty afterwards. */
void
text_free(Text *text)
{
	free(text->data);
	memset(text, 0, sizeof(*text));
}

/* Appends bytes as they are. */
void
text_append(Text *text, const char *bytes, size_t length)
{
	reserve(text, length);
	memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_append_string(Text *text, const char *string)
{
	text_append(text, string, strlen(string));
}

void
text_append_char(Text *text, char c)
{
	text_append(text, &c, 1);
}

/* Appends what printf would print. */
void
text_printf(Text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;

	reserve(text, (size_t) length);
	va_start(arguments, format);
	vsnprintf(text->data + text->length, (size_t) length + 1, format, arguments);
	va_end(arguments);
	text->length += (size_t) length;
}

/* Empties it and opens an array literal. */
void
text_array_begin(Text *text)
{
	text_clear(text);
	text_append_char(text, '{');
}

/* Adds an element that needs no quotes (a number, a UUID); NULL is SQL's NULL. */
void
text_array_add(Text *text, const char *element)
{
	if (text->length > 1)
		text_append_char(text, ',');
	text_append_string(text, element == NULL ? "NULL" : element);
}

/* Adds an element of any content, quoted; NULL is SQL's NULL. */
void
text_array_add_quoted(Text *text, const char *element)
{
	if (element == NULL)
	{
		text_array_add(text, NULL);
		return;
	}
	text_array_add(text, "\"");
	for (; *element != '\0'; element++)
	{
		if (*element == '"' || *element == '\\')
			text_append_char(text, '\\');
		text_append_char(text, *element);
	}
	text_append_char(text, '"');
}

void
text_array_end(Text *text)
{
	text_append_char(text, '}');
}

/*
 * Copies what came from a stranger so that a text column takes it: valid UTF-8, no control
 * characters (each becomes a space; a NUL among them), a wrong byte becomes "?". Stops before a
 * character that does not fit. Writes a closing NUL, so at most room - 1 bytes; returns how many.
 */
size_t
text_sanitize(char *to, size_t room, const char *from, size_t length)
{
	size_t written = 0;
	size_t i = 0;

	while (i < length)
	{
		const unsigned char *at = (const unsigned char *) from + i;
		size_t size = utf8_length(at, length - i);
		size_t step = size == 0 ? 1 : size;

		if (written + step >= room)
			break;
		if (size == 0)
			to[written] = '?';
		else if (*at < 0x20 || *at == 0x7f)
			to[written] = ' ';
		else
			memcpy(to + written, at, size);
		written += step;
		i += step;
	}
	to[written] = '\0';
	return written;
}

/* Makes room for that many more bytes and a NUL. */
static void
reserve(Text *text, size_t more)
{
	size_t needed = text->length + more + 1;
	size_t capacity = text->capacity == 0 ? 256 : text->capacity;

	if (needed <= text->capacity)
		return;
	while (capacity < needed)
		capacity *= 2;
	text->data = memory_resize(text->data, capacity);
	text->capacity = capacity;
}

/* The length of the valid UTF-8 character that starts here, or 0: no overlong forms, no surrogates.
 */
static size_t
utf8_length(const unsigned char *at, size_t left)
{
	unsigned char lowest = 0x80;
	unsigned char highest = 0xbf;
	size_t size;

	if (at[0] < 0x80)
		return 1;
	else if (at[0] >= 0xc2 && at[0] <= 0xdf)
		size = 2;
	else if (at[0] >= 0xe0 && at[0] <= 0xef)
		size = 3;
	else if (at[0] >= 0xf0 && at[0] <= 0xf4)
		size = 4;
	else
		return 0;

	if (at[0] == 0xe0)
		lowest = 0xa0;
	else if (at[0] == 0xed)
		highest = 0x9f;
	else if (at[0] == 0xf0)
		lowest = 0x90;
	else if (at[0] == 0xf4)
		highest = 0x8f;

	if (size > left || at[1] < lowest || at[1] > highest)
		return 0;
	for (size_t i = 2; i < size; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return 0;
	return size;
}
