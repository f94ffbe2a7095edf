/*
 * builder.c
 *	  Writes jsonb documents, member by member. All memory is of the current
 *	  context.
 */
#include "postgres.h"

#include "builder.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "document.h"
#include "error.h"

static void
push(DispatchBuilder *builder, JsonbIteratorToken token, JsonbValue *value)
{
	(void) pushJsonbValue(&builder->state, token, value);
}

static JsonbValue
string_value(const char *text)
{
	JsonbValue value;

	value.type = jbvString;
	value.val.string.val = (char *) text;
	value.val.string.len = strlen(text);
	return value;
}

static void
push_key(DispatchBuilder *builder, const char *name)
{
	JsonbValue key = string_value(name);

	push(builder, WJB_KEY, &key);
}

static void
push_member(DispatchBuilder *builder, const char *name, JsonbValue *value)
{
	push_key(builder, name);
	push(builder, WJB_VALUE, value);
}

/*
 * Pushes a member of another document, which must live until the end.
 */
void
dispatch_push_member(JsonbParseState **state, const DispatchKey *name, const DispatchValue *value)
{
	JsonbValue key;
	JsonbValue item = dispatch_value_jsonb(value);

	key.type = jbvString;
	key.val.string.val = (char *) name->data;
	key.val.string.len = name->length;
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_VALUE, &item);
}

/*
 * Begins an object.
 */
void
dispatch_build_begin(DispatchBuilder *builder)
{
	builder->state = NULL;
	push(builder, WJB_BEGIN_OBJECT, NULL);
}

/*
 * Adds a string; nothing where it is NULL. The text must live until the end.
 */
void
dispatch_build_text(DispatchBuilder *builder, const char *name, const char *text)
{
	JsonbValue value;

	if (text == NULL)
		return;
	value = string_value(text);
	push_member(builder, name, &value);
}

/*
 * Adds an id as a string.
 */
void
dispatch_build_id(DispatchBuilder *builder, const char *name, const pg_uuid_t *id)
{
	dispatch_build_text(builder, name, dispatch_uuid_text(id));
}

/*
 * Adds a whole number.
 */
void
dispatch_build_integer(DispatchBuilder *builder, const char *name, int64 integer)
{
	JsonbValue value;

	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(DirectFunctionCall1(int8_numeric, Int64GetDatum(integer)));
	push_member(builder, name, &value);
}

/*
 * Adds true or false.
 */
void
dispatch_build_boolean(DispatchBuilder *builder, const char *name, bool boolean)
{
	JsonbValue value;

	value.type = jbvBool;
	value.val.boolean = boolean;
	push_member(builder, name, &value);
}

/*
 * A time in RFC 3339, in UTC, whatever the session's settings.
 */
char *
dispatch_time_text(TimestampTz time)
{
	struct pg_tm tm;
	fsec_t fsec;

	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE), errmsg("timestamp out of range")));
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", tm.tm_year, tm.tm_mon, tm.tm_mday,
					tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}

/*
 * Adds a time, as dispatch_time_text() writes it.
 */
void
dispatch_build_time(DispatchBuilder *builder, const char *name, TimestampTz time)
{
	dispatch_build_text(builder, name, dispatch_time_text(time));
}

/*
 * Adds null.
 */
void
dispatch_build_null(DispatchBuilder *builder, const char *name)
{
	JsonbValue value;

	value.type = jbvNull;
	push_member(builder, name, &value);
}

/*
 * Adds a document; nothing where it is NULL.
 */
void
dispatch_build_document(DispatchBuilder *builder, const char *name, const Jsonb *document)
{
	DispatchValue root;
	JsonbValue value;

	if (document == NULL)
		return;
	root = dispatch_root(document);
	value = dispatch_value_jsonb(&root);
	push_member(builder, name, &value);
}

/*
 * Adds all members of an object; nothing where it is NULL.
 */
void
dispatch_build_members(DispatchBuilder *builder, const Jsonb *document)
{
	DispatchWalk walk;
	DispatchKey name;
	DispatchValue value;

	if (document == NULL)
		return;
	walk = dispatch_walk(&document->root);
	while (dispatch_walk_member(&walk, &name, &value))
		dispatch_push_member(&builder->state, &name, &value);
}

/*
 * Begins an object that is a member.
 */
void
dispatch_build_begin_object(DispatchBuilder *builder, const char *name)
{
	push_key(builder, name);
	push(builder, WJB_BEGIN_OBJECT, NULL);
}

/*
 * Begins an array that is a member.
 */
void
dispatch_build_begin_array(DispatchBuilder *builder, const char *name)
{
	push_key(builder, name);
	push(builder, WJB_BEGIN_ARRAY, NULL);
}

/*
 * Adds a string to the array that was begun. The text must live until the end.
 */
void
dispatch_build_element(DispatchBuilder *builder, const char *text)
{
	JsonbValue value = string_value(text);

	push(builder, WJB_ELEM, &value);
}

/*
 * Adds a document to the array that was begun.
 */
void
dispatch_build_element_document(DispatchBuilder *builder, const Jsonb *document)
{
	DispatchValue root = dispatch_root(document);
	JsonbValue value = dispatch_value_jsonb(&root);

	push(builder, WJB_ELEM, &value);
}

/*
 * Begins an object that is an element of the array that was begun.
 */
void
dispatch_build_element_object(DispatchBuilder *builder)
{
	push(builder, WJB_BEGIN_OBJECT, NULL);
}

/*
 * Ends an object that is a member or an element.
 */
void
dispatch_build_end_object(DispatchBuilder *builder)
{
	push(builder, WJB_END_OBJECT, NULL);
}

/*
 * Ends the array that was begun.
 */
void
dispatch_build_end_array(DispatchBuilder *builder)
{
	push(builder, WJB_END_ARRAY, NULL);
}

/*
 * Ends the whole; the document.
 */
Jsonb *
dispatch_build_end(DispatchBuilder *builder)
{
	return JsonbValueToJsonb(pushJsonbValue(&builder->state, WJB_END_OBJECT, NULL));
}
