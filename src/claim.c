/*
 * claim.c
 *	  Callbacks leased to listeners: which of those that are due, and with what to
 *	  send.
 *
 * A claim locks some candidates at a time, skipping what others have locked, and
 * decides about each: it is taken, or set aside since its host has no room, or
 * it ends, since its last lease has passed without a word. horizon.c says where
 * to look, host.c how much room there is.
 */
#include "postgres.h"

#include "claim.h"

#include "access/detoast.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "confirm.h"
#include "error.h"
#include "finish.h"
#include "horizon.h"
#include "host.h"
#include "outbox.h"
#include "payload.h"
#include "signal.h"
#include "statement.h"
#include "uuid.h"

#define CLAIM_MAX 10000
#define LEASE_MAX_DAYS 366

/* How much the events of one claim may be together. */
#define CLAIM_MAX_SIZE (16 * 1024 * 1024)

/* The most candidates that are locked at a time. */
#define CANDIDATES_MAX 1000

/* A claim that has something to return sets no more aside than this. */
#define ASIDE_MAX 100

/* Callbacks that wait for too long end in the course of claims: so many, so often. */
#define LOST_MAX 1000
#define LOST_PAUSE (5 * USECS_PER_SEC)

/* Of so many hosts at a time it is found out whether they have room. */
#define HOSTS_AT_A_TIME 64

typedef struct Claim
{
	ReturnSetInfo *result;
	TimestampTz now;
	TimestampTz lease_end;
	uint64 wanted;
	uint64 taken;
	uint64 aside; /* set aside by this claim */
	Size size;    /* of the events that were taken */
	bool full;    /* their size is as much as one claim may be */
	bool ended;   /* leases have ended, and callbacks by that, perhaps */
} Claim;

/* The columns of DISPATCH_FIND_DUE. */
enum
{
	FOUND_ROW = 1,
	FOUND_HOST,
	FOUND_AT,
	FOUND_TRIES,
	FOUND_EXPIRED
};

/* A row of the queue that is due, and locked. */
typedef struct Candidate
{
	Datum row; /* its place in the table: nobody else can change it */
	Datum host;
	TimestampTz at;
	int tries;
	bool expired; /* its lease has passed */
} Candidate;

/* Some rows, and their hosts. */
typedef struct Rows
{
	int count;
	Datum *rows;
	Datum *hosts;
} Rows;

/* What becomes of candidates. */
typedef struct Sorted
{
	Rows taken;
	Rows aside;
	Rows expired; /* among these, or ended by that */
} Sorted;

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

/* The host that was last visited for what is set aside; NULL: start with the first. */
static char *visited = NULL;

/*
 * Whether a claim is to go on looking.
 */
static bool
wants_more(const Claim *claim)
{
	return claim->taken < claim->wanted && !claim->full &&
		   (claim->taken == 0 || claim->aside < ASIDE_MAX);
}

static Rows
rows_for(uint64 most)
{
	return (Rows){ .rows = palloc(most * sizeof(Datum)), .hosts = palloc(most * sizeof(Datum)) };
}

static void
add_row(Rows *rows, Datum row, Datum host)
{
	rows->rows[rows->count] = row;
	rows->hosts[rows->count++] = host;
}

static Datum
rows_array(const Rows *rows)
{
	return PointerGetDatum(construct_array(rows->rows, rows->count, TIDOID, sizeof(ItemPointerData),
										   false, TYPALIGN_SHORT));
}

static Datum
hosts_array(const Rows *rows)
{
	return PointerGetDatum(
		construct_array(rows->hosts, rows->count, TEXTOID, -1, false, TYPALIGN_INT));
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
give_back(const Claim *claim, const Taken *taken, int count)
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
static void
take(Claim *claim, const Rows *rows)
{
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "dispatch callback", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	Datum values[3];
	Taken *taken;
	uint64 count;
	uint64 i;

	values[0] = rows_array(rows);
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

/*
 * Records that leases have passed without a word of what came of the attempts;
 * those that were the last end.
 */
static void
end_leases(Claim *claim, const Rows *expired)
{
	Datum values[3];

	values[0] = rows_array(expired);
	values[1] = TimestampTzGetDatum(claim->now);
	values[2] = Int32GetDatum(dispatch_max_attempts);
	(void) dispatch_execute(DISPATCH_END_LEASES, values, NULL);
	claim->ended = true;
}

/*
 * Sets rows aside until their hosts have room.
 */
static void
set_aside(Claim *claim, const Rows *rows)
{
	Datum values[2];

	values[0] = rows_array(rows);
	values[1] = hosts_array(rows);
	(void) dispatch_execute(DISPATCH_SET_ASIDE, values, NULL);
	claim->aside += rows->count;
}

/*
 * Reads the rows that the last statement found. What they point to lives as long
 * as its result.
 */
static Candidate *
read_candidates(uint64 found)
{
	Candidate *candidates = palloc(found * sizeof(Candidate));

	for (uint64 i = 0; i < found; i++)
	{
		bool isnull;

		candidates[i].row = dispatch_result(i, FOUND_ROW, &isnull);
		candidates[i].host = dispatch_result(i, FOUND_HOST, &isnull);
		candidates[i].at = DatumGetTimestampTz(dispatch_result(i, FOUND_AT, &isnull));
		candidates[i].tries = DatumGetInt32(dispatch_result(i, FOUND_TRIES, &isnull));
		candidates[i].expired = DatumGetBool(dispatch_result(i, FOUND_EXPIRED, &isnull));
	}
	return candidates;
}

/*
 * Finds out how much room the hosts of candidates have.
 */
static void
measure(const Claim *claim, const Candidate *candidates, uint64 count)
{
	Datum *hosts = palloc(count * sizeof(Datum));

	for (uint64 i = 0; i < count; i++)
		hosts[i] = candidates[i].host;
	dispatch_hosts_measure(hosts, (int) count, claim->now);
}

/*
 * Decides what becomes of candidates. Those of which nobody can say stay as they
 * are. Returns at how many it looked until the claim had what it wants.
 */
static uint64
sort_out(const Claim *claim, const Candidate *candidates, uint64 count, Sorted *sorted)
{
	uint64 looked = 0;

	while (looked < count && claim->taken + sorted->taken.count < claim->wanted)
	{
		const Candidate *candidate = &candidates[looked++];
		bool ends = candidate->expired && candidate->tries >= dispatch_max_attempts;

		if (!ends && dispatch_host_take_room(candidate->host))
			add_row(&sorted->taken, candidate->row, candidate->host);
		else if (!ends && dispatch_host_guard(candidate->host))
			add_row(&sorted->aside, candidate->row, candidate->host);
		else if (!ends)
			continue;
		if (candidate->expired)
			add_row(&sorted->expired, candidate->row, candidate->host);
	}
	return looked;
}

/*
 * Does with rows what was decided.
 */
static void
carry_out(Claim *claim, const Sorted *sorted)
{
	if (sorted->expired.count > 0)
		end_leases(claim, &sorted->expired);
	if (sorted->aside.count > 0)
		set_aside(claim, &sorted->aside);
	if (sorted->taken.count > 0)
		take(claim, &sorted->taken);
}

/*
 * Looks at the next rows that are due, so many at most. Returns whether any of
 * them is out of the way now.
 */
static bool
take_some_due(Claim *claim, DispatchLook *look, uint64 limit)
{
	Datum values[4];
	uint64 found;
	uint64 looked;
	Candidate *candidates;
	Sorted sorted;

	values[0] = Int32GetDatum(dispatch_origin());
	values[1] = TimestampTzGetDatum(look->last);
	values[2] = TimestampTzGetDatum(look->until);
	values[3] = Int64GetDatum((int64) limit);
	found = dispatch_execute(DISPATCH_FIND_DUE, values, NULL);
	look->exhausted = found < limit;
	if (found == 0)
		return false;
	candidates = read_candidates(found);
	sorted = (Sorted){ rows_for(found), rows_for(found), rows_for(found) };
	measure(claim, candidates, found);
	looked = sort_out(claim, candidates, found, &sorted);
	if (looked < found)
		look->exhausted = false;
	look->found += looked;
	look->last = candidates[looked - 1].at;
	carry_out(claim, &sorted);
	return sorted.taken.count + sorted.aside.count + sorted.expired.count > 0;
}

/*
 * Takes what a look finds, until nothing is left or the claim wants no more.
 */
static void
take_due(Claim *claim, DispatchLook *look)
{
	uint64 stride = 0;

	while (!look->exhausted && wants_more(claim))
	{
		uint64 limit = Max(stride, claim->wanted - claim->taken);
		bool moved;

		dispatch_connect();
		moved = take_some_due(claim, look, limit);
		SPI_finish();
		/* Rows that stay must not stop it, and of those that are set aside there may be many. */
		if (!moved)
			stride = limit * 2;
		else
			stride = claim->taken == 0 ? Min(limit * 2, CANDIDATES_MAX) : 0;
	}
}

/*
 * Takes callbacks of a host that were set aside, as many as it has room for, up
 * to a limit. When none is left the host is forgotten.
 */
static void
take_aside(Claim *claim, Datum host, uint64 limit)
{
	pg_uuid_t *bookmark = dispatch_host_bookmark(host);
	pg_uuid_t since = *bookmark;
	Datum values[3];
	Rows rows = rows_for(limit);
	uint64 found;
	bool isnull;

	values[0] = host;
	values[1] = UUIDPGetDatum(&since);
	values[2] = Int64GetDatum((int64) limit);
	found = dispatch_execute(DISPATCH_FIND_ASIDE, values, NULL);
	memset(bookmark, 0, UUID_LEN);
	for (uint64 i = 0; i < found; i++)
	{
		(void) dispatch_host_take_room(host);
		add_row(&rows, dispatch_result(i, 1, &isnull), host);
	}
	if (found == limit)
		*bookmark = *DatumGetUUIDP(dispatch_result(found - 1, 2, &isnull));
	if (found > 0)
		take(claim, &rows);
	/* Under a snapshot of its own a transaction cannot know what others have set aside since. */
	if (found < limit && !IsolationUsesXactSnapshot() &&
		dispatch_execute(DISPATCH_END_ASIDE, &host, NULL) > 0)
		(void) dispatch_execute(DISPATCH_FORGET_HOST, &host, NULL);
}

/*
 * Notes which host was visited last; NULL: all were.
 */
static void
note_visited(const char *host)
{
	if (visited != NULL)
		pfree(visited);
	visited = host != NULL ? MemoryContextStrdup(TopMemoryContext, host) : NULL;
}

/*
 * Visits the next hosts for what is set aside, until so many callbacks are
 * taken. Returns whether there are more hosts to visit.
 */
static bool
visit_hosts(Claim *claim, uint64 until)
{
	Datum values[3];
	Datum names[HOSTS_AT_A_TIME];
	int count;
	int i;

	dispatch_connect();
	values[0] = CStringGetTextDatum(visited != NULL ? visited : "");
	values[1] = Int64GetDatum(HOSTS_AT_A_TIME);
	values[2] = TimestampTzGetDatum(claim->now);
	count = (int) dispatch_execute(DISPATCH_LIST_HOSTS, values, NULL);
	for (i = 0; i < count; i++)
	{
		bool isnull;

		names[i] = dispatch_result(i, 1, &isnull);
	}
	dispatch_hosts_measure(names, count, claim->now);
	for (i = 0; i < count && claim->taken < until && !claim->full; i++)
	{
		int room = dispatch_host_room(names[i]);

		if (room > 0 && dispatch_host_guard(names[i]))
			take_aside(claim, names[i], Min((uint64) room, until - claim->taken));
	}
	if (i == count && count < HOSTS_AT_A_TIME)
		note_visited(NULL);
	else if (i > 0)
		note_visited(TextDatumGetCString(names[i - 1]));
	SPI_finish();
	return i == HOSTS_AT_A_TIME;
}

/*
 * Applies answers that are known, to callbacks that were waited for.
 */
static void
apply_answers(const Claim *claim)
{
	dispatch_connect();
	dispatch_confirm_apply(dispatch_origin(), claim->now);
	SPI_finish();
}

/*
 * Ends callbacks that are set aside for hosts that have not answered for longer
 * than all their attempts would have taken, some at a time. Returns whether there were any.
 */
static bool
end_lost(TimestampTz now)
{
	static TimestampTz next = DT_NOBEGIN;
	Datum values[4];
	pg_uuid_t first;
	TimestampTz since;
	uint64 ended = 0;

	if (now < next && next - now <= LOST_PAUSE)
		return false;
	since = dispatch_lifetime_ago(now);
	dispatch_uuid_first(&first, since);
	values[0] = TimestampTzGetDatum(since);
	values[1] = UUIDPGetDatum(&first);
	values[2] = Int64GetDatum(LOST_MAX);
	values[3] = TimestampTzGetDatum(now);
	dispatch_connect();
	if (dispatch_execute(DISPATCH_FIND_LOST, values, NULL) > 0)
		ended = dispatch_execute(DISPATCH_END_LOST, values, NULL);
	SPI_finish();
	next = ended < LOST_MAX ? now + LOST_PAUSE : now;
	return ended > 0;
}

/*
 * 55000 while there are callbacks of another database, of which this one is a
 * copy.
 */
static void
error_foreign(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("there are callbacks that another database queued"),
					errdetail("This database is a copy, or was upgraded; its origin may still be "
							  "sending them."),
					errhint("If this database is to send them, run SELECT dispatch.adopt().")));
}

/*
 * Checks what a claim must see to before it looks for what is due. Returns
 * whether any callbacks are set aside.
 */
static bool
check_queue(const Claim *claim)
{
	Datum values[2] = { Int32GetDatum(dispatch_origin()), TimestampTzGetDatum(claim->now) };
	bool foreign;
	bool aside;
	bool decided;
	bool isnull;

	dispatch_connect();
	(void) dispatch_execute(DISPATCH_CHECK_QUEUE, values, NULL);
	foreign = DatumGetBool(dispatch_result(0, 1, &isnull));
	aside = DatumGetBool(dispatch_result(0, 2, &isnull));
	decided = DatumGetBool(dispatch_result(0, 3, &isnull));
	SPI_finish();
	if (foreign)
		error_foreign();
	if (decided)
		apply_answers(claim);
	return aside;
}

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
 * Leases callbacks that are due by now and puts them into the result; how many.
 * What waits for its host has the first half of the claim, and what is due for
 * the first time the second, as far as there is enough of both.
 */
static uint64
claim(FunctionCallInfo fcinfo)
{
	Claim claim = { .result = (ReturnSetInfo *) fcinfo->resultinfo };
	DispatchLook look;
	bool aside;

	claim.now = GetCurrentTimestamp();
	claim.lease_end = dispatch_lease_end(fcinfo, 1, claim.now);
	claim.wanted = PG_GETARG_INT32(0);
	dispatch_hosts_begin();
	aside = check_queue(&claim);
	if (aside)
	{
		claim.ended = end_lost(claim.now);
		(void) visit_hosts(&claim, (claim.wanted + 1) / 2);
	}
	dispatch_look_begin(&look, claim.now);
	do
	{
		take_due(&claim, &look);
		dispatch_look_end(&look);
	} while (wants_more(&claim) && dispatch_look_again(&look));
	if (aside && wants_more(&claim))
	{
		note_visited(NULL);
		while (visit_hosts(&claim, claim.wanted))
			;
	}
	if (claim.ended)
		apply_answers(&claim);
	return claim.taken;
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
 * bodies are large, or where many others were in the way. Each claim is a new
 * attempt, by whose number the outcome is told. An empty answer means that
 * nothing can be sent now; with arm it also promises that the commit of the next
 * callback will notify, and may wait for transactions that are committing.
 * 22023: an argument out of bounds; 0A000: arm, and the wrong isolation level;
 * 55000: there are callbacks of another database, see adopt().
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
	if (claim(fcinfo) == 0 && PG_GETARG_BOOL(2))
		arm(fcinfo);
	return (Datum) 0;
}

/*
 * When what a session knows of the queue may be undone.
 */
static void
forget(void)
{
	dispatch_horizon_forget();
	dispatch_hosts_forget();
}

static void
end_transaction(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT)
		forget();
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	(void) id;
	(void) parent;
	(void) arg;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget();
}

/*
 * Registers with the server, once a backend.
 */
void
dispatch_claim_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
