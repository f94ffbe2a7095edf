/*
 * horizon.c
 *	  How far back a look for callbacks that are due must go.
 *
 * Callbacks are claimed in the order of next_at. What was claimed leaves dead
 * entries in the index, and as long as anybody holds an old snapshot, a look
 * from the start walks over all of them. So a session remembers where it is:
 *
 * - While there is plenty, a look begins where the last one ended.
 * - When a look comes back short, another one follows from the start, since a
 *   callback whose transaction commits late lies before what was claimed.
 * - Where the way from the start is known to be long, that one begins where
 *   everything is settled, and goes to the start only now and then.
 *
 * Settled is a time before which nothing is left and nothing will turn up. The
 * next_at of what becomes due is taken when its transaction has its id (see
 * dispatch_due_time()). So what is brought by ids that are given after some
 * moment lies after that moment; and when a snapshot shows that all earlier ids
 * have ended, a look sees all that will ever lie before it. Not so what returns
 * by an error of another session's claim, and what an owner writes: that waits
 * for the next look from the start, at most until the listener's poll.
 */
#include "postgres.h"

#include "horizon.h"

#include "access/transam.h"
#include "access/xact.h"
#include "executor/instrument.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"

/* The longest time between two looks from the start. */
#define SHORT_REST USECS_PER_SEC

/* The same where the way is long: one part of the time in so many may go into such looks. */
#define REST_FACTOR 50
#define LONG_REST (5 * USECS_PER_SEC)

/* The way is long when it touches more blocks than this, and than a few for each callback found. */
#define FEW_BLOCKS 100
#define BLOCKS_EACH 8

static TimestampTz reached = DT_NOBEGIN; /* where the last look ended */
static TimestampTz settled = DT_NOBEGIN;

/* All ids given before this moment have ended. And the next such moment: when ids before one have. */
static TimestampTz complete = DT_NOBEGIN;
static TimestampTz mark = DT_NOBEGIN;
static TransactionId mark_id = InvalidTransactionId;

/* When a look from the start was made last, and how long there must be none; 0: as you like. */
static TimestampTz started_over = DT_NOBEGIN;
static int64 rest = 0;

/*
 * A transaction was undone, and what it claimed is due where it was.
 */
void
dispatch_horizon_forget(void)
{
	reached = settled = complete = mark = started_over = DT_NOBEGIN;
	mark_id = InvalidTransactionId;
	rest = 0;
}

/*
 * The time for what the current transaction makes due, taken when the
 * transaction has its id.
 */
TimestampTz
dispatch_due_time(void)
{
	if (!XactReadOnly)
		(void) GetTopTransactionId();
	return GetCurrentTimestamp();
}

/*
 * Finds out since when everything is complete. now was taken before.
 */
static void
advance(TimestampTz now)
{
	Snapshot snapshot = GetTransactionSnapshot();

	if (TransactionIdIsValid(mark_id) && TransactionIdPrecedes(snapshot->xmin, mark_id))
		return;
	complete = mark;
	mark = now;
	mark_id = XidFromFullTransactionId(ReadNextFullTransactionId());
}

static void
begin(DispatchLook *look, TimestampTz since, TimestampTz until)
{
	look->since = since;
	look->until = until;
	look->last = since;
	look->exhausted = false;
	look->found = 0;
	look->complete = complete;
	look->blocks = pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read;
}

/*
 * Begins a look for what is due by now. It is from the start where that was not
 * done for a while, or where the clock went back.
 */
void
dispatch_look_begin(DispatchLook *look, TimestampTz now)
{
	TimestampTz since = Max(reached, settled);

	if (started_over == DT_NOBEGIN || now < since || now < started_over ||
		now - started_over > Max(rest, SHORT_REST))
		since = DT_NOBEGIN;
	look->now = now;
	advance(now);
	begin(look, since, now);
}

/*
 * After a look that left nothing: begins another one before it; false where
 * there is nothing to be expected.
 */
bool
dispatch_look_again(DispatchLook *look)
{
	TimestampTz since = rest > 0 ? settled : DT_NOBEGIN;

	if (!look->exhausted || look->since <= since)
		return false;
	begin(look, since, look->since);
	return true;
}

/*
 * How long to rest after a look from the start: not at all, when the way was
 * short. Nor when it was long for the first time: the look itself clears away
 * the dead entries that nobody can see any more.
 */
static int64
rest_after(const DispatchLook *look)
{
	static bool was_long = false;
	bool was_long_before = was_long;
	int64 blocks = pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read - look->blocks;

	was_long = blocks > FEW_BLOCKS + BLOCKS_EACH * (int64) look->found;
	if (!was_long || !was_long_before)
		return 0;
	return Min(REST_FACTOR * (GetCurrentTimestamp() - look->now), LONG_REST);
}

/*
 * Notes what a look has found.
 */
void
dispatch_look_end(const DispatchLook *look)
{
	if (look->since <= settled)
		settled = look->exhausted ? look->complete : Min(look->complete, look->last);
	reached = look->exhausted ? Max(look->until, reached) : look->last;
	if (look->since == DT_NOBEGIN)
	{
		rest = rest_after(look);
		started_over = look->now;
	}
}
