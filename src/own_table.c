/*
 * own_table.c
 *	  validate_custom_data(), a trigger for tables of users' own: it checks a
 *	  jsonb column by the attributes of a dispatch type.
 *
 * It changes nothing, so it serves before a row is written and after. It runs
 * as whoever writes; only the load of the type's definition switches user.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "custom_data.h"
#include "type_cache.h"

/* What a trigger checks, found out with a statement's first row. */
typedef struct OwnCheck
{
	DispatchTypeUse use;
	text *type;
	int column; /* from 1 */
} OwnCheck;

/*
 * Requires the function to be called where it can check a row; 39P01.
 */
static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerEvent event;

	if (CALLED_AS_TRIGGER(fcinfo))
	{
		event = ((TriggerData *) fcinfo->context)->tg_event;
		if (TRIGGER_FIRED_FOR_ROW(event) && !TRIGGER_FIRED_INSTEAD(event) &&
			!TRIGGER_FIRED_BY_DELETE(event))
			return;
	}
	ereport(
		ERROR,
		(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
		 errmsg("function \"validate_custom_data\" must be called as a trigger, before or after "
				"each row is inserted or updated")));
}

/*
 * Requires a column to be one that holds jsonb by the time the trigger runs.
 * 42804: another type; 42P17: its value is not there.
 */
static void
check_column(const TriggerData *data, const FormData_pg_attribute *attribute)
{
	const char *column = NameStr(attribute->attname);
	const char *relation = RelationGetRelationName(data->tg_relation);

	if (getBaseType(attribute->atttypid) != JSONBOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("column \"%s\" of relation \"%s\" must be of type jsonb to be "
							   "validated, but is of type %s",
							   column, relation, format_type_be(attribute->atttypid)),
						errtable(data->tg_relation)));
	if (attribute->attgenerated != '\0' && (TRIGGER_FIRED_BEFORE(data->tg_event) ||
											attribute->attgenerated != ATTRIBUTE_GENERATED_STORED))
		ereport(ERROR, (errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
						errmsg("trigger \"%s\" cannot validate the generated column \"%s\" of "
							   "relation \"%s\"",
							   data->tg_trigger->tgname, column, relation),
						errdetail("BEFORE triggers do not see generated columns, and none sees a "
								  "virtual one."),
						errhint("Use an AFTER trigger, or validate what the column is made from."),
						errtable(data->tg_relation)));
}

/*
 * The place of the column that the trigger names, from 1. 42703: there is none.
 */
static int
find_column(const TriggerData *data)
{
	const char *name = data->tg_trigger->tgargs[1];
	TupleDesc desc = RelationGetDescr(data->tg_relation);
	int column = SPI_fnumber(desc, name);

	if (column <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of relation \"%s\" does not exist", name,
							   RelationGetRelationName(data->tg_relation)),
						errdetail("Trigger \"%s\" is to validate it.", data->tg_trigger->tgname),
						errtable(data->tg_relation)));
	check_column(data, TupleDescAttr(desc, column - 1));
	return column;
}

/*
 * What the trigger checks, kept for the other rows of the statement. 22023:
 * other arguments than two; or as above.
 */
static OwnCheck *
find_check(FunctionCallInfo fcinfo)
{
	const TriggerData *data = (TriggerData *) fcinfo->context;
	MemoryContext context = fcinfo->flinfo->fn_mcxt;
	MemoryContext caller;
	OwnCheck *check;

	if (fcinfo->flinfo->fn_extra != NULL)
		return (OwnCheck *) fcinfo->flinfo->fn_extra;
	if (data->tg_trigger->tgnargs != 2)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("trigger \"%s\" must give a dispatch type and a column to "
					"\"validate_custom_data\"",
					data->tg_trigger->tgname),
			 errhint("Write EXECUTE FUNCTION dispatch.validate_custom_data('lastmile', 'data')."),
			 errtable(data->tg_relation)));
	caller = MemoryContextSwitchTo(context);
	check = palloc(sizeof(OwnCheck));
	check->column = find_column(data);
	check->type = cstring_to_text(data->tg_trigger->tgargs[0]);
	dispatch_type_use_begin(&check->use, context);
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = check;
	return check;
}

/*
 * 23514: the column's value breaks the attributes; the DETAIL lists all violations.
 */
static void
error_invalid(const TriggerData *data, int column, const DispatchType *type, const Jsonb *document)
{
	Relation relation = data->tg_relation;

	ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
					errmsg("custom data in column \"%s\" of relation \"%s\" breaks the attributes "
						   "of dispatch type \"%s\"",
						   NameStr(TupleDescAttr(RelationGetDescr(relation), column - 1)->attname),
						   RelationGetRelationName(relation), type->name),
					errdetail_internal("%s", dispatch_custom_data_faults(type, document)),
					errtablecol(relation, column)));
}

/*
 * Whether the row is an update that leaves the column as it lies.
 */
static bool
is_unchanged(const TriggerData *data, int column, Datum value)
{
	bool isnull;
	Datum old;

	if (!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return false;
	old = heap_getattr(data->tg_trigtuple, column, RelationGetDescr(data->tg_relation), &isnull);
	return !isnull && datumIsEqual(value, old, false, -1);
}

PG_FUNCTION_INFO_V1(dispatch_validate_custom_data);

/*
 * validate_custom_data('type', 'column') → trigger: before or after each row of
 * a table of a user's own is inserted or updated. NULL is valid. 23514, 54000,
 * P0002, or as above.
 */
Datum
dispatch_validate_custom_data(PG_FUNCTION_ARGS)
{
	const TriggerData *data = (TriggerData *) fcinfo->context;
	OwnCheck *check;
	HeapTuple tuple;
	Datum value;
	bool isnull;

	check_call(fcinfo);
	check = find_check(fcinfo);
	tuple = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	value = heap_getattr(tuple, check->column, RelationGetDescr(data->tg_relation), &isnull);
	if (!isnull && !is_unchanged(data, check->column, value))
	{
		const DispatchType *type = dispatch_type_use_name(&check->use, check->type);
		const Jsonb *document = DatumGetJsonbP(value);

		if (!dispatch_custom_data_is_valid(type, document))
			error_invalid(data, check->column, type, document);
	}
	return PointerGetDatum(tuple);
}
