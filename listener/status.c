/*
 * status.c
 *		How the listener is doing: what was done, and whether all is well.
 */
#include "status.h"

#include <string.h>

/* The upper ends of the buckets of durations. */
static const Microseconds buckets[DURATION_BUCKETS] = {
	5 * MILLISECOND,    10 * MILLISECOND,   25 * MILLISECOND,    50 * MILLISECOND,
	100 * MILLISECOND,  250 * MILLISECOND,  500 * MILLISECOND,   1000 * MILLISECOND,
	2500 * MILLISECOND, 5000 * MILLISECOND, 10000 * MILLISECOND, 30000 * MILLISECOND,
};

static void add_metrics(const Status *status, Text *page);
static void add_requests(const Status *status, Text *page);
static void add_durations(const Status *status, Text *page);
static void add_sessions(const Status *status, Text *page);
static void add_claims(const Status *status, Text *page);
static void add_number(Text *page, const char *name, const char *type, const char *help,
					   int64_t number);
static void add_head(Text *page, const char *name, const char *type, const char *help);

#define PREFIX "dispatch_listener_"

/* Counts a request that has ended. */
void
status_count(Status *status, const Outcome *outcome, bool settled)
{
	int bucket = 0;

	if (settled)
		status->answered++;
	else
		status->failed++;
	if (outcome->attempt > 1)
		status->repeated++;
	status->kinds[outcome->kind]++;
	while (bucket < DURATION_BUCKETS && outcome->duration > buckets[bucket])
		bucket++;
	status->durations[bucket]++;
	status->duration_sum += outcome->duration;
}

/* What keeps the listener from its work, in words; NULL: nothing does. */
const char *
status_ailment(const Status *status)
{
	if (status->stopping)
		return "stopping";
	if (session_down_since(status->claim_session) != NEVER)
		return "the session that claims is not connected";
	if (session_down_since(status->finish_session) != NEVER)
		return "the session that records outcomes is not connected";
	if (session_has_failed(status->claim_session))
		return "no claim has succeeded since one failed";
	if (claims_counts(status->claims)->claims == 0)
		return "no claim has succeeded yet";
	if (session_has_failed(status->finish_session) && outcomes_count(status->outcomes) > 0)
		return "outcomes cannot be recorded";
	return NULL;
}

/* Appends in one line how the listener is doing. */
void
status_summary(const Status *status, Text *text)
{
	const char *ailment = status_ailment(status);

	if (ailment != NULL)
		text_printf(text, "%s; ", ailment);
	text_printf(text, "%lld answered, %lld failed, %d running, %d waiting, %d not recorded",
				(long long) status->answered, (long long) status->failed,
				transfers_active(status->transfers), queue_waiting(status->queue),
				outcomes_count(status->outcomes));
}

/* The pages of the HTTP server: the state for whoever restarts us, and the numbers. */
int
status_page(void *argument, const char *path, Text *page)
{
	const Status *status = argument;
	const char *ailment = status_ailment(status);

	if (strcmp(path, "/healthz") == 0)
	{
		text_printf(page, "%s\n", ailment != NULL ? ailment : "ok");
		return ailment != NULL ? 503 : 200;
	}
	if (strcmp(path, "/metrics") == 0)
	{
		add_metrics(status, page);
		return 200;
	}
	return 404;
}

static void
add_metrics(const Status *status, Text *page)
{
	add_head(page, "info", "gauge", "The version of this listener.");
	text_printf(page, PREFIX "info{version=\"%s\"} 1\n", LISTENER_VERSION);
	add_number(page, "start_time_seconds", "gauge", "When it started, in Unix time.",
			   (int64_t) status->started);
	add_number(page, "healthy", "gauge", "1 if /healthz answers 200.",
			   status_ailment(status) == NULL);
	add_requests(status, page);
	add_durations(status, page);
	add_claims(status, page);
	add_sessions(status, page);
}

/* What became of requests, and what is to be done. */
static void
add_requests(const Status *status, Text *page)
{
	add_number(page, "answered_total", "counter",
			   "Requests whose answer needs no other attempt: 2xx, 410, any answer to a question.",
			   status->answered);
	add_number(page, "failed_total", "counter", "Requests that failed, each attempt counted.",
			   status->failed);
	add_number(page, "repeated_total", "counter", "Requests that were not the first attempt.",
			   status->repeated);
	add_head(page, "requests_total", "counter",
			 "Requests that ended, by the class of their status, or by what failed.");
	for (int i = 0; i < OUTCOME_KINDS; i++)
		text_printf(page, PREFIX "requests_total{class=\"%s\"} %lld\n", outcome_kind_name(i),
					(long long) status->kinds[i]);
	add_number(page, "in_flight", "gauge", "Requests that run.",
			   transfers_active(status->transfers));
	add_number(page, "waiting", "gauge", "Callbacks that are claimed and not yet sent.",
			   queue_waiting(status->queue));
	add_number(page, "held_bytes", "gauge", "Memory of the callbacks that are claimed.",
			   (int64_t) queue_bytes(status->queue));
	add_number(page, "unrecorded", "gauge", "Outcomes that the database has not taken yet.",
			   outcomes_count(status->outcomes));
	add_number(page, "leases_lost_total", "counter",
			   "Callbacks whose lease passed before they were sent.", status->leases_lost);
}

static void
add_durations(const Status *status, Text *page)
{
	int64_t count = 0;

	add_head(page, "request_duration_seconds", "histogram",
			 "How long requests took, from the name to the answer or failure.");
	for (int i = 0; i < DURATION_BUCKETS; i++)
	{
		count += status->durations[i];
		text_printf(page, PREFIX "request_duration_seconds_bucket{le=\"%g\"} %lld\n",
					(double) buckets[i] / SECOND, (long long) count);
	}
	count += status->durations[DURATION_BUCKETS];
	text_printf(page,
				PREFIX "request_duration_seconds_bucket{le=\"+Inf\"} %lld\n" PREFIX
					   "request_duration_seconds_sum %.6f\n" PREFIX
					   "request_duration_seconds_count %lld\n",
				(long long) count, (double) status->duration_sum / SECOND, (long long) count);
}

static void
add_claims(const Status *status, Text *page)
{
	const ClaimCounts *counts = claims_counts(status->claims);
	Microseconds age = clock_now() - counts->last;

	add_number(page, "claims_total", "counter", "Claims that succeeded.", counts->claims);
	add_number(page, "claimed_total", "counter", "Callbacks that were claimed.", counts->rows);
	add_number(page, "last_claim_timestamp_seconds", "gauge",
			   "When a claim last succeeded, in Unix time; 0: never.",
			   counts->claims == 0 ? 0 : (int64_t) (time(NULL) - age / SECOND));
}

static void
add_sessions(const Status *status, Text *page)
{
	const Session *sessions[] = { status->claim_session, status->finish_session };

	add_head(page, "connected", "gauge", "1 if the database session can be used.");
	for (int i = 0; i < 2; i++)
		text_printf(page, PREFIX "connected{session=\"%s\"} %d\n", session_name(sessions[i]),
					session_down_since(sessions[i]) == NEVER);
	add_head(page, "clock_offset_seconds", "gauge",
			 "By how much the time here was ahead of the database's at the last connection.");
	text_printf(page, PREFIX "clock_offset_seconds %.3f\n",
				(double) session_clock_offset(status->claim_session) / SECOND);
	add_head(page, "session_failures_total", "counter",
			 "Failures to connect, lost connections and failed statements.");
	for (int i = 0; i < 2; i++)
		text_printf(page, PREFIX "session_failures_total{session=\"%s\"} %lld\n",
					session_name(sessions[i]), (long long) session_failures(sessions[i]));
}

/* A metric with one value. */
static void
add_number(Text *page, const char *name, const char *type, const char *help, int64_t number)
{
	add_head(page, name, type, help);
	text_printf(page, PREFIX "%s %lld\n", name, (long long) number);
}

static void
add_head(Text *page, const char *name, const char *type, const char *help)
{
	text_printf(page, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s %s\n", name, help, name, type);
}
