/*
 * lease.c
 *	  Rows of the queue that a claim leases, and what they send.
 */
#include "postgres.h"

#include "lease.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "error.h"
#include "payload.h"
#include "statement.h"
#include "uuid.h"

#define LEASE_MAX_DAYS 366

/* How much the events of one claim may be together. */
#define CLAIM_MAX_SIZE (16 * 1024 * 1024)

/* The columns of DISPATCH_TAKE. */
enum
{
	TAKEN_CALLBACK_ID = 1,
	TAKEN_ATTEMPT,
	TAKEN_METHOD,
	TAKEN_URL,
	TAKEN_HEADERS,
	TAKEN_TYPE,
	TAKEN_AT,
	TAKEN_DATA,
	TAKEN_EVENT_META,
	TAKEN_DISPATCH_ID,
	TAKEN_SEQUENCE,
	TAKEN_DISPATCH_REF,
	TAKEN_CONFIRM
};

/*
 * A lease as an argument, as its end, counted from now. 22023: NULL, below 0,
 * or more than a year.
 */
TimestampTz
dispatch_lease_end(FunctionCallInfo fcinfo, int argument, TimestampTz now)
{
	const Interval *lease;
	double days;

	if (PG_ARGISNULL(argument))
		dispatch_error_null("lease");
	lease = PG_GETARG_INTERVAL_P(argument);
	days = lease->month * 30.0 + lease->day + (double) lease->time / USECS_PER_DAY;
	if (days < 0 || days > LEASE_MAX_DAYS)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("lease must be 0 to %d days", LEASE_MAX_DAYS)));
	return now + lease->time + ((int64) lease->month * 30 + lease->day) * USECS_PER_DAY;
}

/*
 * Room for so many rows.
 */
DispatchRows
dispatch_rows_for(uint64 most)
{
	return (DispatchRows){ .rows = palloc(most * sizeof(Datum)),
						   .hosts = palloc(most * sizeof(Datum)) };
}

void
dispatch_rows_add(DispatchRows *rows, Datum row, Datum host)
{
	rows->rows[rows->count] = row;
	rows->hosts[rows->count++] = host;
}

/*
 * The places of rows, as statements take them.
 */
Datum
dispatch_rows_array(const DispatchRows *rows)
{
	return PointerGetDatum(construct_array(rows->rows, rows->count, TIDOID, sizeof(ItemPointerData),
										   false, TYPALIGN_SHORT));
}

/*
 * A row that was taken, with what it sends.
 */
static void
put_taken(ReturnSetInfo *result, uint64 row)
{
	DispatchPayload payload = { 0 };
	Datum values[7];
	bool nulls[7] = { false };
	bool isnull;
	Datum meta = dispatch_result(row, TAKEN_EVENT_META, &isnull);
	Datum ref;

	payload.event_meta = isnull ? NULL : DatumGetJsonbP(meta);
	ref = dispatch_result(row, TAKEN_DISPATCH_REF, &isnull);
	payload.dispatch_ref = isnull ? NULL : TextDatumGetCString(ref);
	payload.dispatch_id = DatumGetUUIDP(dispatch_result(row, TAKEN_DISPATCH_ID, &isnull));
	payload.sequence = DatumGetInt64(dispatch_result(row, TAKEN_SEQUENCE, &isnull));
	payload.type = TextDatumGetCString(dispatch_result(row, TAKEN_TYPE, &isnull));
	payload.at = DatumGetTimestampTz(dispatch_result(row, TAKEN_AT, &isnull));
	payload.data = DatumGetJsonbP(dispatch_result(row, TAKEN_DATA, &isnull));

	for (int column = TAKEN_CALLBACK_ID; column <= TAKEN_HEADERS; column++)
		values[column - 1] = dispatch_result(row, column, &nulls[column - 1]);
	values[5] = PointerGetDatum(dispatch_payload_text(&payload));
	values[6] = dispatch_result(row, TAKEN_CONFIRM, &nulls[6]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* A row that was taken, by its place in the result; the id comes first, to sort by. */
typedef struct Taken
{
	pg_uuid_t id;
	uint64 row;
} Taken;

/*
 * The rows that the last statement took, in the order of their ids: the oldest come first.
 */
static Taken *
sort_taken(uint64 count)
{
	Taken *taken = palloc(count * sizeof(Taken));

	for (uint64 row = 0; row < count; row++)
	{
		bool isnull;

		taken[row].id = *DatumGetUUIDP(dispatch_result(row, TAKEN_CALLBACK_ID, &isnull));
		taken[row].row = row;
	}
	qsort(taken, count, sizeof(Taken), dispatch_uuid_compare);
	return taken;
}

/*
 * How much a row that was taken will be, without a look into it.
 */
static Size
taken_size(uint64 row)
{
	Size size;
	bool isnull;
	Datum meta = dispatch_result(row, TAKEN_EVENT_META, &isnull);

	size = isnull ? 0 : toast_raw_datum_size(meta);
	return size + toast_raw_datum_size(dispatch_result(row, TAKEN_DATA, &isnull));
}

/*
 * Gives rows that were taken back: they are due again at once.
 */
static void
give_back(const DispatchClaim *claim, const Taken *taken, int count)
{
	Datum *ids = palloc(count * sizeof(Datum));
	Datum *attempts = palloc(count * sizeof(Datum));
	Datum values[4];
	bool isnull;

	for (int i = 0; i < count; i++)
	{
		ids[i] = UUIDPGetDatum(&taken[i].id);
		attempts[i] = dispatch_result(taken[i].row, TAKEN_ATTEMPT, &isnull);
	}
	values[0] =
		PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[1] = PointerGetDatum(
		construct_array(attempts, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(claim->now);
	values[3] = TimestampTzGetDatum(claim->now);
	(void) dispatch_execute(DISPATCH_RENEW, values, NULL);
}

/*
 * Leases rows and puts them into the result, each with memory of its own. Once
 * the claim is full, the rest is given back.
 */
void
dispatch_lease(DispatchClaim *claim, const DispatchRows *rows)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "dispatch callback", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	Datum values[3];
	Taken *taken;
	uint64 count;
	uint64 i;

	values[0] = dispatch_rows_array(rows);
	values[1] = TimestampTzGetDatum(claim->now);
	values[2] = TimestampTzGetDatum(claim->lease_end);
	count = dispatch_execute(DISPATCH_TAKE, values, NULL);
	taken = sort_taken(count);
	for (i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		claim->size += taken_size(taken[i].row);
		if (claim->taken > 0 && claim->size > CLAIM_MAX_SIZE)
			break;
		MemoryContextSwitchTo(row_context);
		put_taken(claim->result, taken[i].row);
		claim->taken++;
		MemoryContextSwitchTo(caller);
		MemoryContextReset(row_context);
	}
	claim->full = i < count;
	if (claim->full)
		give_back(claim, &taken[i], (int) (count - i));
}
