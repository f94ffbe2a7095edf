/*
 * finish.c
 *	  What came of the attempts to send callbacks, and leases that are extended or
 *	  given back.
 */
#include "postgres.h"

#include "finish.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "compat.h"
#include "confirm.h"
#include "error.h"
#include "horizon.h"
#include "host.h"
#include "lease.h"
#include "outbox.h"
#include "signal.h"
#include "statement.h"
#include "uuid.h"

/* Attempts that are kept long enough go in the course of others: so many, so often. */
#define TRIM_MAX 200
#define TRIM_PAUSE (10 * USECS_PER_SEC)
#define TRIM_SHORT_PAUSE (USECS_PER_SEC / 10)

/* The columns of DISPATCH_FINISH: an id that was ignored, or a host and its failures. */
enum
{
	FINISHED_IGNORED_ID = 1,
	FINISHED_HOST,
	FINISHED_FAILURES
};

/* The columns of DISPATCH_FINISH_DELIVERED. */
enum
{
	DELIVERED_CONFIRM = 1,
	DELIVERED_IGNORED,
	DELIVERED_KNOWN_HOSTS
};

/* The arguments of DISPATCH_FINISH: those of finish_callbacks(), and settings. */
enum
{
	FINISH_GIVEN = 7,
	FINISH_ARGUMENTS = FINISH_GIVEN + 4
};

int dispatch_retry_base = 5 * 1000;
int dispatch_retry_cap = 6 * 60 * 60 * 1000;
int dispatch_max_attempts = 15;
int dispatch_attempts_retention = 30 * 24 * 60;

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

/*
 * How long all attempts of a callback can take together, in seconds.
 */
static double
lifetime(void)
{
	double pause = dispatch_retry_base / 1000.0;
	double cap = dispatch_retry_cap / 1000.0;
	double total = 0;

	for (int i = 1; i < dispatch_max_attempts; i++)
	{
		if (pause >= cap)
			return total + cap * (dispatch_max_attempts - i);
		total += pause;
		pause *= 2;
	}
	return total;
}

/*
 * When a callback was made that would have used up all its attempts by now.
 */
TimestampTz
dispatch_lifetime_ago(TimestampTz now)
{
	return now - (TimestampTz) Min(lifetime() * USECS_PER_SEC, (double) now - MIN_TIMESTAMP);
}

/*
 * Removes failed attempts that are older than dispatch.attempts_retention, some
 * at a time. What ended a callback stays with its dispatch.
 */
static void
trim_attempts(TimestampTz now)
{
	static TimestampTz next = DT_NOBEGIN;
	Datum values[2];
	uint64 removed = 0;

	if (dispatch_attempts_retention < 0 || (now < next && next - now <= TRIM_PAUSE))
		return;
	values[0] = TimestampTzGetDatum(now - dispatch_attempts_retention * USECS_PER_MINUTE);
	values[1] = Int64GetDatum(TRIM_MAX);
	if (dispatch_execute(DISPATCH_FIND_OLD_ATTEMPT, values, NULL) > 0)
		removed = dispatch_execute(DISPATCH_TRIM_ATTEMPTS, values, NULL);
	next = now + (removed < TRIM_MAX ? TRIM_PAUSE : TRIM_SHORT_PAUSE);
}

/*
 * Forgets hosts that failed and were not heard of for as long as a callback lasts,
 * some at a time.
 */
static void
forget_hosts(TimestampTz now)
{
	static TimestampTz next = DT_NOBEGIN;
	Datum values[2];

	if (now < next && next - now <= TRIM_PAUSE)
		return;
	values[0] = TimestampTzGetDatum(dispatch_lifetime_ago(now));
	values[1] = Int64GetDatum(TRIM_MAX);
	(void) dispatch_execute(DISPATCH_FORGET_HOSTS, values, NULL);
	next = now + TRIM_PAUSE;
}

/*
 * Puts the ids that DISPATCH_FINISH ignored into the result.
 */
static void
put_ignored(ReturnSetInfo *result, uint64 rows)
{
	for (uint64 row = 0; row < rows; row++)
	{
		bool isnull;
		Datum id = dispatch_result(row, FINISHED_IGNORED_ID, &isnull);

		if (!isnull)
			tuplestore_putvalues(result->setResult, result->setDesc, &id, &isnull);
	}
}

/*
 * Notes the hosts among the rows of DISPATCH_FINISH.
 */
static void
note_hosts(uint64 rows, TimestampTz now)
{
	Datum *names = palloc(rows * sizeof(Datum));
	Datum *failures = palloc(rows * sizeof(Datum));
	int count = 0;

	for (uint64 row = 0; row < rows; row++)
	{
		bool isnull;
		Datum name = dispatch_result(row, FINISHED_HOST, &isnull);

		if (isnull)
			continue;
		names[count] = name;
		failures[count++] = dispatch_result(row, FINISHED_FAILURES, &isnull);
	}
	dispatch_hosts_note(names, failures, count, now);
}

/*
 * Whether an array of ids has none twice.
 */
static bool
are_distinct(ArrayType *array)
{
	Datum *elements;
	pg_uuid_t *ids;
	int count;

	deconstruct_array(array, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &elements, NULL, &count);
	ids = palloc(count * sizeof(pg_uuid_t));
	for (int i = 0; i < count; i++)
		ids[i] = *DatumGetUUIDP(elements[i]);
	qsort(ids, count, sizeof(pg_uuid_t), dispatch_uuid_compare);
	for (int i = 1; i < count; i++)
		if (dispatch_uuid_compare(&ids[i - 1], &ids[i]) == 0)
			return false;
	return true;
}

/*
 * Whether all of an array of status codes say success.
 */
static bool
are_successes(ArrayType *array)
{
	Datum *codes;
	bool *nulls;
	int count;

	deconstruct_array(array, INT4OID, sizeof(int32), true, TYPALIGN_INT, &codes, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (nulls[i] || DatumGetInt32(codes[i]) < 200 || DatumGetInt32(codes[i]) > 299)
			return false;
	return true;
}

/*
 * Puts the ids into the result that DISPATCH_FINISH_DELIVERED ignored.
 */
static void
put_ignored_array(ReturnSetInfo *result)
{
	bool isnull;
	Datum ignored = dispatch_result(0, DELIVERED_IGNORED, &isnull);
	Datum *ids;
	int count;

	if (isnull)
		return;
	deconstruct_array(DatumGetArrayTypeP(ignored), UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &ids,
					  NULL, &count);
	for (int i = 0; i < count; i++)
		tuplestore_putvalues(result->setResult, result->setDesc, &ids[i], &isnull);
}

/*
 * Notes that the hosts of the last result of DISPATCH_FINISH_DELIVERED have answered.
 */
static void
note_answered(TimestampTz now)
{
	bool isnull;
	Datum known = dispatch_result(0, DELIVERED_KNOWN_HOSTS, &isnull);
	Datum *names;
	Datum *failures;
	int count;

	deconstruct_array(DatumGetArrayTypeP(known), TEXTOID, -1, false, TYPALIGN_INT, &names, NULL,
					  &count);
	failures = palloc0(count * sizeof(Datum));
	dispatch_hosts_note(names, failures, count, now);
}

/*
 * Finishes callbacks that were all delivered, given as to DISPATCH_FINISH. False, and nothing is
 * done, where somebody waits for an answer.
 */
static bool
finish_delivered(ReturnSetInfo *result, const Datum *values, const char *nulls, TimestampTz now)
{
	Datum given[] = {
		values[0], values[1], values[2], values[3], values[5], values[6], TimestampTzGetDatum(now)
	};
	char given_nulls[] = { ' ', ' ', ' ', ' ', nulls[5], nulls[6], ' ', '\0' };
	bool isnull;

	(void) dispatch_execute(DISPATCH_FINISH_DELIVERED, given, given_nulls);
	if (DatumGetBool(dispatch_result(0, DELIVERED_CONFIRM, &isnull)))
		return false;
	put_ignored_array(result);
	note_answered(now);
	return true;
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
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int length = check_callbacks(fcinfo);
	char nulls[] = "           ";
	Datum values[FINISH_ARGUMENTS];
	TimestampTz now;

	for (int i = 2; i < FINISH_GIVEN; i++)
		check_array(fcinfo, i, names[i], i >= 5, length);
	for (int i = 0; i < FINISH_GIVEN; i++)
	{
		values[i] = PG_GETARG_DATUM(i);
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
	}
	now = dispatch_due_time();
	values[7] = TimestampTzGetDatum(now);
	values[8] = Int32GetDatum(dispatch_max_attempts);
	values[9] = Float8GetDatum(dispatch_retry_base / 1000.0);
	values[10] = Float8GetDatum(dispatch_retry_cap / 1000.0);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	dispatch_connect();
	if (!are_successes(PG_GETARG_ARRAYTYPE_P(2)) || !are_distinct(PG_GETARG_ARRAYTYPE_P(0)) ||
		!finish_delivered(result, values, nulls, now))
	{
		uint64 rows = dispatch_execute(DISPATCH_FINISH, values, nulls);

		put_ignored(result, rows);
		note_hosts(rows, now);
	}
	trim_attempts(now);
	forget_hosts(now);
	dispatch_confirm_apply(dispatch_origin(), now);
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
	TimestampTz now;
	Datum values[4];
	uint64 renewed;

	(void) check_callbacks(fcinfo);
	now = dispatch_due_time();
	values[0] = PG_GETARG_DATUM(0);
	values[1] = PG_GETARG_DATUM(1);
	values[2] = TimestampTzGetDatum(dispatch_lease_end(fcinfo, 2, now));
	values[3] = TimestampTzGetDatum(now);
	dispatch_connect();
	renewed = dispatch_execute(DISPATCH_RENEW, values, NULL);
	if (renewed > 0 && DatumGetTimestampTz(values[2]) <= now)
		dispatch_signal();
	SPI_finish();
	PG_RETURN_INT64((int64) renewed);
}
