/*
 * pattern.c
 *	  Fuzzes src/pattern.c: any pattern, any subject. A search must end soon,
 *	  and with what PCRE2 says when it is simply asked, without our limits and
 *	  without our two forms.
 *
 * An input is a byte of options, the pattern up to the first line end, and the
 * subject.
 */
#include "postgres.h"

#include "server.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <time.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "pattern.h"

/* Bits of the options. */
#define REPEAT 1    /* the subject is long */
#define KNOWN 2     /* the subject is known to be UTF-8, where it is */
#define CANCELLED 4 /* a cancel waits when the search begins */
#define LONGER 8    /* with REPEAT: it is so long that a search may take seconds */

#define LONG_SUBJECT 5000
#define LONGER_SUBJECT 50000

/* Steps that the simple search may take; and those in which it ends only where ours must, too. */
#define SIMPLE_LIMIT 100000
#define SIMPLE_EASY 1000

/* How long a search may take, in ms, and the processor for it, in seconds. */
#define TIMEOUT 20
#define PATIENCE 5

typedef struct Case
{
	char *pattern; /* with a NUL at its end */
	size_t pattern_length;
	char *subject;
	size_t length;
	bool known_utf8;
	bool cancelled;
	DispatchPattern *compiled;
	DispatchMatch match;
} Case;

/*
 * What the fuzzer counts as new beside new paths through our code, since it does
 * not see those through PCRE2's: two bytes side by side in a pattern that can be
 * compiled, and what came of its search.
 */
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t news[4][16384];

static void
note_news(const Case *test)
{
	for (size_t i = 1; i < test->pattern_length; i++)
		news[test->match][(test->pattern[i - 1] & 0x7F) << 7 | (test->pattern[i] & 0x7F)] = 1;
}

static void
compile(void *argument)
{
	Case *test = argument;
	DispatchPatternError error;

	test->compiled =
		dispatch_pattern_compile(test->pattern, test->pattern_length, CurrentMemoryContext, &error);
	fuzz_require(test->compiled != NULL || error.message[0] != '\0', "an error has a message");
	fuzz_require(test->compiled != NULL || error.offset <= test->pattern_length,
				 "an error's offset lies in the pattern");
}

static void
search(void *argument)
{
	Case *test = argument;

	test->match =
		dispatch_pattern_search(test->compiled, test->subject, test->length, test->known_utf8);
}

/*
 * What PCRE2 says without JIT: >= 0, PCRE2_ERROR_NOMATCH, or another error.
 */
static int
search_simply(const Case *test, const pcre2_code *code, uint32_t limit)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	int result;

	pcre2_set_match_limit(context, limit);
	result = pcre2_match(code, (PCRE2_SPTR) test->subject, test->length, 0, 0, data, context);
	pcre2_match_context_free(context);
	pcre2_match_data_free(data);
	return result;
}

/*
 * Compares the result of a search with that of a simple one.
 */
static void
compare(Case *test)
{
	int error;
	PCRE2_SIZE offset;
	int result;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR) test->pattern, test->pattern_length,
									 PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY,
									 &error, &offset, NULL);

	fuzz_require(code != NULL, "what we compile can be compiled");
	result = search_simply(test, code, SIMPLE_LIMIT);
	if (result >= 0)
		fuzz_require(test->match == DISPATCH_MATCH || test->match == DISPATCH_MATCH_LIMIT,
					 "what matches is found");
	if (result == PCRE2_ERROR_NOMATCH)
		fuzz_require(test->match == DISPATCH_NO_MATCH || test->match == DISPATCH_MATCH_LIMIT,
					 "what does not match is not found");
	fuzz_require((result <= PCRE2_ERROR_UTF8_ERR1 && result >= PCRE2_ERROR_UTF8_ERR21) ==
					 (test->match == DISPATCH_MATCH_BAD_TEXT),
				 "bad text is seen");
	if (test->match == DISPATCH_MATCH_LIMIT &&
		search_simply(test, code, SIMPLE_EASY) >= PCRE2_ERROR_NOMATCH)
	{
		/* Then it was the time, of which a busy machine gave too little. */
		dispatch_regex_timeout = 1000 * PATIENCE;
		fuzz_require(fuzz_try(search, test) == 0 && test->match != DISPATCH_MATCH_LIMIT,
					 "what is easy does not exceed a limit");
	}
	pcre2_code_free(code);
}

/*
 * Reads an input into a case whose texts are allocated to the byte.
 */
static Case
read_case(const uint8_t *data, size_t size)
{
	Case test = { 0 };
	const uint8_t *end = memchr(data + 1, '\n', size - 1);
	const uint8_t *subject = end != NULL ? end + 1 : data + size;
	size_t length = data + size - subject;
	size_t wanted = !(data[0] & REPEAT) ? length : data[0] & LONGER ? LONGER_SUBJECT : LONG_SUBJECT;
	int times = length > 0 ? (wanted - 1) / length + 1 : 1;

	test.pattern_length = (end != NULL ? end : data + size) - (data + 1);
	test.length = length * times;
	test.pattern = palloc0(test.pattern_length + 1);
	memcpy(test.pattern, data + 1, test.pattern_length);
	test.subject = palloc(test.length);
	for (int i = 0; i < times; i++)
		memcpy(test.subject + i * length, subject, length);
	test.known_utf8 =
		(data[0] & KNOWN) &&
		pg_encoding_verifymbstr(PG_UTF8, test.subject, test.length) == (int) test.length;
	test.cancelled = (data[0] & CANCELLED) != 0;
	return test;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Case test;
	clock_t start;
	clock_t took;
	int state;

	if (size == 0)
		return 0;
	fuzz_begin(PG_UTF8);
	dispatch_regex_timeout = TIMEOUT;
	test = read_case(data, size);
	fuzz_require(fuzz_try(compile, &test) == 0, "no error while a pattern is compiled");
	if (test.compiled == NULL)
		return 0;
	InterruptPending = QueryCancelPending = test.cancelled;
	start = clock();
	state = fuzz_try(search, &test);
	took = clock() - start;
	InterruptPending = QueryCancelPending = false;
	fuzz_require(state == 0 || (state == ERRCODE_QUERY_CANCELED && test.cancelled),
				 "a search raises a cancel only");
	fuzz_require(took < PATIENCE * CLOCKS_PER_SEC, "a search ends soon");
	if (state != 0)
		return 0;
	note_news(&test);
	/* No limit of a simple search would help with a long subject. */
	if (test.length <= LONG_SUBJECT + size || test.match != DISPATCH_MATCH_LIMIT)
		compare(&test);
	return 0;
}
