/*
 * backfill.c
 *	  Fills the slots of dispatches that are older than an indexed attribute.
 *
 * Where a type allows members that no attribute describes, its dispatches may
 * hold values of an attribute before there is one. From then on whatever is
 * written fills the slots; what was written before is filled here, in batches
 * along the ids, each a transaction of the caller's. dispatch.backfills says
 * what is to be done and how far it is.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "error.h"
#include "statement.h"
#include "type_cache.h"
#include "uuid.h"

#define MOST_ROWS 1000000

/*
 * Waits for the transactions that have written dispatches and may not have known
 * the attribute, as CREATE INDEX CONCURRENTLY does, and for a VACUUM, whose lock is
 * like theirs; keeps no lock. Whoever begins to write later knows the attribute.
 */
static void
wait_for_writers(void)
{
	Oid relid = get_relname_relid("dispatches", get_namespace_oid("dispatch", false));
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	WaitForLockers(tag, ShareLock, false);
}

/*
 * Looks at so many dispatches, fills the slots of those of the type, and notes how
 * far it came; at how many it looked. 0: nothing is to be done.
 */
static int64
fill_batch(const pg_uuid_t *type_id, int64 max_rows)
{
	pg_uuid_t first = { { 0 } };
	Datum values[4] = { UUIDPGetDatum(type_id) };
	Datum last;
	int64 looked = 0;
	bool isnull;

	if (dispatch_execute(DISPATCH_LOCK_BACKFILL, values, NULL) == 0)
		return 0;
	values[1] = dispatch_result(0, 1, &isnull);
	last = dispatch_result(0, 2, &isnull);
	if (isnull)
		wait_for_writers();
	else
		first = *DatumGetUUIDP(last);
	if (isnull || dispatch_uuid_next(&first))
	{
		values[2] = UUIDPGetDatum(&first);
		values[3] = Int64GetDatum(max_rows);
		(void) dispatch_execute(DISPATCH_BACKFILL, values, NULL);
		looked = DatumGetInt64(dispatch_result(0, 1, &isnull));
		last = dispatch_result(0, 2, &isnull);
	}
	values[1] = last;
	(void) dispatch_execute(looked < max_rows ? DISPATCH_END_BACKFILL : DISPATCH_MOVE_BACKFILL,
							values, NULL);
	return looked;
}

PG_FUNCTION_INFO_V1(dispatch_backfill_index);

/*
 * backfill_index(dispatch_type text, max_rows integer) → bigint: at how many
 * dispatches, of any type, it looked; 0 when all is done. 0A000: not in READ
 * COMMITTED, where it would not see what the writers that it waits for wrote;
 * 22004, 22023, P0002.
 */
Datum
dispatch_backfill_index(PG_FUNCTION_ARGS)
{
	const DispatchType *type;
	int32 max_rows;
	int64 looked;

	if (PG_ARGISNULL(0))
		dispatch_error_null("dispatch_type");
	if (PG_ARGISNULL(1))
		dispatch_error_null("max_rows");
	max_rows = PG_GETARG_INT32(1);
	if (max_rows < 1 || max_rows > MOST_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows must be between 1 and %d, but is %d", MOST_ROWS, max_rows)));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("backfill_index cannot run in a transaction with the isolation "
							   "level REPEATABLE READ or SERIALIZABLE")));
	type = dispatch_type_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	dispatch_connect();
	looked = fill_batch(&type->id, max_rows);
	SPI_finish();
	PG_RETURN_INT64(looked);
}
