/*
 * pattern.c
 *	  Regular expressions by PCRE2, with limits. Pure: patterns and subjects
 *	  are UTF-8, results are returned; only a cancel and lack of memory are
 *	  raised.
 *
 * Patterns come from users and may be hostile. PCRE2's match limit ends a
 * search that backtracks without end, but it holds for one start offset only,
 * and does not count what a repeat or an assertion looks at:
 * (?=.*[0-9])[a-z] over 100 kB runs for half a minute, and nothing in it can
 * be cancelled. So a pattern is compiled twice. The quick form serves short
 * subjects, with a match limit so low that a search ends in a moment. Whatever
 * it does not settle is searched by the careful form, with a callout before
 * each item, which looks at interrupts and at the clock.
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
#define HEAP_LIMIT_KB (16 * 1024)

/*
 * A quick search cannot be cancelled, so it is kept small: 1 kB of subject, and
 * 1,000 backtracking steps from each start offset. The worst that was found
 * takes 0.3 s.
 */
#define QUICK_LENGTH 1024
#define QUICK_MATCH_LIMIT 1000
#define CAREFUL_MATCH_LIMIT 1000000

/*
 * What may be looked at between two looks at the clock, were every item to look
 * at the whole subject, in bytes: 4 ms or so.
 */
#define WORK_PER_LOOK (4 * 1024 * 1024)

struct DispatchPattern
{
	pcre2_code *quick;
	pcre2_code *careful;
	bool careful_is_ready;        /* its JIT code is made with the first search */
	MemoryContextCallback at_end; /* frees the code, before its context goes */
};

int dispatch_regex_timeout = 1000;
Size dispatch_pattern_code_size = 0;

/* One of each a backend, made with the first search. */
static pcre2_match_context *match_context = NULL;
static pcre2_match_data *match_data = NULL;

/* The careful search that runs. */
static instr_time search_start;
static size_t callouts;
static size_t callouts_per_look;

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
 * 53200, where no frame of PCRE2's is on the stack.
 */
pg_noreturn static void error_memory(void);

static void
error_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
					errdetail("There was none for a regular expression.")));
	pg_unreachable();
}

/*
 * The size of what JIT made of a form; 0 where it made nothing.
 */
static Size
jit_size(const pcre2_code *code)
{
	size_t size = 0;

	if (code != NULL)
		(void) pcre2_pattern_info(code, PCRE2_INFO_JITSIZE, &size);
	return size;
}

/*
 * Makes machine code of a form. Where that cannot be had, the interpreter does
 * the same.
 */
static void
make_machine_code(pcre2_code *code)
{
	(void) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
	dispatch_pattern_code_size += jit_size(code);
}

static void
free_form(pcre2_code *code)
{
	dispatch_pattern_code_size -= jit_size(code);
	pcre2_code_free(code);
}

/*
 * Frees the code of a pattern whose context goes: that of PCRE2's JIT lies
 * outside of it.
 */
static void
free_code(void *pattern)
{
	free_form(((DispatchPattern *) pattern)->quick);
	free_form(((DispatchPattern *) pattern)->careful);
}

/*
 * Compiles one form; NULL when it cannot be: then *error says why. A $ matches
 * at the very end only, as in POSIX and JSON Schema, not before a last newline
 * too.
 */
static pcre2_code *
compile_form(const char *pattern, size_t length, uint32_t options, pcre2_compile_context *context,
			 DispatchPatternError *error)
{
	int code_error = 0;
	pcre2_code *code =
		pcre2_compile((PCRE2_SPTR) pattern, length,
					  options | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY,
					  &code_error, &error->offset, context);

	error->no_memory = code == NULL && code_error == PCRE2_ERROR_NOMEMORY;
	error->offset = Min(error->offset, length); /* PCRE2 counts the NUL at times */
	if (code == NULL && pcre2_get_error_message(code_error, (PCRE2_UCHAR *) error->message,
												sizeof(error->message)) < 0)
		snprintf(error->message, sizeof(error->message), "error %d", code_error);
	return code;
}

/*
 * Compiles both forms of a pattern; false when that cannot be.
 */
static bool
compile_forms(DispatchPattern *result, const char *pattern, size_t length, MemoryContext memory,
			  DispatchPatternError *error)
{
	pcre2_general_context *general = pcre2_general_context_create(allocate, release, memory);
	pcre2_compile_context *context = general != NULL ? pcre2_compile_context_create(general) : NULL;

	if (context != NULL)
		result->quick = compile_form(pattern, length, 0, context, error);
	if (result->quick != NULL)
		result->careful = compile_form(pattern, length, PCRE2_AUTO_CALLOUT, context, error);
	pcre2_compile_context_free(context);
	pcre2_general_context_free(general);
	return result->careful != NULL;
}

/*
 * Compiles a pattern (UTF-8, length in bytes; a NUL follows, at which PCRE2
 * looks) into memory of a context, with which it goes. NULL when it cannot be
 * compiled: then *error says why. 53200.
 */
DispatchPattern *
dispatch_pattern_compile(const char *pattern, size_t length, MemoryContext context,
						 DispatchPatternError *error)
{
	DispatchPattern *result = allocate(sizeof(DispatchPattern), context);

	error->no_memory = true;
	if (result == NULL)
		error_memory();
	memset(result, 0, sizeof(*result));
	if (!compile_forms(result, pattern, length, context, error))
	{
		free_code(result);
		pfree(result);
		if (error->no_memory)
			error_memory();
		return NULL;
	}
	make_machine_code(result->quick);
	result->at_end.func = free_code;
	result->at_end.arg = result;
	MemoryContextRegisterResetCallback(context, &result->at_end);
	return result;
}

/*
 * Before each item of the careful form: ends the search when it was cancelled,
 * or when its time is up.
 */
static int
look_up(pcre2_callout_block *block, void *data)
{
	instr_time now;

	(void) block;
	(void) data;
	if (++callouts < callouts_per_look)
		return 0;
	callouts = 0;
	if (QueryCancelPending || ProcDiePending)
		return PCRE2_ERROR_CALLOUT;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, search_start);
	return INSTR_TIME_GET_MILLISEC(now) > dispatch_regex_timeout ? PCRE2_ERROR_CALLOUT : 0;
}

/*
 * What every search of this backend uses. 53200 when there is no memory.
 */
static void
prepare_search(void)
{
	pcre2_general_context *general;
	pcre2_jit_stack *stack;

	if (match_data != NULL)
		return;
	general = pcre2_general_context_create(allocate, release, TopMemoryContext);
	if (general == NULL)
		error_memory();
	if (match_context == NULL && (match_context = pcre2_match_context_create(general)) != NULL)
	{
		pcre2_set_heap_limit(match_context, HEAP_LIMIT_KB);
		stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, general);
		if (stack != NULL)
			pcre2_jit_stack_assign(match_context, NULL, stack);
	}
	if (match_context != NULL)
		match_data = pcre2_match_data_create(1, general);
	pcre2_general_context_free(general);
	if (match_data == NULL)
		error_memory();
}

static int
search(const pcre2_code *code, const char *subject, size_t length, uint32_t options,
	   uint32_t match_limit)
{
	/* Callouts in the quick form are of the pattern's author: they do nothing. */
	pcre2_set_callout(match_context, match_limit == CAREFUL_MATCH_LIMIT ? look_up : NULL, NULL);
	pcre2_set_match_limit(match_context, match_limit);
	return pcre2_match(code, (PCRE2_SPTR) subject, length, 0, options, match_data, match_context);
}

/*
 * Searches by the careful form, which can be cancelled.
 */
static int
search_carefully(DispatchPattern *pattern, const char *subject, size_t length, uint32_t options)
{
	int result;

	if (!pattern->careful_is_ready)
		make_machine_code(pattern->careful);
	pattern->careful_is_ready = true;
	callouts = 0;
	callouts_per_look = Max(WORK_PER_LOOK / (length + 1), 1);
	INSTR_TIME_SET_CURRENT(search_start);
	result = search(pattern->careful, subject, length, options, CAREFUL_MATCH_LIMIT);
	CHECK_FOR_INTERRUPTS();
	return result;
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
	int result = PCRE2_ERROR_MATCHLIMIT;

	prepare_search();
	if (length <= QUICK_LENGTH)
		result = search(pattern->quick, subject, length, options, QUICK_MATCH_LIMIT);
	if (result == PCRE2_ERROR_MATCHLIMIT)
		result = search_carefully(pattern, subject, length, options);
	if (result >= 0)
		return DISPATCH_MATCH;
	if (result == PCRE2_ERROR_NOMATCH)
		return DISPATCH_NO_MATCH;
	if (result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21)
		return DISPATCH_MATCH_BAD_TEXT;
	return DISPATCH_MATCH_LIMIT;
}
