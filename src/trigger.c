/*
 * trigger.c
 *	  The trigger on dispatch.dispatches: the one place that validates, so that
 *	  the functions, INSERT, UPDATE and COPY meet the same check.
 *
 * A row that comes with a seal that fits was validated before: it is taken as
 * it is, with no look at any other table, so that a restore is complete in
 * whatever order tables are loaded. Every other row is validated and sealed.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "custom_data.h"
#include "error.h"
#include "lifecycle.h"
#include "operation.h"
#include "seal.h"
#include "type_cache.h"

/* The columns of dispatch.dispatches, from 0. */
enum
{
	COLUMN_ID,
	COLUMN_TYPE_ID,
	COLUMN_VERSION,
	COLUMN_CREATED_AT,
	COLUMN_UPDATED_AT,
	COLUMN_CLOSED_AT,
	COLUMN_SEAL,
	COLUMN_TYPE_REVISION,
	COLUMN_DISPATCH_REF,
	COLUMN_STATUS,
	COLUMN_SUB_STATUS,
	COLUMN_CUSTOM_DATA,
	COLUMN_EXTRA,
	COLUMN_SLOTS,
	COLUMN_FINAL_STATUS = COLUMN_SLOTS + DISPATCH_MAX_INDEXED,
	COLUMNS
};

/* A row, with whatever columns of their own users have added behind ours. */
typedef struct Row
{
	Datum *values;
	bool *nulls;
	bool *changed; /* by this trigger */
} Row;

static void
set_column(Row *row, int column, Datum value, bool isnull)
{
	row->values[column] = value;
	row->nulls[column] = isnull;
	row->changed[column] = true;
}

/*
 * Whether a column is the same in two rows, to the byte, as it lies in them.
 */
static bool
same(const Row *a, const Row *b, TupleDesc desc, int column)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, column);

	if (a->nulls[column] || b->nulls[column])
		return a->nulls[column] && b->nulls[column];
	return datumIsEqual(a->values[column], b->values[column], attribute->attbyval,
						attribute->attlen);
}

/*
 * What can be checked without a look at anything else; 22023.
 */
static void
check_texts(const Row *row, const Row *old, TupleDesc desc)
{
	if (!row->nulls[COLUMN_DISPATCH_REF])
		dispatch_check_ref(TextDatumGetCString(row->values[COLUMN_DISPATCH_REF]));
	if (!row->nulls[COLUMN_SUB_STATUS])
		dispatch_check_sub_status(TextDatumGetCString(row->values[COLUMN_SUB_STATUS]));
	if (!row->nulls[COLUMN_EXTRA] && (old == NULL || !same(row, old, desc, COLUMN_EXTRA)))
		dispatch_check_extra(DatumGetJsonbP(row->values[COLUMN_EXTRA]));
}

/*
 * The part of a row's seal that is over its custom data.
 */
static int64
seal_of_data(const Row *row)
{
	return dispatch_seal(DatumGetUUIDP(row->values[COLUMN_TYPE_ID]),
						 DatumGetInt32(row->values[COLUMN_TYPE_REVISION]),
						 DatumGetJsonbP(row->values[COLUMN_CUSTOM_DATA]));
}

/*
 * The part of a row's seal that is over its status.
 */
static int64
seal_of_status(const Row *row)
{
	TimestampTz closed_at = 0;

	if (!row->nulls[COLUMN_CLOSED_AT])
		closed_at = DatumGetTimestampTz(row->values[COLUMN_CLOSED_AT]);
	return dispatch_seal_status(TextDatumGetCString(row->values[COLUMN_STATUS]),
								row->nulls[COLUMN_CLOSED_AT] ? NULL : &closed_at);
}

/*
 * The part of a row's seal that is over its slots.
 */
static int64
seal_of_slots(const Row *row)
{
	return dispatch_seal_slots(row->values + COLUMN_SLOTS, row->nulls + COLUMN_SLOTS,
							   DISPATCH_MAX_INDEXED);
}

/*
 * Whether a row comes with a seal that fits.
 */
static bool
is_sealed(const Row *row)
{
	if (row->nulls[COLUMN_SEAL] || row->nulls[COLUMN_TYPE_REVISION] || row->nulls[COLUMN_STATUS])
		return false;
	return DatumGetInt64(row->values[COLUMN_SEAL]) ==
		   (seal_of_data(row) ^ seal_of_slots(row) ^ seal_of_status(row));
}

/*
 * Fills the slots with the values of the type's indexed attributes. What is in
 * them otherwise goes.
 */
static void
fill_slots(Row *row, const DispatchType *type)
{
	bytea *keys[DISPATCH_MAX_INDEXED];

	dispatch_custom_data_keys(type, DatumGetJsonbP(row->values[COLUMN_CUSTOM_DATA]), keys);
	for (int i = 0; i < DISPATCH_MAX_INDEXED; i++)
		if (keys[i] != NULL || !row->nulls[COLUMN_SLOTS + i])
			set_column(row, COLUMN_SLOTS + i, PointerGetDatum(keys[i]), keys[i] == NULL);
}

/*
 * Validates and completes the custom data.
 */
static void
validate(Row *row, const DispatchType *type)
{
	Jsonb *given = DatumGetJsonbP(row->values[COLUMN_CUSTOM_DATA]);
	Jsonb *complete = dispatch_custom_data_complete(type, given);

	if (complete != given)
		set_column(row, COLUMN_CUSTOM_DATA, JsonbPGetDatum(complete), false);
	set_column(row, COLUMN_TYPE_REVISION, Int32GetDatum(type->revision), false);
	fill_slots(row, type);
}

/*
 * Requires the status to be one of the type's, the initial one where it is not
 * given; its place. 23514 for a new row, 55000 for a change.
 */
static int
check_status(Row *row, const DispatchType *type, bool insert)
{
	const DispatchLifecycle *lifecycle = type->lifecycle;
	char *status;
	int place;

	if (row->nulls[COLUMN_STATUS])
	{
		status = lifecycle->statuses[lifecycle->initial].name;
		set_column(row, COLUMN_STATUS, CStringGetTextDatum(status), false);
		return lifecycle->initial;
	}
	status = TextDatumGetCString(row->values[COLUMN_STATUS]);
	place = dispatch_lifecycle_find(lifecycle, status);
	if (place < 0)
		ereport(
			ERROR,
			(errcode(insert ? ERRCODE_CHECK_VIOLATION : ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("dispatch type \"%s\" has no status \"%s\"", type->name, dispatch_cut(status)),
			 errhint("dispatch.get_type() shows the lifecycle of a type.")));
	return place;
}

/*
 * Requires the lifecycle to have a transition to a status, by its place; 55000.
 */
static void
check_transition(const Row *old, const DispatchType *type, int target)
{
	const DispatchLifecycle *lifecycle = type->lifecycle;
	char *from = TextDatumGetCString(old->values[COLUMN_STATUS]);
	int source = dispatch_lifecycle_find(lifecycle, from);

	if (source < 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("dispatch type \"%s\" has no status \"%s\"", type->name, from)));
	if (!dispatch_lifecycle_allows(lifecycle, source, target))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("dispatch \"%s\" cannot go from status \"%s\" to \"%s\"",
							   dispatch_uuid_text(DatumGetUUIDP(old->values[COLUMN_ID])), from,
							   lifecycle->statuses[target].name),
						errdetail("From \"%s\" dispatch type \"%s\" allows: %s.", from, type->name,
								  dispatch_lifecycle_targets(lifecycle, source))));
}

/*
 * Requires that of a dispatch that is closed nothing changes that operations change; 55000.
 */
static void
check_final(const Row *row, const Row *old, TupleDesc desc)
{
	static const int fixed[] = { COLUMN_TYPE_ID, COLUMN_STATUS, COLUMN_SUB_STATUS,
								 COLUMN_CUSTOM_DATA, COLUMN_EXTRA };

	if (old->nulls[COLUMN_CLOSED_AT])
		return;
	for (int i = 0; i < (int) lengthof(fixed); i++)
		if (!same(row, old, desc, fixed[i]))
			dispatch_error_final(DatumGetUUIDP(old->values[COLUMN_ID]),
								 TextDatumGetCString(old->values[COLUMN_STATUS]));
}

/*
 * Derives from whether the status is final when the dispatch was closed.
 */
static void
derive_closed_at(Row *row, bool final)
{
	if (final && row->nulls[COLUMN_CLOSED_AT])
		set_column(row, COLUMN_CLOSED_AT,
				   row->nulls[COLUMN_UPDATED_AT] ? TimestampTzGetDatum(GetCurrentTimestamp())
												 : row->values[COLUMN_UPDATED_AT],
				   false);
	else if (!final && !row->nulls[COLUMN_CLOSED_AT])
		set_column(row, COLUMN_CLOSED_AT, (Datum) 0, true);
}

/*
 * Whether what was validated is the same in two rows.
 */
static bool
same_data(const Row *row, const Row *old, TupleDesc desc)
{
	return same(row, old, desc, COLUMN_TYPE_ID) && same(row, old, desc, COLUMN_CUSTOM_DATA) &&
		   same(row, old, desc, COLUMN_SEAL) && same(row, old, desc, COLUMN_TYPE_REVISION);
}

/*
 * Seals a row that was checked. Where the custom data of a sealed row has not
 * changed, it need not be looked at.
 */
static void
set_seal(Row *row, const Row *old)
{
	int64 data = old != NULL ? DatumGetInt64(old->values[COLUMN_SEAL]) ^ seal_of_status(old) ^
								   seal_of_slots(old)
							 : seal_of_data(row);

	set_column(row, COLUMN_SEAL, Int64GetDatum(data ^ seal_of_slots(row) ^ seal_of_status(row)),
			   false);
}

/*
 * Checks a row that is written; old is NULL for a new one. refill says that
 * slots were set: they get what belongs there, while the data stays as it was
 * validated. What a column does not allow is left to the server.
 */
static void
check_row(Row *row, const Row *old, bool refill, TupleDesc desc)
{
	bool has_data = !row->nulls[COLUMN_CUSTOM_DATA];
	bool unchanged = old != NULL && same_data(row, old, desc);
	const DispatchType *type;
	int status;

	check_texts(row, old, desc);
	if (old != NULL && !same(row, old, desc, COLUMN_DISPATCH_REF))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the dispatch_ref of a dispatch never changes")));
	if (row->nulls[COLUMN_TYPE_ID])
		return;
	if (unchanged && !refill && same(row, old, desc, COLUMN_STATUS) &&
		same(row, old, desc, COLUMN_CLOSED_AT))
		return;
	if (!unchanged && has_data && is_sealed(row))
		return;
	type = dispatch_type_by_id(DatumGetUUIDP(row->values[COLUMN_TYPE_ID]));
	if (!unchanged && has_data)
		validate(row, type);
	else if (refill)
		fill_slots(row, type);
	status = check_status(row, type, old == NULL);
	if (old != NULL && old->nulls[COLUMN_CLOSED_AT] && same(row, old, desc, COLUMN_TYPE_ID) &&
		!same(row, old, desc, COLUMN_STATUS))
		check_transition(old, type, status);
	derive_closed_at(row, type->lifecycle->statuses[status].final);
	if (has_data && !(unchanged && row->nulls[COLUMN_SEAL]))
		set_seal(row, unchanged ? old : NULL);
}

/*
 * Whether a row has the final status that belongs to its status.
 */
static bool
fits_final_status(const Row *row)
{
	if (row->nulls[COLUMN_CLOSED_AT] || row->nulls[COLUMN_STATUS])
		return row->nulls[COLUMN_FINAL_STATUS];
	return !row->nulls[COLUMN_FINAL_STATUS] &&
		   datumIsEqual(row->values[COLUMN_FINAL_STATUS], row->values[COLUMN_STATUS], false, -1);
}

/*
 * The status of what is closed, by which it is found.
 */
static void
derive_final_status(Row *row)
{
	if (!fits_final_status(row))
		set_column(row, COLUMN_FINAL_STATUS, row->values[COLUMN_STATUS],
				   row->nulls[COLUMN_CLOSED_AT] || row->nulls[COLUMN_STATUS]);
}

/*
 * Whether an UPDATE sets slots.
 */
static bool
sets_slots(const TriggerData *data)
{
	for (int column = COLUMN_SLOTS; column < COLUMN_FINAL_STATUS; column++)
		if (bms_is_member(column + 1 - FirstLowInvalidHeapAttributeNumber, data->tg_updatedcols))
			return true;
	return false;
}

/*
 * Takes a tuple apart.
 */
static Row
read_row(HeapTuple tuple, TupleDesc desc)
{
	Row row;

	row.values = palloc(desc->natts * sizeof(Datum));
	row.nulls = palloc(desc->natts * sizeof(bool));
	row.changed = palloc0(desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, desc, row.values, row.nulls);
	return row;
}

PG_FUNCTION_INFO_V1(dispatch_check_dispatch);

/*
 * check_dispatch() → trigger: before each row of dispatch.dispatches is
 * inserted, or a column that matters is updated. 22023, 23514, 54000, P0002.
 */
Datum
dispatch_check_dispatch(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool update;
	HeapTuple tuple;
	TupleDesc desc;
	Row row;
	Row old;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) || TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"check_dispatch\" must be called as a trigger, before each row "
						"is inserted or updated")));
	update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	tuple = update ? data->tg_newtuple : data->tg_trigtuple;
	desc = RelationGetDescr(data->tg_relation);
	if (desc->natts < COLUMNS)
		elog(ERROR, "relation \"%s\" has %d columns instead of %d",
			 RelationGetRelationName(data->tg_relation), desc->natts, COLUMNS);
	row = read_row(tuple, desc);
	if (update)
		old = read_row(data->tg_trigtuple, desc);
	check_row(&row, update ? &old : NULL, update && sets_slots(data), desc);
	if (update)
		check_final(&row, &old, desc);
	derive_final_status(&row);
	for (int column = 0; column < COLUMNS; column++)
		if (row.changed[column])
			return PointerGetDatum(
				heap_modify_tuple(tuple, desc, row.values, row.nulls, row.changed));
	return PointerGetDatum(tuple);
}
