/*
 * claim.c
 *	  Callbacks leased to listeners: which of those that are due.
 *
 * A claim locks some candidates at a time, skipping what others have locked, and
 * decides about each: it is taken, or set aside since its host has no room, or
 * it ends, since its last lease has passed without a word. horizon.c says where
 * to look, host.c how much room there is, lease.c takes, aside.c sets aside.
 */
#include "postgres.h"

#include "claim.h"

#include "access/xact.h"
#include "funcapi.h"
#include "utils/timestamp.h"

#include "aside.h"
#include "compat.h"
#include "confirm.h"
#include "error.h"
#include "finish.h"
#include "horizon.h"
#include "host.h"
#include "lease.h"
#include "outbox.h"
#include "signal.h"
#include "statement.h"

#define CLAIM_MAX 10000

/* The most candidates that are locked at a time. */
#define CANDIDATES_MAX 1000

/* A claim that has something to return sets no more aside than this. */
#define ASIDE_MAX 100

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

/* What becomes of candidates. */
typedef struct Sorted
{
	DispatchRows taken;
	DispatchRows aside;
	DispatchRows expired; /* among these, or ended by that */
} Sorted;

/*
 * Whether a claim is to go on looking.
 */
static bool
wants_more(const DispatchClaim *claim)
{
	return claim->taken < claim->wanted && !claim->full &&
		   (claim->taken == 0 || claim->aside < ASIDE_MAX);
}

/*
 * Records that leases have passed without a word of what came of the attempts;
 * those that were the last end.
 */
static void
end_leases(DispatchClaim *claim, const DispatchRows *expired)
{
	Datum values[3];

	values[0] = dispatch_rows_array(expired);
	values[1] = TimestampTzGetDatum(claim->now);
	values[2] = Int32GetDatum(dispatch_max_attempts);
	(void) dispatch_execute(DISPATCH_END_LEASES, values, NULL);
	claim->ended = true;
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
measure(const DispatchClaim *claim, const Candidate *candidates, uint64 count)
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
sort_out(const DispatchClaim *claim, const Candidate *candidates, uint64 count, Sorted *sorted)
{
	uint64 looked = 0;

	while (looked < count && claim->taken + sorted->taken.count < claim->wanted)
	{
		const Candidate *candidate = &candidates[looked++];
		bool ends = candidate->expired && candidate->tries >= dispatch_max_attempts;

		if (!ends && dispatch_host_take_room(candidate->host))
			dispatch_rows_add(&sorted->taken, candidate->row, candidate->host);
		else if (!ends && dispatch_host_guard(candidate->host))
			dispatch_rows_add(&sorted->aside, candidate->row, candidate->host);
		else if (!ends)
			continue;
		if (candidate->expired)
			dispatch_rows_add(&sorted->expired, candidate->row, candidate->host);
	}
	return looked;
}

/*
 * Does with rows what was decided.
 */
static void
carry_out(DispatchClaim *claim, const Sorted *sorted)
{
	if (sorted->expired.count > 0)
		end_leases(claim, &sorted->expired);
	if (sorted->aside.count > 0)
		dispatch_set_aside(claim, &sorted->aside);
	if (sorted->taken.count > 0)
		dispatch_lease(claim, &sorted->taken);
}

/*
 * Looks at the next rows that are due, so many at most. Returns whether any of
 * them is out of the way now.
 */
static bool
take_some_due(DispatchClaim *claim, DispatchLook *look, uint64 limit)
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
	sorted =
		(Sorted){ dispatch_rows_for(found), dispatch_rows_for(found), dispatch_rows_for(found) };
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
take_due(DispatchClaim *claim, DispatchLook *look)
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
 * Applies answers that are known, to callbacks that were waited for.
 */
static void
apply_answers(const DispatchClaim *claim)
{
	dispatch_connect();
	dispatch_confirm_apply(dispatch_origin(), claim->now);
	SPI_finish();
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
check_queue(const DispatchClaim *claim)
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
 * Leases callbacks that are due by now and puts them into the result; how many.
 * What waits for its host has the first half of the claim, and what is due for
 * the first time the second, as far as there is enough of both.
 */
static uint64
claim(FunctionCallInfo fcinfo)
{
	DispatchClaim claim = { .result = (ReturnSetInfo *) fcinfo->resultinfo };
	DispatchLook look;
	bool aside;

	claim.now = GetCurrentTimestamp();
	claim.lease_end = dispatch_lease_end(fcinfo, 1, claim.now);
	claim.wanted = PG_GETARG_INT32(0);
	dispatch_hosts_begin();
	aside = check_queue(&claim);
	if (aside)
	{
		claim.ended = dispatch_end_lost(claim.now);
		(void) dispatch_visit_hosts(&claim, (claim.wanted + 1) / 2);
	}
	dispatch_look_begin(&look, claim.now);
	do
	{
		take_due(&claim, &look);
		dispatch_look_end(&look);
	} while (wants_more(&claim) && dispatch_look_again(&look));
	if (aside && wants_more(&claim))
	{
		dispatch_visit_all();
		while (dispatch_visit_hosts(&claim, claim.wanted))
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
