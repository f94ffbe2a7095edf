/*
 * purge.c
 *	  Removing dispatches, and what belongs to them.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "compat.h"
#include "error.h"
#include "statement.h"

#define PURGE_MAX 1000000
#define OLDEST_DAYS 1000000 /* nothing is older */
#define ID_COLUMN 1         /* of dispatch.dispatches */

/* How many dispatches one statement takes. */
#define BATCH 1000

/*
 * Removes what belongs to dispatches that are gone.
 */
static void
remove_children(Datum *ids, int count)
{
	static const DispatchStatement statements[] = { DISPATCH_DELETE_MEMBERS_OF,
													DISPATCH_DELETE_EVENTS_OF,
													DISPATCH_DELETE_ATTEMPTS_OF,
													DISPATCH_DELETE_REQUESTS_OF };
	Datum array =
		PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < (int) lengthof(statements); i++)
		(void) dispatch_execute(statements[i], &array, NULL);
}

PG_FUNCTION_INFO_V1(dispatch_dispatches_deleted);

/*
 * dispatches_deleted() → trigger: after each statement that deletes from
 * dispatch.dispatches, with its old rows.
 */
Datum
dispatch_dispatches_deleted(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TupleTableSlot *slot;
	Datum ids[BATCH];
	int count = 0;

	if (!CALLED_AS_TRIGGER(fcinfo) || data->tg_oldtable == NULL)
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"dispatches_deleted\" must be called as a trigger, with "
							   "a table of old rows")));
	dispatch_connect();
	slot = MakeSingleTupleTableSlot(RelationGetDescr(data->tg_relation), &TTSOpsMinimalTuple);
	tuplestore_select_read_pointer(
		data->tg_oldtable, tuplestore_alloc_read_pointer(data->tg_oldtable, EXEC_FLAG_REWIND));
	tuplestore_rescan(data->tg_oldtable);
	while (tuplestore_gettupleslot(data->tg_oldtable, true, false, slot))
	{
		bool isnull;
		pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

		*id = *DatumGetUUIDP(slot_getattr(slot, ID_COLUMN, &isnull));
		ids[count++] = UUIDPGetDatum(id);
		if (count < BATCH)
			continue;
		remove_children(ids, count);
		count = 0;
	}
	if (count > 0)
		remove_children(ids, count);
	ExecDropSingleTupleTableSlot(slot);
	SPI_finish();
	return PointerGetDatum(NULL);
}

/*
 * The time that is so long ago; 22023 for one to come.
 */
static TimestampTz
cutoff(const Interval *older_than, TimestampTz now)
{
	double days =
		older_than->month * 30.0 + older_than->day + (double) older_than->time / USECS_PER_DAY;

	if (days < 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("older_than must not be negative")));
	if (days > OLDEST_DAYS)
		return DT_NOBEGIN;
	return DatumGetTimestampTz(DirectFunctionCall2(
		timestamptz_mi_interval, TimestampTzGetDatum(now), IntervalPGetDatum(older_than)));
}

PG_FUNCTION_INFO_V1(dispatch_purge);

/*
 * purge(older_than interval, max_rows integer) → bigint
 *
 * Removes up to max_rows (1 to 1,000,000) dispatches in a final status whose
 * last change is older, and what belongs to them; never one with a callback
 * that is queued or dead. Those that are locked are left for the next call.
 * Returns how many. 22023: an argument out of bounds.
 */
Datum
dispatch_purge(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum values[2];
	uint64 purged;

	if (PG_ARGISNULL(0))
		dispatch_error_null("older_than");
	if (PG_ARGISNULL(1))
		dispatch_error_null("max_rows");
	if (PG_GETARG_INT32(1) < 1 || PG_GETARG_INT32(1) > PURGE_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_rows must be 1 to %d", PURGE_MAX)));
	values[0] = TimestampTzGetDatum(cutoff(PG_GETARG_INTERVAL_P(0), now));
	values[1] = PG_GETARG_DATUM(1);
	dispatch_connect();
	purged = dispatch_execute(DISPATCH_PURGE, values, NULL);
	SPI_finish();
	PG_RETURN_INT64((int64) purged);
}
