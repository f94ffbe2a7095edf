/*
 * compiled_type.c
 *	  A dispatch type as sessions use it: read from its row, and compiled.
 */
#include "postgres.h"

#include "compiled_type.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "builder.h"
#include "compat.h"
#include "owner.h"

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
 * Compiles the row of dispatch.types that SPI returned, in a context of its
 * own under the given one.
 */
static DispatchType *
compile_row(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "dispatch type", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	DispatchType *type = palloc0(sizeof(DispatchType));
	ErrorContextCallback error_context;
	Jsonb *lifecycle;
	bool isnull;

	type->context = context;
	type->id = *DatumGetUUIDP(dispatch_result(0, 1, &isnull));
	type->name = TextDatumGetCString(dispatch_result(0, 2, &isnull));
	lifecycle = DatumGetJsonbPCopy(dispatch_result(0, 3, &isnull));
	type->program.additional = DatumGetBool(dispatch_result(0, 4, &isnull));
	type->attributes = DatumGetJsonbPCopy(dispatch_result(0, 5, &isnull));
	type->revision = DatumGetInt32(dispatch_result(0, 6, &isnull));
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
		type->program.ndefaults += type->program.attributes[i].has_default;
	type->defaults = collect_defaults(&type->program);
	MemoryContextSwitchTo(caller);
	return type;
}

/*
 * Reads a type with the rights of the tables' owner, since validation runs
 * with the caller's. NULL when there is none. An error restores the user with
 * its transaction.
 */
static DispatchType *
read_type(DispatchStatement statement, Datum key, Snapshot snapshot)
{
	MemoryContext parent = CurrentMemoryContext;
	DispatchType *type = NULL;
	DispatchUser user = dispatch_become_owner();

	dispatch_connect();
	if (dispatch_query_snapshot(statement, &key, snapshot) > 0)
		type = compile_row(parent);
	SPI_finish();
	dispatch_become_caller(&user);
	return type;
}

/*
 * Loads a type into a context under the current one; NULL when there is none.
 * By the snapshot of the catalogs, which is the latest, also where that of a
 * REPEATABLE READ transaction is old, and can be had in parallel mode.
 */
DispatchType *
dispatch_type_load(Oid types_relid, DispatchStatement statement, Datum key)
{
	Snapshot snapshot = RegisterSnapshot(GetCatalogSnapshot(types_relid));
	DispatchType *type = read_type(statement, key, snapshot);

	UnregisterSnapshot(snapshot);
	return type;
}
