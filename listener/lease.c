/*
 * lease.c
 *		Leases: renewed before they end, given back when the listener stops.
 */
#include "lease.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "memory.h"
#include "text.h"

/* The largest call: what does not fit goes into the next one. */
#define LARGEST_CALL 1000

struct Leases
{
	Queue *queue;
	Microseconds lease;
	uint64_t renewal; /* the number of the last call; deliveries in it bear it until it has ended */
	int asked;        /* how many were in it */
	Microseconds asked_at;
	Text ids;
	Text attempts;
};

static void begin(Leases *leases);
static void include(Leases *leases, Delivery *delivery);
static void run(Leases *leases, Session *session, int statement, Microseconds lease,
				SessionDone done);
static void on_renewed(void *argument, PGresult *result, const char *sqlstate);
static void on_given_back(void *argument, PGresult *result, const char *sqlstate);

/* Makes the keeper of a queue's leases; leases_free() frees it. */
Leases *
leases_create(Queue *queue, Microseconds lease)
{
	Leases *leases = memory_get_zeroed(sizeof(*leases));

	leases->queue = queue;
	leases->lease = lease;
	return leases;
}

void
leases_free(Leases *leases)
{
	text_free(&leases->ids);
	text_free(&leases->attempts);
	free(leases);
}

/* When a renewal is due: when the first lease is half over. NEVER where nothing is held. */
Microseconds
leases_due(const Leases *leases)
{
	const Delivery *first = queue_first_held(leases->queue);

	return first == NULL ? NEVER : first->lease_end - leases->lease / 2;
}

/* Renews what is half over, on an idle session. */
void
leases_renew(Leases *leases, Session *session, int statement, Microseconds now)
{
	begin(leases);
	leases->asked_at = now;
	for (Delivery *at = queue_first_held(leases->queue);
		 at != NULL && at->lease_end - leases->lease / 2 <= now && leases->asked < LARGEST_CALL;
		 at = at->held_next)
		include(leases, at);
	run(leases, session, statement, leases->lease, on_renewed);
}

/*
 * Gives back what is not started, on an idle session; nothing must be started until the call has
 * ended. What was given back leaves the queue then; after a failure it is still there.
 */
void
leases_give_back(Leases *leases, Session *session, int statement)
{
	begin(leases);
	for (Delivery *at = queue_first_held(leases->queue); at != NULL && leases->asked < LARGEST_CALL;
		 at = at->held_next)
		if (at->started == 0)
			include(leases, at);
	run(leases, session, statement, 0, on_given_back);
}

/* Begins the arguments of a call. */
static void
begin(Leases *leases)
{
	leases->renewal++;
	leases->asked = 0;
	text_array_begin(&leases->ids);
	text_array_begin(&leases->attempts);
}

/* Puts a delivery into the call. */
static void
include(Leases *leases, Delivery *delivery)
{
	char attempt[16];

	snprintf(attempt, sizeof(attempt), "%d", delivery->attempt);
	text_array_add(&leases->ids, delivery->id);
	text_array_add(&leases->attempts, attempt);
	delivery->renewal = leases->renewal;
	leases->asked++;
}

static void
run(Leases *leases, Session *session, int statement, Microseconds lease, SessionDone done)
{
	const char *values[RENEW_PARAMETERS];
	char seconds[32];

	text_array_end(&leases->ids);
	text_array_end(&leases->attempts);
	snprintf(seconds, sizeof(seconds), "%lld.%06lld", (long long) (lease / SECOND),
			 (long long) (lease % SECOND));
	values[0] = leases->ids.data;
	values[1] = leases->attempts.data;
	values[2] = seconds;
	session_run(session, statement, values, done, leases);
}

/*
 * Leases were renewed, or it is not known whether: notes their new end on what is still held. Fewer
 * than asked for means that some are others' by now, nobody knows which: so not on what waits and
 * is late, which will be forgotten.
 */
static void
on_renewed(void *argument, PGresult *result, const char *sqlstate)
{
	Leases *leases = argument;
	int renewed = result != NULL ? atoi(PQgetvalue(result, 0, 0)) : 0;
	bool all = renewed == leases->asked;
	Microseconds now = clock_now();
	Delivery *next;

	(void) sqlstate;
	for (Delivery *at = queue_first_held(leases->queue); at != NULL; at = next)
	{
		next = at->held_next;
		if (at->renewal != leases->renewal)
			continue;
		at->renewal = 0;
		if (result != NULL && (all || at->started != 0 || at->lease_end > now))
			queue_extend_lease(leases->queue, at, leases->asked_at + leases->lease);
	}
	if (result != NULL)
		log_event(LEVEL_INFO, "leases_renewed", log_number("asked", leases->asked),
				  log_number("renewed", renewed));
}

/* Callbacks were given back: they are somebody else's now. */
static void
on_given_back(void *argument, PGresult *result, const char *sqlstate)
{
	Leases *leases = argument;
	Delivery *next;

	(void) sqlstate;
	if (result == NULL)
		return;
	for (Delivery *at = queue_first_held(leases->queue); at != NULL; at = next)
	{
		next = at->held_next;
		if (at->renewal == leases->renewal && at->started == 0)
			queue_release(leases->queue, at);
	}
	log_event(LEVEL_INFO, "given_back", log_number("callbacks", leases->asked));
}
