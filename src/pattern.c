/*
 * pattern.c
 *	  Regular expressions by PCRE2, with limits. Pure: patterns and subjects
 *	  are UTF-8, results are returned, nothing is raised but by a cancel.
 *
 * Patterns come from users and may be hostile. PCRE2's match limit ends a
 * search that backtracks without end, but it holds for one start offset only:
 * (?=.*[0-9])[a-z] over 100 kB runs for half a minute, and nothing in it can
 * be cancelled. So a long subject is searched in slices of start offsets, with
 * a look at interrupts and at the clock between them.
 */
#include "postgres.h"

#include "pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"

#include "compat.h"

#define JIT_STACK_START (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024) /* the default of 32 kB refuses valid text of 1 kB */
#define MATCH_LIMIT 1000000
#define HEAP_LIMIT_KB (16 * 1024)

/*
 * A slice is bounded twice: characters that it may look at, were every start
 * offset to look at the rest of the subject (13 ms), and start offsets, were
 * every one to run up to just below the match limit (2 ms each under JIT).
 */
#define SLICE_WORK (4 * 1000 * 1000)
#define SLICE_STARTS 64

struct DispatchPattern
{
	pcre2_code *code;
	MemoryContextCallback at_end; /* frees the code, before its context goes */
	bool anchored;                /* matches at the subject's start or not at all */
};

int dispatch_regex_timeout = 1000;

/* One of each a backend, made with the first search. */
static pcre2_match_context *match_context = NULL;
static pcre2_match_data *match_data = NULL;

/*
 * Memory for PCRE2. NULL on failure, so that no error jumps over its frames.
 */
static void *
allocate(PCRE2_SIZE size, void *context)
{
	return MemoryContextAllocExtended((MemoryContext) context, size,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void
release(void *memory, void *context)
{
	(void) context;
	if (memory != NULL)
		pfree(memory);
}

/*
 * The place of an escape that is refused, or NULL. \C can split a character.
 * \G asks where the search began, which a search in slices cannot answer.
 */
static const char *
refused_escape(const char *pattern, size_t length)
{
	for (size_t i = 0; i + 1 < length; i++)
	{
		if (pattern[i] != '\\')
			continue;
		i++;
		if (pattern[i] == 'C' || pattern[i] == 'G')
			return &pattern[i];
	}
	return NULL;
}

/*
 * Frees the code of a pattern whose context goes: that of PCRE2's JIT lies
 * outside of it.
 */
static void
free_code(void *code)
{
	pcre2_code_free((pcre2_code *) code);
}

/*
 * Compiles a pattern (UTF-8, length in bytes) into memory of a context, with
 * which it goes. NULL when it cannot be compiled: then *error says why.
 *
 * A $ matches at the very end only, as in POSIX and JSON Schema, not before a
 * last newline too. Without start optimizations: each slice of a long subject
 * would scan the rest of it for the first character of a match.
 */
DispatchPattern *
dispatch_pattern_compile(const char *pattern, size_t length, MemoryContext context,
						 DispatchPatternError *error)
{
	const uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY |
							 PCRE2_USE_OFFSET_LIMIT | PCRE2_NO_START_OPTIMIZE;
	const char *escape = refused_escape(pattern, length);
	pcre2_general_context *general;
	pcre2_compile_context *compile;
	DispatchPattern *result;
	pcre2_code *code = NULL;
	uint32_t all_options = 0;
	int code_error = PCRE2_ERROR_NOMEMORY;

	error->offset = 0;
	if (escape != NULL)
	{
		snprintf(error->message, sizeof(error->message), "\\%c is not allowed", *escape);
		error->offset = escape - pattern + 1;
		return NULL;
	}
	general = pcre2_general_context_create(allocate, release, context);
	compile = general != NULL ? pcre2_compile_context_create(general) : NULL;
	if (compile != NULL)
		code = pcre2_compile((PCRE2_SPTR) pattern, length, options, &code_error, &error->offset,
							 compile);
	pcre2_compile_context_free(compile);
	pcre2_general_context_free(general);
	result = code != NULL ? allocate(sizeof(DispatchPattern), context) : NULL;
	if (result == NULL)
	{
		pcre2_code_free(code);
		if (pcre2_get_error_message(code_error, (PCRE2_UCHAR *) error->message,
									sizeof(error->message)) < 0)
			snprintf(error->message, sizeof(error->message), "error %d", code_error);
		return NULL;
	}
	/* Where JIT cannot be had, the interpreter does the same. */
	(void) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	result->code = code;
	result->at_end.func = free_code;
	result->at_end.arg = code;
	MemoryContextRegisterResetCallback(context, &result->at_end);
	(void) pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &all_options);
	result->anchored = (all_options & PCRE2_ANCHORED) != 0;
	return result;
}

/*
 * What every search of this backend uses. False when there is no memory.
 */
static bool
prepare_search(void)
{
	pcre2_general_context *general;
	pcre2_jit_stack *stack;

	if (match_data != NULL)
		return true;
	general = pcre2_general_context_create(allocate, release, TopMemoryContext);
	if (general == NULL)
		return false;
	if (match_context == NULL)
	{
		match_context = pcre2_match_context_create(general);
		if (match_context == NULL)
		{
			pcre2_general_context_free(general);
			return false;
		}
		pcre2_set_match_limit(match_context, MATCH_LIMIT);
		pcre2_set_heap_limit(match_context, HEAP_LIMIT_KB);
		stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, general);
		if (stack != NULL)
			pcre2_jit_stack_assign(match_context, NULL, stack);
	}
	match_data = pcre2_match_data_create(1, general);
	pcre2_general_context_free(general);
	return match_data != NULL;
}

static bool
time_is_up(const instr_time *start)
{
	instr_time now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *start);
	return INSTR_TIME_GET_MILLISEC(now) > dispatch_regex_timeout;
}

/*
 * The start offset of the next slice: on a character's first byte.
 */
static size_t
next_slice(const char *subject, size_t length, size_t end)
{
	end++;
	while (end < length && ((unsigned char) subject[end] & 0xC0) == 0x80)
		end++;
	return end;
}

/*
 * Searches a subject (UTF-8, length in bytes) for a pattern. known_utf8 says
 * that the subject was checked before, by the server. Can be cancelled.
 */
DispatchMatch
dispatch_pattern_search(DispatchPattern *pattern, const char *subject, size_t length,
						bool known_utf8)
{
	uint32_t options = known_utf8 ? PCRE2_NO_UTF_CHECK : 0;
	size_t slice = Min(Max(SLICE_WORK / Max(length, 1), 1), SLICE_STARTS);
	size_t start = 0;
	instr_time begin;

	if (!prepare_search())
		return DISPATCH_MATCH_LIMIT;
	INSTR_TIME_SET_ZERO(begin);
	for (;;)
	{
		size_t end = Min(start + slice - 1, length);
		int rc;

		pcre2_set_offset_limit(match_context, end);
		rc = pcre2_match(pattern->code, (PCRE2_SPTR) subject, length, start, options, match_data,
						 match_context);
		if (rc >= 0)
			return DISPATCH_MATCH;
		if (rc <= PCRE2_ERROR_UTF8_ERR1 && rc >= PCRE2_ERROR_UTF8_ERR21)
			return DISPATCH_MATCH_BAD_TEXT;
		if (rc != PCRE2_ERROR_NOMATCH)
			return DISPATCH_MATCH_LIMIT;
		start = next_slice(subject, length, end);
		if (pattern->anchored || start > length)
			return DISPATCH_NO_MATCH;
		options |= PCRE2_NO_UTF_CHECK;
		CHECK_FOR_INTERRUPTS();
		if (INSTR_TIME_IS_ZERO(begin))
			INSTR_TIME_SET_CURRENT(begin);
		else if (time_is_up(&begin))
			return DISPATCH_MATCH_LIMIT;
	}
}
