/*
 * compiled_type.c
 *	  A dispatch type as sessions use it: read from its row, and compiled.
 */
#include "postgres.h"

#include "compiled_type.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "builder.h"
#include "compat.h"

/*
 * All default values as one object; NULL where there are none.
 */
static Jsonb *
collect_defaults(const DispatchProgram *program)
{
	JsonbParseState *state = NULL;

	if (program->ndefaults == 0)
		return NULL;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < program->nattributes; i++)
	{
		const DispatchAttribute *attribute = &program->attributes[i];

		if (attribute->has_default)
			dispatch_push_member(&state, &attribute->name, &attribute->default_value);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * Says of which type a definition is that cannot be read: only an owner's
 * direct write can make one.
 */
static void
say_type(void *name)
{
	errcontext("definition of dispatch type \"%s\"", (const char *) name);
}

/*
 * A column of a row of dispatch.types, none of which is NULL.
 */
static Datum
column_of(HeapTuple row, DispatchTypeColumn column, TupleDesc desc)
{
	bool isnull;

	return heap_getattr(row, column, desc, &isnull);
}

/*
 * Compiles a row of dispatch.types, in a context of its own under the current one.
 */
static DispatchType *
compile_row(HeapTuple row, TupleDesc desc)
{
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "dispatch type", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	DispatchType *type = palloc0(sizeof(DispatchType));
	ErrorContextCallback error_context;
	Jsonb *lifecycle;

	type->context = context;
	type->id = *DatumGetUUIDP(column_of(row, DISPATCH_TYPE_ID, desc));
	type->name = TextDatumGetCString(column_of(row, DISPATCH_TYPE_NAME, desc));
	lifecycle = DatumGetJsonbPCopy(column_of(row, DISPATCH_TYPE_LIFECYCLE, desc));
	type->program.additional =
		DatumGetBool(column_of(row, DISPATCH_TYPE_ADDITIONAL_ATTRIBUTES, desc));
	type->attributes = DatumGetJsonbPCopy(column_of(row, DISPATCH_TYPE_ATTRIBUTES, desc));
	type->revision = DatumGetInt32(column_of(row, DISPATCH_TYPE_REVISION, desc));
	error_context.callback = say_type;
	error_context.arg = type->name;
	error_context.previous = error_context_stack;
	error_context_stack = &error_context;
	type->lifecycle = dispatch_lifecycle_parse(lifecycle);
	type->program.attributes =
		dispatch_attributes_parse(type->attributes, &type->program.nattributes);
	error_context_stack = error_context.previous;
	dispatch_program_sort(&type->program);
	for (int i = 0; i < type->program.nattributes; i++)
	{
		const DispatchAttribute *attribute = &type->program.attributes[i];

		type->program.ndefaults += attribute->has_default;
		if (attribute->slot > 0 && attribute->slot <= DISPATCH_MAX_INDEXED)
			type->slots[attribute->slot - 1] = attribute;
	}
	type->defaults = collect_defaults(&type->program);
	MemoryContextSwitchTo(caller);
	return type;
}

/*
 * The row with an id or a name, by its index as catalogs are read, without a plan: that
 * is half of what the first look at a type in a session would take. Nobody's
 * rights are asked, since validation runs with the caller's. NULL when there is none.
 */
static DispatchType *
read_type(Relation types, DispatchTypeColumn column, Datum key, Snapshot snapshot)
{
	bool by_id = column == DISPATCH_TYPE_ID;
	Oid index =
		get_relname_relid(by_id ? "types_pkey" : "types_name_key", RelationGetNamespace(types));
	DispatchType *type = NULL;
	SysScanDesc scan;
	ScanKeyData condition;
	HeapTuple row;

	ScanKeyInit(&condition, column, BTEqualStrategyNumber, by_id ? F_UUID_EQ : F_TEXTEQ, key);
	scan = systable_beginscan(types, index, OidIsValid(index), snapshot, 1, &condition);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
		type = compile_row(row, RelationGetDescr(types));
	systable_endscan(scan);
	return type;
}

/*
 * Loads a type by its id (a uuid) or name (a text) into a context under the
 * current one; NULL when there is none. By the snapshot of the catalogs, which
 * is the latest, also where that of a REPEATABLE READ transaction is old, and
 * can be had in parallel mode.
 */
DispatchType *
dispatch_type_load(Oid types_relid, DispatchTypeColumn column, Datum key)
{
	Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(types_relid));
	Relation types = table_open(types_relid, AccessShareLock);
	DispatchType *type = read_type(types, column, key, snapshot);

	table_close(types, AccessShareLock);
	UnregisterSnapshot(snapshot);
	return type;
}
