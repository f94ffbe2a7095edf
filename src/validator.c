/*
 * validator.c
 *	  Validates a document by the attributes of a type. No SPI. What is wrong
 *	  with the document is returned; only a cancel, lack of memory or stack, and
 *	  text that cannot be converted to UTF-8 are raised.
 *
 * Attributes lie in the order in which jsonb keeps keys, so a document is
 * checked by one walk over two sorted lists, with no lookup by name and no
 * copy. A valid document allocates nothing. Violations are put into words only
 * where they are asked for.
 */
#include "postgres.h"

#include "validator.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/json.h"

#include "compat.h"
#include "error.h"

/* How many values of valueOneOf a message lists. */
#define VALUES_SHOWN 10

/* How many characters of a pattern a message shows. */
#define PATTERN_SHOWN 200

/* The size of an object, array or number that is put into text to be shown. */
#define CONTAINER_SHOWN 65536

static int
compare_attributes(const void *a, const void *b)
{
	const DispatchKey *key_a = &((const DispatchAttribute *) a)->name;
	const DispatchKey *key_b = &((const DispatchAttribute *) b)->name;

	return dispatch_key_compare(key_a->data, key_a->length, key_b->data, key_b->length);
}

/*
 * Brings a program's attributes into the order that dispatch_program_run() needs.
 */
void
dispatch_program_sort(DispatchProgram *program)
{
	qsort(program->attributes, program->nattributes, sizeof(DispatchAttribute), compare_attributes);
}

/*
 * The length of a string in characters.
 */
static int64
characters(const char *string, int length)
{
	int64 count = 0;

	if (GetDatabaseEncoding() != PG_UTF8)
		return pg_mbstrlen_with_len(string, length);
	for (int i = 0; i < length; i++)
		count += ((unsigned char) string[i] & 0xC0) != 0x80;
	return count;
}

/*
 * A text in JSON, cut, and so on one line. Allocated in the current context.
 */
static char *
quoted(const char *text)
{
	StringInfoData json;

	char *result;

	initStringInfo(&json);
	escape_json(&json, dispatch_cut(text));
	result = pstrdup(json.data);
	pfree(json.data);
	return result;
}

/*
 * A value as messages show it, in JSON, cut. Allocated in the current context.
 */
static const char *
shown(const DispatchValue *value)
{
	if (value->kind == DISPATCH_STRING)
		return quoted(dispatch_value_string(value));
	if (value->length <= CONTAINER_SHOWN)
		return dispatch_cut(dispatch_value_text(value));
	if (value->kind == DISPATCH_NUMBER)
		return "a very long number";
	return psprintf(value->kind == DISPATCH_OBJECT ? "an object of %u members"
												   : "an array of %u elements",
					JsonContainerSize(value->as.container));
}

/*
 * A pattern as it was given, cut, and on one line.
 */
static char *
shown_pattern(const DispatchAttribute *attribute)
{
	const DispatchKey *source = &attribute->pattern_source;
	char *text = pnstrdup(source->data, source->length);
	char *line = pstrdup(dispatch_cut_at(text, PATTERN_SHOWN));

	for (char *byte = line; *byte != '\0'; byte++)
		if ((unsigned char) *byte < ' ')
			*byte = ' ';
	return line;
}

/*
 * Notes a violation; fault says what is wrong with the named member. Allocated
 * in the current context.
 */
static void
violation(DispatchFindings *findings, const DispatchKey *name, const char *rule, const char *fault)
{
	DispatchViolation *item = palloc(sizeof(DispatchViolation));
	char *shown_name;

	item->attribute = pnstrdup(name->data, name->length);
	item->rule = rule;
	shown_name = quoted(item->attribute);
	item->message = psprintf("%s %s", shown_name, fault);
	pfree(shown_name);
	findings->violations = lappend(findings->violations, item);
}

/*
 * "between 1 and 5", "exactly 1", "at least 1" or "at most 5".
 */
static const char *
range_text(const DispatchAttribute *attribute)
{
	const char *min = attribute->has_min ? shown(&attribute->min_value) : NULL;
	const char *max = attribute->has_max ? shown(&attribute->max_value) : NULL;

	if (min != NULL && max != NULL &&
		dispatch_decimal_compare(&attribute->min, &attribute->max) == 0)
		return psprintf("exactly %s", min);
	if (min != NULL && max != NULL)
		return psprintf("between %s and %s", min, max);
	return min != NULL ? psprintf("at least %s", min) : psprintf("at most %s", max);
}

static bool
check_range(const DispatchAttribute *attribute, const DispatchValue *value,
			DispatchFindings *findings)
{
	if (attribute->kind == DISPATCH_STRING)
	{
		int64 length = characters(value->as.string, value->length);

		if ((!attribute->has_min || length >= attribute->min_length) &&
			(!attribute->has_max || length <= attribute->max_length))
			return true;
		if (findings->collect)
			violation(findings, &attribute->name, "range",
					  psprintf("must have a length of %s, but has %lld", range_text(attribute),
							   (long long) length));
	}
	else
	{
		DispatchDecimal number = dispatch_decimal(value->as.number);

		if ((!attribute->has_min || dispatch_decimal_compare(&number, &attribute->min) >= 0) &&
			(!attribute->has_max || dispatch_decimal_compare(&number, &attribute->max) <= 0))
			return true;
		if (findings->collect)
			violation(findings, &attribute->name, "range",
					  psprintf("must be %s, but is %s", range_text(attribute), shown(value)));
	}
	return false;
}

static bool
check_value_one_of(const DispatchAttribute *attribute, const DispatchValue *value,
				   DispatchFindings *findings)
{
	StringInfoData list;

	for (int i = 0; i < attribute->nvalues; i++)
		if (dispatch_value_equal(value, &attribute->values[i]))
			return true;
	if (!findings->collect)
		return false;
	initStringInfo(&list);
	for (int i = 0; i < Min(attribute->nvalues, VALUES_SHOWN); i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", shown(&attribute->values[i]));
	if (attribute->nvalues > VALUES_SHOWN)
		appendStringInfo(&list, " and %d more", attribute->nvalues - VALUES_SHOWN);
	violation(findings, &attribute->name, "valueOneOf",
			  psprintf("must be one of %s, but is %s", list.data, shown(value)));
	return false;
}

/*
 * Searches a value for the attribute's pattern, in UTF-8.
 */
static DispatchVerdict
check_pattern(const DispatchAttribute *attribute, const DispatchValue *value,
			  DispatchFindings *findings)
{
	bool utf8 = GetDatabaseEncoding() == PG_UTF8;
	int length = value->length;
	const char *subject = dispatch_utf8(value->as.string, &length);
	DispatchMatch match = dispatch_pattern_search(attribute->pattern, subject, length, utf8);

	if (subject != value->as.string)
		pfree((char *) subject);
	if (match == DISPATCH_MATCH)
		return DISPATCH_VALID;
	if (match == DISPATCH_MATCH_LIMIT)
	{
		findings->exceeding = attribute;
		return DISPATCH_LIMIT;
	}
	if (findings->collect && match == DISPATCH_MATCH_BAD_TEXT)
		violation(findings, &attribute->name, "regex", "is not valid UTF-8");
	else if (findings->collect)
		violation(findings, &attribute->name, "regex",
				  psprintf("must match the pattern \"%s\", but is %s", shown_pattern(attribute),
						   shown(value)));
	return DISPATCH_INVALID;
}

/*
 * Checks a value that is present and not null by its attribute.
 */
DispatchVerdict
dispatch_value_check(const DispatchAttribute *attribute, const DispatchValue *value,
					 DispatchFindings *findings)
{
	DispatchVerdict verdict = DISPATCH_VALID;

	if (value->kind != attribute->kind)
	{
		if (findings->collect)
			violation(findings, &attribute->name, "dataType",
					  psprintf("must be of type %s, but is of type %s",
							   dispatch_kind_name(attribute->kind),
							   dispatch_kind_name(value->kind)));
		return DISPATCH_INVALID;
	}
	if ((attribute->has_min || attribute->has_max) && !check_range(attribute, value, findings))
		verdict = DISPATCH_INVALID;
	if (attribute->nvalues > 0 && (verdict == DISPATCH_VALID || findings->collect) &&
		!check_value_one_of(attribute, value, findings))
		verdict = DISPATCH_INVALID;
	if (attribute->pattern != NULL && (verdict == DISPATCH_VALID || findings->collect))
	{
		DispatchVerdict found = check_pattern(attribute, value, findings);

		verdict = Max(verdict, found);
	}
	return verdict;
}

/*
 * Checks that an attribute whose member is absent or null may be so.
 */
static DispatchVerdict
check_absent(const DispatchAttribute *attribute, bool null, DispatchFindings *findings)
{
	if (attribute->has_default && !null)
	{
		findings->defaults_missing = true;
		return DISPATCH_VALID;
	}
	if (!attribute->required)
		return DISPATCH_VALID;
	if (findings->collect)
		violation(findings, &attribute->name, "required",
				  null ? "is required, but is null" : "is required");
	return DISPATCH_INVALID;
}

static DispatchVerdict
check_unknown(const DispatchProgram *program, const DispatchKey *key, DispatchFindings *findings)
{
	if (program->additional)
		return DISPATCH_VALID;
	if (findings->collect)
		violation(findings, key, "unknown", "is not an attribute of the type");
	return DISPATCH_INVALID;
}

/*
 * Validates a document, which must be an object. Stops at the first violation
 * unless all are to be collected, then after DISPATCH_MAX_VIOLATIONS; at a pattern's limit it always stops.
 */
DispatchVerdict
dispatch_program_run(const DispatchProgram *program, const JsonbContainer *document,
					 DispatchFindings *findings)
{
	DispatchWalk walk = dispatch_walk(document);
	DispatchVerdict verdict = DISPATCH_VALID;
	DispatchKey key;
	DispatchValue value;
	int next = 0;
	bool more = dispatch_walk_member(&walk, &key, &value);

	while (more || next < program->nattributes)
	{
		const DispatchAttribute *attribute = &program->attributes[next];
		DispatchVerdict found;
		int order;

		CHECK_FOR_INTERRUPTS();
		if (list_length(findings->violations) >= DISPATCH_MAX_VIOLATIONS)
			return verdict;
		if (!more)
			order = -1;
		else if (next == program->nattributes)
			order = 1;
		else
			order = dispatch_key_compare(attribute->name.data, attribute->name.length, key.data,
										 key.length);
		if (order < 0)
			found = check_absent(attribute, false, findings);
		else if (order > 0)
			found = check_unknown(program, &key, findings);
		else if (value.kind == DISPATCH_NULL)
			found = check_absent(attribute, true, findings);
		else
			found = dispatch_value_check(attribute, &value, findings);
		verdict = Max(verdict, found);
		if (verdict == DISPATCH_LIMIT || (verdict == DISPATCH_INVALID && !findings->collect))
			return verdict;
		if (order <= 0)
			next++;
		if (order >= 0)
			more = dispatch_walk_member(&walk, &key, &value);
	}
	return verdict;
}
