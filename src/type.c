/*
 * type.c
 *	  The operations on dispatch types: created, attributes added, read.
 */
#include "postgres.h"

#include "type.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "attribute.h"
#include "builder.h"
#include "compat.h"
#include "custom_data.h"
#include "document.h"
#include "error.h"
#include "lifecycle.h"
#include "owner.h"
#include "statement.h"
#include "uuid.h"
#include "validator.h"

#define NAME_MIN_LENGTH 4
#define NAME_MAX_LENGTH 16

static void
check_name(const char *name)
{
	size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

	if (name[length] != '\0' || length < NAME_MIN_LENGTH || length > NAME_MAX_LENGTH)
		dispatch_error_malformed("dispatch type name",
								 "\"%s\" must consist of %d to %d letters from A to Z and a to z.",
								 dispatch_cut(name), NAME_MIN_LENGTH, NAME_MAX_LENGTH);
}

/*
 * Records what happened to a type, between SPI_connect() and SPI_finish().
 */
static void
record(const pg_uuid_t *id, int64 sequence, TimestampTz at, const char *event, Jsonb *data,
	   const Jsonb *event_meta)
{
	char nulls[] = "       ";
	Datum values[7];

	values[0] = UUIDPGetDatum(id);
	values[1] = Int64GetDatum(sequence);
	values[2] = TimestampTzGetDatum(at);
	values[3] = CStringGetTextDatum(event);
	values[4] = CStringGetTextDatum(dispatch_caller());
	values[5] = JsonbPGetDatum(data);
	values[6] = event_meta != NULL ? JsonbPGetDatum(event_meta) : (Datum) 0;
	nulls[6] = event_meta != NULL ? ' ' : 'n';
	(void) dispatch_execute(DISPATCH_INSERT_TYPE_EVENT, values, nulls);
}

/*
 * Inserts the row of a type; 23505 where the name is used already.
 */
static void
insert_type(const pg_uuid_t *id, const char *name, const Jsonb *lifecycle, bool additional,
			TimestampTz at)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum values[5];

	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(name);
	values[2] = JsonbPGetDatum(lifecycle);
	values[3] = BoolGetDatum(additional);
	values[4] = TimestampTzGetDatum(at);
	PG_TRY();
	{
		(void) dispatch_execute(DISPATCH_INSERT_TYPE, values, NULL);
	}
	PG_CATCH();
	{
		const char *detail;

		if (!dispatch_caught_duplicate("types_name_key", caller, &detail))
			PG_RE_THROW();
		ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
						errmsg("dispatch type \"%s\" already exists", name),
						err_generic_string(PG_DIAG_SCHEMA_NAME, "dispatch"),
						err_generic_string(PG_DIAG_TABLE_NAME, "types"),
						err_generic_string(PG_DIAG_CONSTRAINT_NAME, "types_name_key")));
	}
	PG_END_TRY();
}

/*
 * Creates a type; its id. lifecycle and event_meta may be NULL. 22023: a
 * malformed name, lifecycle or event_meta; 23505: the name is in use.
 */
pg_uuid_t
dispatch_type_create(const char *name, const Jsonb *lifecycle, bool additional,
					 const Jsonb *event_meta)
{
	TimestampTz at = GetCurrentTimestamp();
	DispatchBuilder data;
	pg_uuid_t id;

	check_name(name);
	if (lifecycle != NULL)
		(void) dispatch_lifecycle_parse(lifecycle);
	else
		lifecycle = dispatch_lifecycle_default();
	if (event_meta != NULL)
		dispatch_check_object("event_meta", event_meta);
	dispatch_uuid_make(&id);
	dispatch_connect();
	insert_type(&id, name, lifecycle, additional, at);
	dispatch_build_begin(&data);
	dispatch_build_text(&data, "dispatchTypeName", name);
	dispatch_build_document(&data, "lifecycle", lifecycle);
	dispatch_build_boolean(&data, "additionalAttributes", additional);
	record(&id, 1, at, "dispatch_type.created", dispatch_build_end(&data), event_meta);
	SPI_finish();
	return id;
}

/*
 * Requires each default to pass its attribute's validation; 22023.
 */
static void
check_defaults(const DispatchProgram *program)
{
	for (int i = 0; i < program->nattributes; i++)
	{
		const DispatchAttribute *attribute = &program->attributes[i];
		DispatchFindings findings = { .collect = true };
		DispatchVerdict verdict = DISPATCH_VALID;

		if (attribute->has_default)
			verdict = dispatch_value_check(attribute, &attribute->default_value, &findings);
		if (verdict == DISPATCH_LIMIT)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("the search for the pattern of attribute \"%.*s\" in its "
								   "default exceeded its limits",
								   attribute->name.length, attribute->name.data)));
		if (verdict == DISPATCH_INVALID)
			dispatch_error_malformed(
				psprintf("default of attribute \"%.*s\"", attribute->name.length,
						 attribute->name.data),
				"%s.", ((DispatchViolation *) linitial(findings.violations))->message);
	}
}

/*
 * 23505 where two attributes of a sorted program have one name; fault says
 * what is wrong with that.
 */
static void
check_duplicates(const DispatchProgram *program, const char *fault)
{
	for (int i = 1; i < program->nattributes; i++)
	{
		const DispatchKey *a = &program->attributes[i - 1].name;
		const DispatchKey *b = &program->attributes[i].name;

		if (dispatch_key_compare(a->data, a->length, b->data, b->length) == 0)
			ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
							errmsg("attribute \"%.*s\" %s", a->length, a->data, fault)));
	}
}

static void
check_indexed(const DispatchProgram *program, const char *type_name)
{
	int indexed = 0;

	for (int i = 0; i < program->nattributes; i++)
		indexed += program->attributes[i].slot > 0;
	if (indexed > DISPATCH_MAX_INDEXED)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("dispatch type \"%s\" would have %d indexed attributes", type_name,
							   indexed),
						errdetail("A type may have %d.", DISPATCH_MAX_INDEXED)));
}

/*
 * Reads definitions into a sorted program.
 */
static DispatchProgram
read_program(const Jsonb *attributes)
{
	DispatchProgram program = { .additional = false };

	program.attributes = dispatch_attributes_parse(attributes, &program.nattributes);
	dispatch_program_sort(&program);
	return program;
}

/*
 * Locks a type's row; its name and the attributes it has. P0002.
 */
static Jsonb *
lock_type(const pg_uuid_t *id, char **name)
{
	Datum value = UUIDPGetDatum(id);
	bool isnull;

	if (dispatch_execute(DISPATCH_LOCK_TYPE, &value, NULL) == 0)
		dispatch_error_no_type(dispatch_uuid_text(id));
	*name = TextDatumGetCString(dispatch_result(0, 1, &isnull));
	return DatumGetJsonbPCopy(dispatch_result(0, 2, &isnull));
}

/*
 * Notes which slots of older dispatches are to be filled, where there may be any:
 * those of the attributes that were added to the ones that were there.
 */
static void
require_backfill(const pg_uuid_t *id, const DispatchProgram *all, const Jsonb *present)
{
	DispatchProgram before = read_program(present);
	int32 slots = 0;
	Datum values[2];
	int first = 0;

	for (int i = 0; i < before.nattributes; i++)
		first = Max(first, before.attributes[i].slot);
	for (int i = 0; i < all->nattributes; i++)
		if (all->attributes[i].slot > first)
			slots |= 1 << (all->attributes[i].slot - 1);
	values[0] = UUIDPGetDatum(id);
	values[1] = Int32GetDatum(slots);
	if (slots != 0)
		(void) dispatch_execute(DISPATCH_ADD_BACKFILL, values, NULL);
}

/*
 * Adds attributes to a type; how many. event_meta may be NULL. 22023: a
 * malformed definition, or none; 2201B: a pattern that cannot be compiled;
 * 23505: a name that is there already or given twice; 54000: more than eight
 * indexed ones; P0002: no such type.
 */
int32
dispatch_type_add_attributes(const pg_uuid_t *id, const Jsonb *attributes, const Jsonb *event_meta)
{
	TimestampTz at = GetCurrentTimestamp();
	DispatchProgram added = read_program(attributes);
	DispatchProgram all;
	DispatchBuilder data;
	Datum values[3];
	Jsonb *present;
	int32 revision;
	char *name;
	bool isnull;

	if (added.nattributes == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("attributes must not be empty")));
	check_duplicates(&added, "is given twice");
	check_defaults(&added);
	if (event_meta != NULL)
		dispatch_check_object("event_meta", event_meta);
	dispatch_connect();
	present = lock_type(id, &name);
	all = read_program(DatumGetJsonbP(
		DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(present), JsonbPGetDatum(attributes))));
	check_duplicates(&all, psprintf("of dispatch type \"%s\" already exists", name));
	check_indexed(&all, name);
	values[0] = UUIDPGetDatum(id);
	values[1] = JsonbPGetDatum(attributes);
	values[2] = TimestampTzGetDatum(at);
	(void) dispatch_execute(DISPATCH_UPDATE_ATTRIBUTES, values, NULL);
	revision = DatumGetInt32(dispatch_result(0, 1, &isnull));
	require_backfill(id, &all, present);
	dispatch_build_begin(&data);
	dispatch_build_document(&data, "attributes", attributes);
	record(id, 1 + revision, at, "dispatch_type.attributes.added", dispatch_build_end(&data),
		   event_meta);
	SPI_finish();
	return added.nattributes;
}

/*
 * What get_attributes() returns; in the current context.
 */
Jsonb *
dispatch_type_attributes(const DispatchType *type)
{
	DispatchBuilder builder;

	dispatch_build_begin(&builder);
	dispatch_build_id(&builder, "dispatchTypeId", &type->id);
	dispatch_build_text(&builder, "dispatchTypeName", type->name);
	dispatch_build_integer(&builder, "revision", type->revision);
	dispatch_build_document(&builder, "attributes", type->attributes);
	return dispatch_build_end(&builder);
}
