/*
 * outbox.c
 *	  Events, and the callbacks that leave with them: recorded in the caller's
 *	  transaction, then claimed and finished by listeners.
 */
#include "postgres.h"

#include "outbox.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "builder.h"
#include "compat.h"
#include "confirm.h"
#include "error.h"
#include "owner.h"
#include "signal.h"
#include "statement.h"
#include "uuid.h"

#define PAYLOAD_VERSION 1
#define CLAIM_MAX 10000

/*
 * The data and event_meta of an event with a callback: in JSON, where a byte can
 * become six, they must fit into a text. And how much of that one claim takes.
 */
#define EVENT_MAX_SIZE (16 * 1024 * 1024)
#define CLAIM_MAX_SIZE (16 * 1024 * 1024)
#define LEASE_MAX_DAYS 366

int dispatch_retry_base = 5 * 1000;
int dispatch_retry_cap = 6 * 60 * 60 * 1000;
int dispatch_max_attempts = 15;

/*
 * What this cluster and database are known by: a short hash. A copy that was
 * restored from a dump has another, a standby and a physical clone the same.
 */
static int32
origin(void)
{
	uint64 hash = GetSystemIdentifier() ^ ((uint64) MyDatabaseId << 32 | MyDatabaseId);

	return (int32) ((hash * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/*
 * 54000 where an event is too large for a callback.
 */
static void
check_size(const DispatchEvent *event)
{
	Size size = VARSIZE(event->data);

	if (event->event_meta != NULL)
		size += VARSIZE(event->event_meta);
	if (size > EVENT_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the event is too large for a callback"),
				 errdetail("Its data has %zu bytes, and may have %d.", size, EVENT_MAX_SIZE)));
}

/*
 * Records an event, and queues its callback where it has one. To be called
 * between SPI_connect() and SPI_finish(), under the lock of the dispatch.
 */
void
dispatch_record_event(const DispatchEvent *event)
{
	const DispatchCallback *callback = event->callback;
	pg_uuid_t callback_id;
	char nulls[] = "              ";
	Datum values[14];

	values[0] = UUIDPGetDatum(event->dispatch_id);
	values[1] = Int64GetDatum(event->sequence);
	values[2] = TimestampTzGetDatum(event->at);
	values[3] = CStringGetTextDatum(event->type);
	values[4] = CStringGetTextDatum(dispatch_caller());
	values[5] = JsonbPGetDatum(event->data);
	values[6] = event->event_meta != NULL ? JsonbPGetDatum(event->event_meta) : (Datum) 0;
	if (event->event_meta == NULL)
		nulls[6] = 'n';
	if (callback == NULL)
	{
		(void) dispatch_execute(DISPATCH_INSERT_EVENT, values, nulls);
		return;
	}
	check_size(event);
	dispatch_uuid_make(&callback_id);
	values[7] = UUIDPGetDatum(&callback_id);
	values[8] = CStringGetTextDatum(callback->method);
	values[9] = CStringGetTextDatum(callback->host);
	values[10] = CStringGetTextDatum(callback->url);
	values[11] = JsonbPGetDatum(callback->headers);
	values[12] = Int32GetDatum(origin());
	values[13] = PointerGetDatum(callback->accept);
	nulls[13] = callback->wait ? ' ' : 'n';
	(void) dispatch_execute(DISPATCH_INSERT_EVENT_WITH_CALLBACK, values, nulls);
}

/* The columns of DISPATCH_CLAIM. */
enum
{
	CLAIM_CALLBACK_ID = 1,
	CLAIM_ATTEMPT,
	CLAIM_METHOD,
	CLAIM_URL,
	CLAIM_HEADERS,
	CLAIM_TYPE,
	CLAIM_AT,
	CLAIM_DATA,
	CLAIM_EVENT_META,
	CLAIM_DISPATCH_ID,
	CLAIM_SEQUENCE,
	CLAIM_DISPATCH_REF,
	CLAIM_CONFIRM
};

/*
 * The "data" of a body: what the event keeps, and of which dispatch and version.
 */
static Jsonb *
build_data(uint64 row)
{
	DispatchBuilder builder;
	int64 sequence;
	Datum ref;
	bool isnull;

	sequence = DatumGetInt64(dispatch_result(row, CLAIM_SEQUENCE, &isnull));
	dispatch_build_begin(&builder);
	dispatch_build_members(&builder, DatumGetJsonbP(dispatch_result(row, CLAIM_DATA, &isnull)));
	dispatch_build_id(&builder, "dispatchId",
					  DatumGetUUIDP(dispatch_result(row, CLAIM_DISPATCH_ID, &isnull)));
	ref = dispatch_result(row, CLAIM_DISPATCH_REF, &isnull);
	dispatch_build_text(&builder, "dispatchRef", isnull ? NULL : TextDatumGetCString(ref));
	dispatch_build_integer(&builder, "version", sequence);
	dispatch_build_integer(&builder, "sequence", sequence);
	return dispatch_build_end(&builder);
}

/*
 * The body that is posted: made of what never changes, so that every attempt
 * sends the same bytes.
 */
static char *
build_body(uint64 row)
{
	StringInfoData body;
	Jsonb *data = build_data(row);
	Datum meta;
	bool isnull;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"type\":");
	escape_json(&body, TextDatumGetCString(dispatch_result(row, CLAIM_TYPE, &isnull)));
	appendStringInfo(
		&body, ",\"timestamp\":\"%s\",\"service\":\"dispatch\",\"payloadVersion\":%d,\"data\":",
		dispatch_time_text(DatumGetTimestampTz(dispatch_result(row, CLAIM_AT, &isnull))),
		PAYLOAD_VERSION);
	(void) JsonbToCString(&body, &data->root, VARSIZE(data));
	appendStringInfoString(&body, ",\"_event_meta\":");
	meta = dispatch_result(row, CLAIM_EVENT_META, &isnull);
	if (isnull)
		appendStringInfoString(&body, "{}");
	else
		(void) JsonbToCString(&body, &DatumGetJsonbP(meta)->root, VARSIZE_ANY(meta));
	appendStringInfoChar(&body, '}');
	return body.data;
}

static void
put_claimed(ReturnSetInfo *result, uint64 row)
{
	Datum values[7];
	bool nulls[7] = { false };

	for (int column = CLAIM_CALLBACK_ID; column <= CLAIM_HEADERS; column++)
		values[column - 1] = dispatch_result(row, column, &nulls[column - 1]);
	values[5] = CStringGetTextDatum(build_body(row));
	values[6] = dispatch_result(row, CLAIM_CONFIRM, &nulls[6]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * How much a row of the claim will be, without a look into it.
 */
static Size
row_size(uint64 row)
{
	Size size;
	bool isnull;
	Datum meta = dispatch_result(row, CLAIM_EVENT_META, &isnull);

	size = isnull ? 0 : toast_raw_datum_size(meta);
	return size + toast_raw_datum_size(dispatch_result(row, CLAIM_DATA, &isnull));
}

/*
 * Puts the rows of the claim, each with memory of its own, one at least and no
 * more than are CLAIM_MAX_SIZE together; how many.
 */
static uint64
put_all_claimed(ReturnSetInfo *result, uint64 claimed)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "dispatch callback", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(row_context);
	Size size = 0;
	uint64 row;

	for (row = 0; row < claimed; row++)
	{
		CHECK_FOR_INTERRUPTS();
		size += row_size(row);
		if (row > 0 && size > CLAIM_MAX_SIZE)
			break;
		put_claimed(result, row);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller);
	return row;
}

/*
 * Gives the rows of the claim from one on back: they are due again at once.
 */
static void
give_back(uint64 first, uint64 claimed, TimestampTz now)
{
	int count = (int) (claimed - first);
	Datum *ids = palloc(count * sizeof(Datum));
	Datum *attempts = palloc(count * sizeof(Datum));
	Datum values[4];
	bool isnull;

	for (int i = 0; i < count; i++)
	{
		ids[i] = dispatch_result(first + i, CLAIM_CALLBACK_ID, &isnull);
		attempts[i] = dispatch_result(first + i, CLAIM_ATTEMPT, &isnull);
	}
	values[0] =
		PointerGetDatum(construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
	values[1] = PointerGetDatum(
		construct_array(attempts, count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(now);
	values[3] = TimestampTzGetDatum(now);
	(void) dispatch_execute(DISPATCH_RENEW, values, NULL);
}

/*
 * A lease as an argument, as its end, counted from now. 22023: NULL, below 0,
 * or more than a year.
 */
static TimestampTz
lease_end(FunctionCallInfo fcinfo, int argument, TimestampTz now)
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
 * 55000 while there are callbacks of another database, of which this one is a copy.
 */
static void
check_foreign(Datum own)
{
	bool isnull;

	(void) dispatch_execute(DISPATCH_FIND_FOREIGN, &own, NULL);
	if (DatumGetBool(dispatch_result(0, 1, &isnull)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are callbacks that another database queued"),
				 errdetail("This database is a copy, or was upgraded; its origin may still be "
						   "sending them."),
				 errhint("If this database is to send them, run SELECT dispatch.adopt().")));
}

/*
 * Leases callbacks that are due by now and puts them into the result; how many.
 * Between SPI_connect() and SPI_finish().
 */
static uint64
claim(FunctionCallInfo fcinfo)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum values[4];
	uint64 claimed;
	uint64 put;

	values[0] = TimestampTzGetDatum(now);
	values[1] = PG_GETARG_DATUM(0);
	values[2] = TimestampTzGetDatum(lease_end(fcinfo, 1, now));
	values[3] = Int32GetDatum(origin());
	check_foreign(values[3]);
	dispatch_confirm_apply(origin(), now);
	claimed = dispatch_execute(DISPATCH_CLAIM, values, NULL);
	put = put_all_claimed((ReturnSetInfo *) fcinfo->resultinfo, claimed);
	if (put < claimed)
		give_back(put, claimed, now);
	return put;
}

/*
 * The same for a claim that found nothing: it falls asleep, and looks once more
 * for what was committed without a notification before. That look has a time
 * and a snapshot of its own, and misses nothing that is due. Where it finds
 * something, the caller is awake.
 */
static void
arm(FunctionCallInfo fcinfo)
{
	dispatch_fall_asleep();
	if (claim(fcinfo) > 0)
		dispatch_wake_up();
}

/*
 * 0A000 where a second look would have the snapshot of the first.
 */
static void
check_isolation(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("claim_callbacks cannot arm in a transaction with the isolation level "
						"REPEATABLE READ or SERIALIZABLE"),
				 errhint("Claim in READ COMMITTED, or with arm => false.")));
}

PG_FUNCTION_INFO_V1(dispatch_claim_callbacks);

/*
 * claim_callbacks(max_rows integer, lease interval, arm boolean) → setof
 * (callback_id, attempt, method, url, headers, body, confirm)
 *
 * Leases up to max_rows (1 to 10,000) callbacks that are due, fewer where their
 * bodies are large. Each claim is a new attempt, by whose number the outcome is
 * told. With arm, an empty answer promises that the commit of the next callback
 * will notify; it may wait for transactions that are committing. 22023: an
 * argument out of bounds; 0A000: arm, and the wrong isolation level; 55000:
 * there are callbacks of another database, see adopt().
 */
Datum
dispatch_claim_callbacks(PG_FUNCTION_ARGS)
{
	dispatch_wake_up();
	if (PG_ARGISNULL(0))
		dispatch_error_null("max_rows");
	if (PG_GETARG_INT32(0) < 1 || PG_GETARG_INT32(0) > CLAIM_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_rows must be 1 to %d", CLAIM_MAX)));
	if (PG_ARGISNULL(2))
		dispatch_error_null("arm");
	if (PG_GETARG_BOOL(2))
		check_isolation();
	InitMaterializedSRF(fcinfo, 0);
	dispatch_connect();
	if (claim(fcinfo) == 0 && PG_GETARG_BOOL(2))
		arm(fcinfo);
	SPI_finish();
	return (Datum) 0;
}

/*
 * Requires an array argument to be given, with one dimension and as many
 * elements as there are callbacks; where it may be NULL, that is fine too.
 */
static void
check_array(FunctionCallInfo fcinfo, int argument, const char *name, bool may_be_null, int length)
{
	ArrayType *array;

	if (PG_ARGISNULL(argument))
	{
		if (may_be_null)
			return;
		dispatch_error_null(name);
	}
	array = PG_GETARG_ARRAYTYPE_P(argument);
	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be an array of one dimension", name)));
	if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) != length)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must have as many elements as callback_ids", name)));
}

/*
 * Checks the arguments that name callbacks, and returns how many there are.
 */
static int
check_callbacks(FunctionCallInfo fcinfo)
{
	ArrayType *ids;
	int length;

	if (PG_ARGISNULL(0))
		dispatch_error_null("callback_ids");
	ids = PG_GETARG_ARRAYTYPE_P(0);
	length = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
	check_array(fcinfo, 0, "callback_ids", false, length);
	check_array(fcinfo, 1, "attempts", false, length);
	if (array_contains_nulls(ids) || array_contains_nulls(PG_GETARG_ARRAYTYPE_P(1)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("callback_ids and attempts must not contain nulls")));
	return length;
}

PG_FUNCTION_INFO_V1(dispatch_finish_callbacks);

/*
 * finish_callbacks(callback_ids uuid[], attempts integer[], status_codes
 * integer[], errors text[], retry_after interval[], durations interval[],
 * excerpts text[]) → setof uuid
 *
 * The outcome of a whole batch: delivered, to be tried again, or dead. Returns
 * the ids that it ignored, since their lease had passed to another attempt or
 * they were finished before. 22023: arrays that do not fit together.
 */
Datum
dispatch_finish_callbacks(PG_FUNCTION_ARGS)
{
	static const char *const names[] = { "callback_ids", "attempts",  "status_codes", "errors",
										 "retry_after",  "durations", "excerpts" };
	int length = check_callbacks(fcinfo);
	char nulls[] = "           ";
	Datum values[11];
	uint64 ignored;

	for (int i = 2; i < (int) lengthof(names); i++)
		check_array(fcinfo, i, names[i], i >= 5, length);
	for (int i = 0; i < (int) lengthof(names); i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	values[7] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[8] = Int32GetDatum(dispatch_max_attempts);
	values[9] = Float8GetDatum(dispatch_retry_base / 1000.0);
	values[10] = Float8GetDatum(dispatch_retry_cap / 1000.0);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	dispatch_connect();
	ignored = dispatch_execute(DISPATCH_FINISH, values, nulls);
	for (uint64 row = 0; row < ignored; row++)
	{
		ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
		bool isnull;
		Datum id = dispatch_result(row, 1, &isnull);

		tuplestore_putvalues(result->setResult, result->setDesc, &id, &isnull);
	}
	dispatch_confirm_apply(origin(), DatumGetTimestampTz(values[7]));
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(dispatch_renew_callbacks);

/*
 * renew_callbacks(callback_ids uuid[], attempts integer[], lease interval) → bigint
 *
 * Extends the leases that are still held to end after lease from now; with a
 * lease of 0 the callbacks are due again at once, and the claim uses up no
 * attempt. Returns how many. 22023: an argument out of bounds.
 */
Datum
dispatch_renew_callbacks(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum values[4];
	uint64 renewed;

	(void) check_callbacks(fcinfo);
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(lease_end(fcinfo, 2, now));
	values[3] = TimestampTzGetDatum(now);
	dispatch_connect();
	renewed = dispatch_execute(DISPATCH_RENEW, values, NULL);
	if (renewed > 0 && DatumGetTimestampTz(values[2]) <= now)
		dispatch_signal();
	SPI_finish();
	PG_RETURN_INT64((int64) renewed);
}

PG_FUNCTION_INFO_V1(dispatch_adopt);

/*
 * adopt() → bigint: makes the callbacks that another database queued this
 * one's own; how many.
 */
Datum
dispatch_adopt(PG_FUNCTION_ARGS)
{
	Datum values[2] = { Int32GetDatum(origin()), TimestampTzGetDatum(GetCurrentTimestamp()) };
	uint64 adopted;

	(void) fcinfo;
	dispatch_connect();
	adopted = dispatch_execute(DISPATCH_ADOPT, values, NULL);
	if (adopted > 0)
		dispatch_signal();
	SPI_finish();
	PG_RETURN_INT64((int64) adopted);
}
