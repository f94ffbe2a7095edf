/*
 * document.c
 *	  Walks jsonb documents where they lie: no copy, no allocation.
 *
 * The layout is that of utils/jsonb.h: an array of entries, each with a length
 * or an offset, then keys in order, then values.
 */
#include "postgres.h"

#include "document.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "compat.h"
#include "decimal.h"

/*
 * The value of an entry that begins at an offset.
 */
static DispatchValue
entry_value(const char *base, JEntry entry, uint32 offset)
{
	DispatchValue value;
	uint32 end = offset;

	JBE_ADVANCE_OFFSET(end, entry);
	value.length = end - offset;
	if (JBE_ISSTRING(entry))
	{
		value.kind = DISPATCH_STRING;
		value.as.string = base + offset;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value.kind = DISPATCH_NUMBER;
		value.as.number = (Numeric) (base + INTALIGN(offset));
	}
	else if (JBE_ISBOOL(entry))
	{
		value.kind = DISPATCH_BOOLEAN;
		value.as.boolean = JBE_ISBOOL_TRUE(entry);
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value.as.container = (const JsonbContainer *) (base + INTALIGN(offset));
		value.length = end - INTALIGN(offset);
		value.kind = JsonContainerIsObject(value.as.container) ? DISPATCH_OBJECT : DISPATCH_ARRAY;
	}
	else
		value.kind = DISPATCH_NULL;
	return value;
}

/*
 * The value that a document consists of.
 */
DispatchValue
dispatch_root(const Jsonb *document)
{
	DispatchValue value;

	if (JB_ROOT_IS_SCALAR((Jsonb *) document))
	{
		DispatchWalk walk = dispatch_walk(&document->root);

		(void) dispatch_walk_element(&walk, &value);
		return value;
	}
	value.kind = JB_ROOT_IS_OBJECT((Jsonb *) document) ? DISPATCH_OBJECT : DISPATCH_ARRAY;
	value.as.container = &document->root;
	value.length = VARSIZE(document) - VARHDRSZ;
	return value;
}

/*
 * A walk over a container, before its first member or element.
 */
DispatchWalk
dispatch_walk(const JsonbContainer *container)
{
	DispatchWalk walk;
	int entries;

	walk.container = container;
	walk.count = JsonContainerSize(container);
	walk.object = JsonContainerIsObject(container);
	entries = walk.object ? walk.count * 2 : walk.count;
	walk.base = (const char *) &container->children[entries];
	walk.next = 0;
	walk.key_offset = 0;
	walk.value_offset = walk.object && walk.count > 0 ? getJsonbOffset(container, walk.count) : 0;
	return walk;
}

/*
 * The next member of an object; false when there is none.
 */
bool
dispatch_walk_member(DispatchWalk *walk, DispatchKey *key, DispatchValue *value)
{
	JEntry key_entry;
	JEntry value_entry;

	if (walk->next >= walk->count)
		return false;
	key_entry = walk->container->children[walk->next];
	value_entry = walk->container->children[walk->count + walk->next];
	key->data = walk->base + walk->key_offset;
	*value = entry_value(walk->base, value_entry, walk->value_offset);
	key->length = walk->key_offset;
	JBE_ADVANCE_OFFSET(walk->key_offset, key_entry);
	key->length = walk->key_offset - key->length;
	JBE_ADVANCE_OFFSET(walk->value_offset, value_entry);
	walk->next++;
	return true;
}

/*
 * The next element of an array; false when there is none.
 */
bool
dispatch_walk_element(DispatchWalk *walk, DispatchValue *value)
{
	JEntry entry;

	if (walk->next >= walk->count)
		return false;
	entry = walk->container->children[walk->next];
	*value = entry_value(walk->base, entry, walk->value_offset);
	JBE_ADVANCE_OFFSET(walk->value_offset, entry);
	walk->next++;
	return true;
}

/*
 * Compares two keys in the order in which jsonb keeps them: by length, then by bytes.
 */
int
dispatch_key_compare(const char *a, int alen, const char *b, int blen)
{
	if (alen != blen)
		return alen < blen ? -1 : 1;
	return memcmp(a, b, alen);
}

/*
 * Finds an object's member by name; false when there is none.
 */
bool
dispatch_find(const JsonbContainer *object, const char *name, DispatchValue *value)
{
	DispatchWalk walk = dispatch_walk(object);
	DispatchKey key;
	int length = strlen(name);

	while (dispatch_walk_member(&walk, &key, value))
		if (dispatch_key_compare(key.data, key.length, name, length) == 0)
			return true;
	return false;
}

static bool
container_equal(const JsonbContainer *a, const JsonbContainer *b)
{
	DispatchWalk walk_a = dispatch_walk(a);
	DispatchWalk walk_b = dispatch_walk(b);
	DispatchKey key_a;
	DispatchKey key_b;
	DispatchValue value_a;
	DispatchValue value_b;

	check_stack_depth();
	if (walk_a.count != walk_b.count)
		return false;
	while (walk_a.next < walk_a.count)
	{
		if (walk_a.object)
		{
			(void) dispatch_walk_member(&walk_a, &key_a, &value_a);
			(void) dispatch_walk_member(&walk_b, &key_b, &value_b);
			if (dispatch_key_compare(key_a.data, key_a.length, key_b.data, key_b.length) != 0)
				return false;
		}
		else
		{
			(void) dispatch_walk_element(&walk_a, &value_a);
			(void) dispatch_walk_element(&walk_b, &value_b);
		}
		if (!dispatch_value_equal(&value_a, &value_b))
			return false;
	}
	return true;
}

/*
 * JSON equality: numbers by value (1 equals 1.0), strings by bytes, objects
 * and arrays by their contents.
 */
bool
dispatch_value_equal(const DispatchValue *a, const DispatchValue *b)
{
	DispatchDecimal decimal_a;
	DispatchDecimal decimal_b;

	if (a->kind != b->kind)
		return false;
	switch (a->kind)
	{
		case DISPATCH_NULL:
			return true;
		case DISPATCH_STRING:
			return dispatch_key_compare(a->as.string, a->length, b->as.string, b->length) == 0;
		case DISPATCH_NUMBER:
			decimal_a = dispatch_decimal(a->as.number);
			decimal_b = dispatch_decimal(b->as.number);
			return dispatch_decimal_compare(&decimal_a, &decimal_b) == 0;
		case DISPATCH_BOOLEAN:
			return a->as.boolean == b->as.boolean;
		case DISPATCH_OBJECT:
		case DISPATCH_ARRAY:
			return container_equal(a->as.container, b->as.container);
	}
	return false;
}

/*
 * The name of a kind, as in an attribute's dataType.
 */
const char *
dispatch_kind_name(DispatchKind kind)
{
	switch (kind)
	{
		case DISPATCH_NULL:
			return "null";
		case DISPATCH_STRING:
			return "string";
		case DISPATCH_NUMBER:
			return "number";
		case DISPATCH_BOOLEAN:
			return "boolean";
		case DISPATCH_OBJECT:
			return "object";
		case DISPATCH_ARRAY:
			return "array";
	}
	return "unknown";
}

/*
 * A string value with a NUL at its end, allocated in the current context.
 */
char *
dispatch_value_string(const DispatchValue *value)
{
	Assert(value->kind == DISPATCH_STRING);
	return pnstrdup(value->as.string, value->length);
}

/*
 * A value as the server's functions that build documents take it; what it
 * points to stays in the document.
 */
JsonbValue
dispatch_value_jsonb(const DispatchValue *value)
{
	JsonbValue result;

	switch (value->kind)
	{
		case DISPATCH_NULL:
			result.type = jbvNull;
			break;
		case DISPATCH_STRING:
			result.type = jbvString;
			result.val.string.val = (char *) value->as.string;
			result.val.string.len = value->length;
			break;
		case DISPATCH_NUMBER:
			result.type = jbvNumeric;
			result.val.numeric = value->as.number;
			break;
		case DISPATCH_BOOLEAN:
			result.type = jbvBool;
			result.val.boolean = value->as.boolean;
			break;
		case DISPATCH_OBJECT:
		case DISPATCH_ARRAY:
			result.type = jbvBinary;
			result.val.binary.data = (JsonbContainer *) value->as.container;
			result.val.binary.len = value->length;
			break;
	}
	return result;
}

/*
 * A value as a document of its own, allocated in the current context.
 */
Jsonb *
dispatch_value_document(const DispatchValue *value)
{
	JsonbValue jsonb = dispatch_value_jsonb(value);

	return JsonbValueToJsonb(&jsonb);
}

/*
 * A value in JSON, allocated in the current context.
 */
char *
dispatch_value_text(const DispatchValue *value)
{
	return JsonbToCString(NULL, &dispatch_value_document(value)->root, 0);
}

/*
 * A string in UTF-8: itself, where it is that or its encoding is not known, else a
 * copy that is allocated in the current context. *length becomes that of the result.
 */
const char *
dispatch_utf8(const char *string, int *length)
{
	const char *utf8;

	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return string;
	utf8 = pg_server_to_any(string, *length, PG_UTF8);
	if (utf8 != string)
		*length = (int) strlen(utf8);
	return utf8;
}

/*
 * A copy of a document, allocated in a context.
 */
Jsonb *
dispatch_copy_document(const Jsonb *document, MemoryContext context)
{
	Jsonb *copy = MemoryContextAlloc(context, VARSIZE(document));

	memcpy(copy, document, VARSIZE(document));
	return copy;
}
