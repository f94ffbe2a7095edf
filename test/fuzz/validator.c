/*
 * validator.c
 *	  Fuzzes src/validator.c and src/attribute.c: any definitions, any document.
 *	  All ways to ask must give the same verdict, and an invalid document has
 *	  violations, each on one line, a valid one none.
 *
 * An input is either text, definitions (an array) on its first line and a
 * document on the second, or bytes by which both are made up.
 */
#include "postgres.h"

#include "server.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "attribute.h"
#include "seal.h"
#include "validator.h"

/* Bits of the first byte of an input that is made up. */
#define SQL_ASCII 1
#define LATIN1 2
#define ADDITIONAL 4

/* Bytes by which something is made up; 0 where there are no more. */
typedef struct Source
{
	const uint8_t *next;
	const uint8_t *end;
} Source;

typedef struct Case
{
	char *definitions; /* in JSON */
	char *document;
	Jsonb *parsed_definitions;
	Jsonb *parsed_document;
	DispatchProgram program;
	DispatchFindings findings;
	DispatchVerdict verdict;
} Case;

static const char *const names[] = { "a", "b", "ab", "ba", "abc", "zone", "weight", "Weight" };
static const char *const kinds[] = { "string", "number", "boolean", "object", "array" };

static unsigned
choice(Source *source, unsigned choices)
{
	return source->next < source->end ? *source->next++ % choices : 0;
}

/*
 * A string of up to 15 characters, in the encoding of the database. Those that
 * patterns are made of are among them.
 */
static void
make_string(Source *source, StringInfo json)
{
	static const char *const utf8[] = { "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
										"\xC2\x80" };
	static const char ascii[] = "aaabbz09.^$()[]*+?|-{}A,x ";
	int length = choice(source, 16);

	appendStringInfoChar(json, '"');
	for (int i = 0; i < length; i++)
	{
		unsigned c = choice(source, 40);

		if (c < sizeof(ascii) - 1)
			appendStringInfoChar(json, ascii[c]);
		else if (c < 34 && GetDatabaseEncoding() == PG_UTF8)
			appendStringInfoString(json, utf8[c % lengthof(utf8)]);
		else if (c < 34)
			appendStringInfoChar(json, (char) (0x80 + choice(source, 0x80)));
		else
			appendStringInfoString(json, c < 37 ? "\\n" : c == 37 ? "\\\"" : "\\\\");
	}
	appendStringInfoChar(json, '"');
}

/*
 * A number of up to 31 digits, zeros often among them.
 */
static void
make_number(Source *source, StringInfo json)
{
	int digits = choice(source, 32);
	int point = choice(source, 32);
	unsigned exponent = choice(source, 8);

	appendStringInfo(json, "%s1", choice(source, 4) == 1 ? "-" : "");
	if (exponent == 7)
		json->data[json->len - 1] = '0';
	for (int i = 0; i < digits && exponent != 7; i++)
		appendStringInfo(json, "%s%d", i == point ? "." : "", (int) choice(source, 16) % 10);
	if (exponent > 0 && exponent < 4)
		appendStringInfo(json, "e%d", ((int) choice(source, 64) - 32) * (exponent == 3 ? 20 : 1));
}

static void
make_value(Source *source, StringInfo json, unsigned kind, int depth)
{
	int count = depth < 5 && kind >= 3 ? choice(source, 4) : 0;

	if (kind == 0)
		make_string(source, json);
	else if (kind == 1)
		make_number(source, json);
	else if (kind == 2)
		appendStringInfoString(json, choice(source, 2) ? "true" : "false");
	else if (kind == 5)
		appendStringInfoString(json, "null");
	else
	{
		appendStringInfoChar(json, kind == 3 ? '{' : '[');
		for (int i = 0; i < count; i++)
		{
			if (i > 0)
				appendStringInfoChar(json, ',');
			if (kind == 3)
			{
				make_string(source, json);
				appendStringInfoChar(json, ':');
			}
			make_value(source, json, choice(source, 6), depth + 1);
		}
		appendStringInfoChar(json, kind == 3 ? '}' : ']');
	}
}

static void
make_validation(Source *source, StringInfo json, unsigned kind)
{
	unsigned rules = choice(source, 32);

	appendStringInfo(json, ",\"validation\":{\"required\":%s", rules & 1 ? "true" : "null");
	if ((rules & 2) && kind < 2)
	{
		int min = choice(source, 5);

		if (kind == 0)
			appendStringInfo(json, ",\"range\":{\"min\":%d,\"max\":%d}", min,
							 min + (int) choice(source, 12));
		else
		{
			appendStringInfo(json, ",\"range\":{\"%s\":", min % 2 ? "min" : "max");
			make_number(source, json);
			appendStringInfoChar(json, '}');
		}
	}
	if ((rules & 4) && kind == 0)
	{
		appendStringInfoString(json, ",\"regex\":");
		make_string(source, json);
	}
	if (rules & 8)
	{
		int count = 1 + choice(source, 12);

		appendStringInfoString(json, ",\"valueOneOf\":[");
		for (int i = 0; i < count; i++)
		{
			appendStringInfoString(json, i > 0 ? "," : "");
			make_value(source, json, kind, 0);
		}
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
}

/*
 * Makes up definitions of up to 8 attributes and a document for them: the
 * members mostly of the right type, some missing, some unknown.
 */
static void
make_up(Source *source, Case *test)
{
	StringInfoData definitions;
	StringInfoData document;
	unsigned mask = choice(source, 256);

	initStringInfo(&definitions);
	initStringInfo(&document);
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		unsigned kind = choice(source, lengthof(kinds));
		unsigned member = choice(source, 8);

		if (mask & (1 << i))
		{
			appendStringInfo(&definitions, "%c{\"name\":\"%s\",\"dataType\":\"%s\"",
							 definitions.len > 0 ? ',' : '[', names[i], kinds[kind]);
			make_validation(source, &definitions, kind);
			if (choice(source, 4) == 1)
			{
				appendStringInfoString(&definitions, ",\"defaultValue\":");
				make_value(source, &definitions, kind, 0);
			}
			appendStringInfoChar(&definitions, '}');
		}
		if (member == 0)
			continue;
		appendStringInfo(&document, "%c\"%s\":", document.len > 0 ? ',' : '{', names[i]);
		make_value(source, &document, member == 7 ? choice(source, 6) : kind, 0);
	}
	appendStringInfoString(&definitions, definitions.len > 0 ? "]" : "[]");
	appendStringInfoString(&document, document.len > 0 ? "}" : "{}");
	test->definitions = definitions.data;
	test->document = document.data;
}

/*
 * A document from JSON, allocated to the byte.
 */
static Jsonb *
parse(const char *json)
{
	return dispatch_copy_document(
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json))), CurrentMemoryContext);
}

/*
 * Reads a case's definitions as the cache does, and its document.
 */
static void
prepare(void *argument)
{
	Case *test = argument;

	test->parsed_definitions = parse(test->definitions);
	test->parsed_document = parse(test->document);
	test->program.attributes =
		dispatch_attributes_parse(test->parsed_definitions, &test->program.nattributes);
	dispatch_program_sort(&test->program);
}

static void
run(void *argument)
{
	Case *test = argument;

	test->verdict =
		dispatch_program_run(&test->program, &test->parsed_document->root, &test->findings);
}

/*
 * Runs a case's program in one of the two ways; true where that ended with a verdict.
 */
static bool
run_by(Case *test, bool collect)
{
	int state;

	memset(&test->findings, 0, sizeof(test->findings));
	test->findings.collect = collect;
	state = fuzz_try(run, test);
	/* In a database of SQL_ASCII a message about text that is none may fail. */
	fuzz_require(state == 0 || GetDatabaseEncoding() == PG_SQL_ASCII, "no error while validating");
	return state == 0;
}

static void
check_violation(const DispatchViolation *violation)
{
	static const char *const rules[] = { "dataType", "range",    "valueOneOf",
										 "regex",    "required", "unknown" };
	bool known = false;

	for (int i = 0; i < (int) lengthof(rules); i++)
		known |= strcmp(violation->rule, rules[i]) == 0;
	fuzz_require(known, "a violation's rule is known");
	fuzz_require(strchr(violation->message, '\n') == NULL, "a violation is one line");
	fuzz_require(GetDatabaseEncoding() != PG_UTF8 ||
					 pg_verify_mbstr(PG_UTF8, violation->message, strlen(violation->message), true),
				 "a violation is text");
}

/*
 * Runs a program in both ways and compares.
 */
static void
check_verdicts(Case *test)
{
	DispatchVerdict quick;
	ListCell *cell;

	if (!run_by(test, false))
		return;
	quick = test->verdict;
	fuzz_require(test->findings.violations == NIL, "violations only where asked for");
	if (!run_by(test, true))
		return;
	fuzz_require((quick == DISPATCH_VALID) == (test->verdict == DISPATCH_VALID),
				 "both ways agree on what is valid");
	fuzz_require(quick != DISPATCH_LIMIT || test->verdict == DISPATCH_LIMIT, "a limit stays one");
	fuzz_require(test->verdict != DISPATCH_VALID || test->findings.violations == NIL,
				 "what is valid has no violation");
	fuzz_require(test->verdict != DISPATCH_INVALID || test->findings.violations != NIL,
				 "what is invalid has a violation");
	fuzz_require((test->verdict == DISPATCH_LIMIT) == (test->findings.exceeding != NULL),
				 "what exceeds a limit is named");
	foreach (cell, test->findings.violations)
		check_violation(lfirst(cell));
}

/*
 * A document that was written and read again must be equal to itself, and its
 * digest, by which seals are made, the same.
 */
static void
check_again(void *argument)
{
	Case *test = argument;
	Jsonb *again = parse(JsonbToCString(NULL, &test->parsed_document->root, 0));
	DispatchValue value = dispatch_root(test->parsed_document);
	DispatchValue value_again = dispatch_root(again);

	fuzz_require(dispatch_value_equal(&value, &value_again), "what was read again is equal");
	fuzz_require(dispatch_digest(test->parsed_document) == dispatch_digest(again),
				 "what was read again has the same digest");
}

static bool
has_duplicates(const DispatchProgram *program)
{
	for (int i = 1; i < program->nattributes; i++)
	{
		const DispatchKey *a = &program->attributes[i - 1].name;
		const DispatchKey *b = &program->attributes[i].name;

		if (dispatch_key_compare(a->data, a->length, b->data, b->length) == 0)
			return true;
	}
	return false;
}

/*
 * Reads a case from text; false where there is no second line.
 */
static bool
read_text(const uint8_t *data, size_t size, Case *test)
{
	char *text = pnstrdup((const char *) data, size);
	char *end = strchr(text, '\n');

	if (end == NULL || !pg_verify_mbstr(PG_UTF8, text, strlen(text), true))
		return false;
	*end = '\0';
	test->definitions = text;
	test->document = end + 1;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Case test = { 0 };
	unsigned options = size > 0 && data[0] != '[' ? data[0] : 0;

	if (size == 0)
		return 0;
	fuzz_begin(options & SQL_ASCII ? PG_SQL_ASCII : options & LATIN1 ? PG_LATIN1 : PG_UTF8);
	dispatch_regex_timeout = 20;
	if (data[0] != '[')
		make_up(&(Source){ data + 1, data + size }, &test);
	else if (!read_text(data, size, &test))
		return 0;
	test.program.additional = (options & ADDITIONAL) != 0;
	if (getenv("FUZZ_SHOW") != NULL)
		printf("%s\n%s\n", test.definitions, test.document);
	if (fuzz_try(prepare, &test) != 0 || has_duplicates(&test.program) ||
		!JB_ROOT_IS_OBJECT(test.parsed_document))
		return 0;
	check_verdicts(&test);
	fuzz_require(fuzz_try(check_again, &test) == 0, "no error while it is read again");
	return 0;
}
