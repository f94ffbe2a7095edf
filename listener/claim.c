/*
 * claim.c
 *		Claiming: when to ask the database for callbacks, and how many.
 *
 * While callbacks are due, more is claimed before the last of it is sent. When none is due,
 * the listener looks a few times more before it asks to be notified ("arms"): as long as a listener
 * is armed, every commit with a callback must notify, and that costs the writers dearly.
 */
#include "claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "memory.h"

/* After an answer that was not full: how long to look, and how often, before arming. */
#define LINGER_TIME (20 * MILLISECOND)
#define LINGER_STEP (5 * MILLISECOND)

/* How often to find out whether those that wait do so for slow hosts. */
#define SLOW_STEP (5 * MILLISECOND)

/* The most that is held: in number, where what waits for slow hosts does not count, which may be as
 * much as the database leases for each of them (dispatch.host_in_flight); that of those too; and in
 * bytes. */
#define MOST_HELD 2048
#define MOST_HELD_WITH_SLOW (32 * 1024)
#define MOST_BYTES ((size_t) 64 * 1024 * 1024)

/* So many batches are to wait: under load a claim takes as long as it takes to send one. */
#define AHEAD 2

/* With so many batches waiting or unrecorded, it is the database that is behind: what is claimed now
 * would only be leased, and, where it is more than dispatch.host_in_flight, be set aside for
 * nothing (measured: 15,000 callbacks of one host a second instead of 19,500). */
#define MOST_AT_HAND(batch) (7 * (batch) / 2)

typedef enum ClaimState
{
	CLAIM_READY,
	CLAIM_RUNNING,
	CLAIM_LINGERING, /* the next look is due at claims->due */
	CLAIM_DRAINING,  /* with --once: nothing more was found; until nothing is held */
	CLAIM_ASLEEP     /* armed: a notification comes, or the poll is due at claims->due */
} ClaimState;

struct Claims
{
	Queue *queue;
	int batch;
	int most_held;
	Microseconds lease;
	Microseconds poll;
	bool once;
	bool stopped;
	ClaimState state;
	bool arm; /* whether the next claim, or the one that runs, arms */
	Microseconds due;
	Microseconds sent_at;     /* when the last claim was sent */
	Microseconds last_found;  /* when a claim last found something */
	Microseconds slow_looked; /* when slow hosts were last looked for */
	int asked;                /* rows that it asked for */
	bool alone;               /* it was sent while nothing was held or on its way */
	bool exhausted;           /* nothing is due, and nothing was held that could have hidden more */
	bool look_again;          /* something has changed since it was sent */
	size_t row_bytes;         /* the average size of a row, lately */
	ClaimCounts counts;
};

static bool wants_more(Claims *claims, Microseconds now, int unrecorded, bool idle_connections,
					   Microseconds *again);
static bool has_use(const Claims *claims, int unrecorded, int left_out);
static void send_claim(Claims *claims, Session *session, int statement, Microseconds now, int busy);
static int rows_to_ask(const Claims *claims);
static void on_claimed(void *argument, PGresult *result, const char *sqlstate);
static void take_rows(Claims *claims, const PGresult *result);
static void plan_next(Claims *claims, int rows);

/* Makes the claiming side of a queue; claims_free() frees it. */
Claims *
claims_create(const Options *options, Queue *queue)
{
	Claims *claims = memory_get_zeroed(sizeof(*claims));

	claims->queue = queue;
	claims->batch = options->batch;
	claims->most_held = options->batch * 4 > MOST_HELD ? options->batch * 4 : MOST_HELD;
	claims->lease = options->lease;
	claims->poll = options->poll;
	claims->once = options->once;
	claims->row_bytes = 1024;
	return claims;
}

void
claims_free(Claims *claims)
{
	free(claims);
}

/*
 * Claims if it is time to; returns when it wants to be called again. unrecorded is the number of
 * outcomes that the database has not taken yet, idle_connections says whether a request could be
 * started at once.
 */
Microseconds
claims_tick(Claims *claims, Session *session, int statement, Microseconds now, int unrecorded,
			bool idle_connections)
{
	int busy = queue_held(claims->queue) + unrecorded;
	Microseconds again = NEVER;

	if (session_take_notified(session))
		claims->look_again = true;
	if (claims->stopped || claims->state == CLAIM_RUNNING || !session_idle(session))
		return NEVER;

	if (claims->state == CLAIM_ASLEEP && claims->look_again)
	{
		claims->state = CLAIM_READY;
		claims->arm = false;
		claims->last_found = now;
	}
	if (claims->state == CLAIM_DRAINING && busy > 0 && !claims->look_again)
		return NEVER;
	if (claims->state == CLAIM_LINGERING || claims->state == CLAIM_ASLEEP)
	{
		if (now < claims->due)
			return claims->due;
	}
	claims->state = CLAIM_READY;
	if (!wants_more(claims, now, unrecorded, idle_connections, &again))
		return again;
	send_claim(claims, session, statement, now, busy);
	return NEVER;
}

/* What was claimed so far. */
const ClaimCounts *
claims_counts(const Claims *claims)
{
	return &claims->counts;
}

/* Something may be due that was not before: looks again soon, also when asleep. */
void
claims_look_again(Claims *claims)
{
	claims->look_again = true;
}

/* Claims nothing any more. */
void
claims_stop(Claims *claims)
{
	claims->stopped = true;
}

/* Says whether it was stopped and no claim runs, so that no rows will come any more. */
bool
claims_ended(const Claims *claims)
{
	return claims->stopped && claims->state != CLAIM_RUNNING;
}

/* Says whether a claim runs that was sent while nothing was held or on its way: it finds what can be
 * leased, whatever else is due. */
bool
claims_run_alone(const Claims *claims)
{
	return claims->state == CLAIM_RUNNING && claims->alone;
}

/* With --once: says whether what was found is to be delivered before it looks again. */
bool
claims_draining(const Claims *claims)
{
	return claims->state == CLAIM_DRAINING;
}

/* Says whether the last claim found nothing, while nothing was held that could have hidden more. */
bool
claims_exhausted(const Claims *claims)
{
	return claims->exhausted;
}

/*
 * Says whether there is use for more rows: when less than some batches wait, so that the next one
 * comes while these are sent. What waits for slow hosts does not count while connections for others
 * are idle. If not, again is when to ask again, or stays NEVER: when something has ended.
 */
static bool
wants_more(Claims *claims, Microseconds now, int unrecorded, bool idle_connections,
		   Microseconds *again)
{
	int waiting = queue_waiting(claims->queue);
	int ahead = claims->batch * AHEAD;

	if (unrecorded + (waiting < ahead ? waiting : ahead) >= MOST_AT_HAND(claims->batch))
		return false;
	if (queue_held(claims->queue) > MOST_HELD_WITH_SLOW || queue_bytes(claims->queue) > MOST_BYTES)
		return false;
	if (has_use(claims, unrecorded, 0))
		return true;
	if (!idle_connections || queue_can_start(claims->queue))
		return false;
	if (now >= claims->slow_looked + SLOW_STEP)
	{
		claims->slow_looked = now;
		if (has_use(claims, unrecorded, queue_waiting_for_slow(claims->queue, now)))
			return true;
	}
	*again = claims->slow_looked + SLOW_STEP;
	return false;
}

/* Says whether there is use for a batch, and room, where so many that are held are left out. */
static bool
has_use(const Claims *claims, int unrecorded, int left_out)
{
	return queue_waiting(claims->queue) - left_out < claims->batch * AHEAD &&
		   queue_held(claims->queue) - left_out + unrecorded + claims->batch <= claims->most_held;
}

static void
send_claim(Claims *claims, Session *session, int statement, Microseconds now, int busy)
{
	const char *values[CLAIM_PARAMETERS];
	char rows[16];
	char lease[32];

	claims->asked = rows_to_ask(claims);
	claims->sent_at = now;
	claims->alone = busy == 0;
	claims->look_again = false;
	claims->state = CLAIM_RUNNING;
	snprintf(rows, sizeof(rows), "%d", claims->asked);
	snprintf(lease, sizeof(lease), "%lld.%06lld", (long long) (claims->lease / SECOND),
			 (long long) (claims->lease % SECOND));
	values[0] = rows;
	values[1] = lease;
	values[2] = claims->arm ? "true" : "false";
	session_run(session, statement, values, on_claimed, claims);
}

/* A batch, or less where rows are so long lately that a batch would not fit into memory. */
static int
rows_to_ask(const Claims *claims)
{
	size_t fitting = MOST_BYTES / claims->row_bytes;

	if (fitting < 1)
		fitting = 1;
	return (size_t) claims->batch < fitting ? claims->batch : (int) fitting;
}

/* The claim has ended. After a failure the session connects again, and is not armed any more. */
static void
on_claimed(void *argument, PGresult *result, const char *sqlstate)
{
	Claims *claims = argument;

	(void) sqlstate;
	if (result == NULL)
	{
		claims->state = CLAIM_READY;
		claims->arm = false;
		return;
	}
	claims->counts.claims++;
	claims->counts.rows += PQntuples(result);
	claims->counts.last = clock_now();
	take_rows(claims, result);
	plan_next(claims, PQntuples(result));
}

/* Puts the rows into the queue. The lease began some time after the claim was sent. */
static void
take_rows(Claims *claims, const PGresult *result)
{
	int count = PQntuples(result);
	size_t before = queue_bytes(claims->queue);

	for (int i = 0; i < count; i++)
	{
		ClaimedRow row = {
			.id = PQgetvalue(result, i, 0),
			.attempt = atoi(PQgetvalue(result, i, 1)),
			.method = PQgetvalue(result, i, 2),
			.url = PQgetvalue(result, i, 3),
			.headers = PQgetvalue(result, i, 4),
			.body = PQgetvalue(result, i, 5),
			.body_length = (size_t) PQgetlength(result, i, 5),
			.confirm = PQgetvalue(result, i, 6)[0] == 't',
		};

		queue_add(claims->queue, &row, claims->sent_at + claims->lease);
	}
	if (count > 0)
		claims->row_bytes = (queue_bytes(claims->queue) - before) / (size_t) count + 1;
}

/* Decides what comes next. */
static void
plan_next(Claims *claims, int rows)
{
	Microseconds now = clock_now();
	bool armed = claims->arm && rows == 0;

	claims->state = CLAIM_READY;
	claims->arm = false;
	claims->exhausted = rows == 0 && claims->alone;
	if (rows > 0)
		claims->last_found = now;
	if (rows == claims->asked || (claims->once && rows > 0))
		return;

	if (claims->once)
		claims->state = CLAIM_DRAINING;
	else if (armed && !claims->look_again)
	{
		claims->state = CLAIM_ASLEEP;
		claims->due = now + claims->poll;
		/* When the poll is due without a word, one claim that arms again is enough. */
		claims->arm = true;
	}
	else if (now - claims->last_found >= LINGER_TIME)
		claims->arm = true;
	else
	{
		claims->state = CLAIM_LINGERING;
		claims->due = now + LINGER_STEP;
	}
}
