/*
 * pattern.h
 *	  Regular expressions by PCRE2, with limits.
 */
#ifndef DISPATCH_PATTERN_H
#define DISPATCH_PATTERN_H

#include "postgres.h"

#include "utils/palloc.h"

typedef struct DispatchPattern DispatchPattern;

/* Why a pattern was not compiled. */
typedef struct DispatchPatternError
{
	char message[256];
	size_t offset; /* in bytes */
	bool no_memory;
} DispatchPatternError;

typedef enum DispatchMatch
{
	DISPATCH_MATCH,
	DISPATCH_NO_MATCH,
	DISPATCH_MATCH_LIMIT,   /* a limit of PCRE2's, or the time */
	DISPATCH_MATCH_BAD_TEXT /* the subject is not UTF-8 */
} DispatchMatch;

/* How long one search may take, in milliseconds: dispatch.regex_timeout. */
extern int dispatch_regex_timeout;

/* The machine code of all patterns of this backend, in bytes: no context holds it. */
extern Size dispatch_pattern_code_size;

extern DispatchPattern *dispatch_pattern_compile(const char *pattern, size_t length,
												 MemoryContext context,
												 DispatchPatternError *error);
extern DispatchMatch dispatch_pattern_search(DispatchPattern *pattern, const char *subject,
											 size_t length, bool known_utf8);

#endif
