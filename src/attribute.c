/*
 * attribute.c
 *	  Attribute definitions: from JSON, checked, ready to validate by.
 *
 * The same reading serves a definition that is about to be created and one
 * that is loaded: what could be created can be loaded.
 */
#include "postgres.h"

#include "attribute.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "compat.h"
#include "error.h"

#define NAME_MAX_LENGTH 32
#define REGEX_MAX_LENGTH 1000

/* Whom a message is about. */
#define DEFINITION(attribute)                                                                      \
	psprintf("definition of attribute \"%.*s\"", (attribute)->name.length, (attribute)->name.data)

/* What reads a member of a definition, by name. A member that is JSON null is not read. */
typedef struct MemberReader
{
	const char *name;
	void (*read)(const DispatchValue *value, DispatchAttribute *attribute);
} MemberReader;

static bool
key_is(const DispatchKey *key, const char *name)
{
	return dispatch_key_compare(key->data, key->length, name, strlen(name)) == 0;
}

/*
 * Requires a member of a definition to be of a kind; 22023 where it is not.
 */
static void
require_kind(const DispatchAttribute *attribute, const char *member, const DispatchValue *value,
			 DispatchKind kind)
{
	if (value->kind != kind)
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"%s\" must be of type %s, but is of type %s.", member,
								 dispatch_kind_name(kind), dispatch_kind_name(value->kind));
}

/*
 * 22023: a member that is not one of those that are read.
 */
static void
error_unknown(const DispatchAttribute *attribute, const char *what, const DispatchKey *key,
			  const MemberReader *readers, int nreaders)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < nreaders; i++)
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", readers[i].name);
	dispatch_error_malformed(DEFINITION(attribute),
							 "%s has an unknown member, \"%s\"; known are %s.", what,
							 dispatch_cut(pnstrdup(key->data, key->length)), known.data);
}

/*
 * Reads the members of an object, each by its reader; 22023 for one that has none.
 * what names the object in the message.
 */
static void
read_members(const DispatchValue *object, const char *what, const MemberReader *readers,
			 int nreaders, DispatchAttribute *attribute)
{
	DispatchWalk walk = dispatch_walk(object->as.container);
	DispatchKey key;
	DispatchValue value;

	while (dispatch_walk_member(&walk, &key, &value))
	{
		int i = 0;

		while (i < nreaders && !key_is(&key, readers[i].name))
			i++;
		if (i == nreaders)
			error_unknown(attribute, what, &key, readers, nreaders);
		if (value.kind != DISPATCH_NULL && readers[i].read != NULL)
			readers[i].read(&value, attribute);
	}
}

/*
 * Reads the name, which every other message needs.
 */
static void
read_name(const DispatchValue *definition, int position, DispatchAttribute *attribute)
{
	DispatchValue value;

	if (definition->kind != DISPATCH_OBJECT)
		dispatch_error_malformed("attribute definition", "Definition %d is not an object.",
								 position);
	if (!dispatch_find(definition->as.container, "name", &value) || value.kind == DISPATCH_NULL)
		dispatch_error_malformed("attribute definition", "Definition %d has no \"name\".",
								 position);
	if (value.kind != DISPATCH_STRING)
		dispatch_error_malformed("attribute definition",
								 "The \"name\" of definition %d is not a string.", position);
	attribute->name.data = value.as.string;
	attribute->name.length = value.length;
	for (int i = 0; i < value.length; i++)
		if (!((value.as.string[i] | 0x20) >= 'a' && (value.as.string[i] | 0x20) <= 'z'))
			dispatch_error_malformed(
				"attribute name", "\"%s\" must consist of 1 to %d letters from A to Z and a to z.",
				dispatch_cut(dispatch_value_string(&value)), NAME_MAX_LENGTH);
	if (value.length < 1 || value.length > NAME_MAX_LENGTH)
		dispatch_error_malformed("attribute name", "\"%s\" must have 1 to %d letters.",
								 dispatch_cut(dispatch_value_string(&value)), NAME_MAX_LENGTH);
}

static void
read_data_type(const DispatchValue *definition, DispatchAttribute *attribute)
{
	static const DispatchKind kinds[] = { DISPATCH_STRING, DISPATCH_NUMBER, DISPATCH_BOOLEAN,
										  DISPATCH_OBJECT, DISPATCH_ARRAY };
	DispatchValue value;
	DispatchKey given;

	if (!dispatch_find(definition->as.container, "dataType", &value) || value.kind == DISPATCH_NULL)
		dispatch_error_malformed(DEFINITION(attribute), "It has no \"dataType\".");
	require_kind(attribute, "dataType", &value, DISPATCH_STRING);
	given.data = value.as.string;
	given.length = value.length;
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (key_is(&given, dispatch_kind_name(kinds[i])))
		{
			attribute->kind = kinds[i];
			return;
		}
	dispatch_error_malformed(
		DEFINITION(attribute),
		"\"dataType\" must be one of string, number, boolean, object and array, but is \"%s\".",
		dispatch_cut(dispatch_value_string(&value)));
}

/*
 * Reads one end of a range; of a string's, as a number of characters too.
 */
static void
read_bound(const char *name, const DispatchValue *value, DispatchAttribute *attribute,
		   DispatchDecimal *bound, int64 *length)
{
	require_kind(attribute, name, value, DISPATCH_NUMBER);
	*bound = dispatch_decimal(value->as.number);
	if (attribute->kind == DISPATCH_STRING && !dispatch_decimal_whole(bound, length))
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"%s\" of a string's range is a number of characters and must be "
								 "a whole number, not below 0.",
								 name);
}

static void
read_min(const DispatchValue *value, DispatchAttribute *attribute)
{
	read_bound("min", value, attribute, &attribute->min, &attribute->min_length);
	attribute->min_value = *value;
	attribute->has_min = true;
}

static void
read_max(const DispatchValue *value, DispatchAttribute *attribute)
{
	read_bound("max", value, attribute, &attribute->max, &attribute->max_length);
	attribute->max_value = *value;
	attribute->has_max = true;
}

static void
read_range(const DispatchValue *range, DispatchAttribute *attribute)
{
	static const MemberReader readers[] = { { "min", read_min }, { "max", read_max } };

	if (attribute->kind != DISPATCH_STRING && attribute->kind != DISPATCH_NUMBER)
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"range\" is only for strings and numbers, not for %s.",
								 dispatch_kind_name(attribute->kind));
	require_kind(attribute, "range", range, DISPATCH_OBJECT);
	read_members(range, "\"range\"", readers, lengthof(readers), attribute);
	if (attribute->has_min && attribute->has_max &&
		dispatch_decimal_compare(&attribute->min, &attribute->max) > 0)
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"min\" of \"range\" is greater than its \"max\".");
}

/*
 * Compiles the pattern into the current context; 2201B when it cannot be.
 */
static void
read_regex(const DispatchValue *regex, DispatchAttribute *attribute)
{
	DispatchPatternError error;
	char *utf8;

	if (attribute->kind != DISPATCH_STRING)
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"regex\" is only for strings, not for %s.",
								 dispatch_kind_name(attribute->kind));
	require_kind(attribute, "regex", regex, DISPATCH_STRING);
	if (pg_mbstrlen_with_len(regex->as.string, regex->length) > REGEX_MAX_LENGTH)
		dispatch_error_malformed(DEFINITION(attribute), "\"regex\" has more than %d characters.",
								 REGEX_MAX_LENGTH);
	attribute->pattern_source.data = regex->as.string;
	attribute->pattern_source.length = regex->length;
	utf8 = pg_server_to_any(dispatch_value_string(regex), regex->length, PG_UTF8);
	attribute->pattern = dispatch_pattern_compile(utf8, strlen(utf8), CurrentMemoryContext, &error);
	if (attribute->pattern == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("invalid regular expression in the definition of attribute \"%.*s\": %s",
						attribute->name.length, attribute->name.data, error.message),
				 errdetail("The error is at offset %zu of \"%s\".", error.offset,
						   dispatch_cut(dispatch_value_string(regex)))));
}

static void
read_value_one_of(const DispatchValue *list, DispatchAttribute *attribute)
{
	DispatchWalk walk;
	DispatchValue value;

	require_kind(attribute, "valueOneOf", list, DISPATCH_ARRAY);
	walk = dispatch_walk(list->as.container);
	if (walk.count == 0)
		dispatch_error_malformed(DEFINITION(attribute), "\"valueOneOf\" is empty.");
	attribute->values = palloc(walk.count * sizeof(DispatchValue));
	while (dispatch_walk_element(&walk, &value))
	{
		if (value.kind != attribute->kind)
			dispatch_error_malformed(DEFINITION(attribute),
									 "Value %d of \"valueOneOf\" is not of type %s.", walk.next,
									 dispatch_kind_name(attribute->kind));
		attribute->values[attribute->nvalues++] = value;
	}
}

static void
read_required(const DispatchValue *value, DispatchAttribute *attribute)
{
	require_kind(attribute, "required", value, DISPATCH_BOOLEAN);
	attribute->required = value->as.boolean;
}

static void
read_validation(const DispatchValue *validation, DispatchAttribute *attribute)
{
	static const MemberReader readers[] = { { "range", read_range },
											{ "regex", read_regex },
											{ "valueOneOf", read_value_one_of },
											{ "required", read_required } };

	require_kind(attribute, "validation", validation, DISPATCH_OBJECT);
	read_members(validation, "\"validation\"", readers, lengthof(readers), attribute);
}

static void
read_description(const DispatchValue *value, DispatchAttribute *attribute)
{
	require_kind(attribute, "description", value, DISPATCH_STRING);
}

static void
read_tags(const DispatchValue *tags, DispatchAttribute *attribute)
{
	DispatchWalk walk;
	DispatchValue value;

	require_kind(attribute, "tags", tags, DISPATCH_ARRAY);
	walk = dispatch_walk(tags->as.container);
	while (dispatch_walk_element(&walk, &value))
		if (value.kind != DISPATCH_STRING)
			dispatch_error_malformed(DEFINITION(attribute), "Tag %d is not a string.", walk.next);
}

static void
read_indexed(const DispatchValue *value, DispatchAttribute *attribute)
{
	require_kind(attribute, "indexed", value, DISPATCH_BOOLEAN);
	attribute->slot = value->as.boolean ? 1 : 0;
	if (attribute->slot > 0 &&
		(attribute->kind == DISPATCH_OBJECT || attribute->kind == DISPATCH_ARRAY))
		dispatch_error_malformed(DEFINITION(attribute),
								 "\"indexed\" is only for strings, numbers and booleans, not for "
								 "%s.",
								 dispatch_kind_name(attribute->kind));
}

/*
 * Reads the default. The documented placeholder {} means none, but for an object.
 */
static void
read_default(const DispatchValue *value, DispatchAttribute *attribute)
{
	if (value->kind == DISPATCH_OBJECT && attribute->kind != DISPATCH_OBJECT &&
		JsonContainerSize(value->as.container) == 0)
		return;
	attribute->default_value = *value;
	attribute->has_default = true;
}

/*
 * Reads one attribute definition (name, description, tags, dataType,
 * indexed, defaultValue, validation) into *attribute, which keeps pointers
 * into its document; the rest is allocated in the current context. JSON null
 * counts as absent. position counts definitions from 1, for messages.
 *
 * 22023: malformed; 2201B: a pattern that cannot be compiled. That the default
 * is valid is the caller's to check.
 */
static void
parse_attribute(const DispatchValue *definition, int position, DispatchAttribute *attribute)
{
	/* The name and the type come first: the others need them. */
	static const MemberReader readers[] = { { "name", NULL },
											{ "dataType", NULL },
											{ "description", read_description },
											{ "tags", read_tags },
											{ "indexed", read_indexed },
											{ "defaultValue", read_default },
											{ "validation", read_validation } };

	memset(attribute, 0, sizeof(*attribute));
	read_name(definition, position, attribute);
	read_data_type(definition, attribute);
	read_members(definition, "It", readers, lengthof(readers), attribute);
}

/*
 * Reads a document of attribute definitions, an array, in its order, in which
 * those that are indexed get their slots: attributes are only ever added, so
 * each keeps the one it has. The result is allocated in the current context,
 * and points into the document.
 */
DispatchAttribute *
dispatch_attributes_parse(const Jsonb *document, int *count)
{
	DispatchValue root = dispatch_root(document);
	DispatchAttribute *attributes;
	DispatchWalk walk;
	DispatchValue definition;
	int slots = 0;

	if (root.kind != DISPATCH_ARRAY)
		dispatch_error_malformed("attributes", "They must be an array, but are of type %s.",
								 dispatch_kind_name(root.kind));
	walk = dispatch_walk(root.as.container);
	attributes = palloc(walk.count * sizeof(DispatchAttribute) + 1);
	while (dispatch_walk_element(&walk, &definition))
	{
		DispatchAttribute *attribute = &attributes[walk.next - 1];

		CHECK_FOR_INTERRUPTS();
		parse_attribute(&definition, walk.next, attribute);
		if (attribute->slot > 0)
			attribute->slot = ++slots;
	}
	*count = walk.count;
	return attributes;
}
