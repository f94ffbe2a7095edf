/*
 * outcome.c
 *		What became of requests, and how it gets into the database.
 *
 * Outcomes gather while the session is busy, and go out together in one call. They are kept until
 * the database has taken them, however often the connection is lost meanwhile.
 */
#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "memory.h"
#include "text.h"

/* How long after a call the next one waits for more: one for each would cost far more than this
 * delay. An outcome that comes alone does not wait. */
#define GATHER_TIME (5 * MILLISECOND)

/* The largest call: what does not fit goes into the next one. */
#define LARGEST_CALL 1000

/* How many ignored outcomes are named in the log, of one call. */
#define IGNORED_LOGGED 20

struct Outcomes
{
	Outcome *list;
	int count;
	int capacity;
	int batch;
	int sent;  /* the first ones, with a call that runs */
	int limit; /* of the next call; smaller after a call that the database could not take */
	Microseconds ended_at; /* when the last call ended */
	bool finished;         /* a call has ended well since the last look */
	Text arguments[FINISH_PARAMETERS];
};

static void append_arguments(Outcomes *outcomes, Outcome *outcome, bool unicode);
static void mask_letters(char *text);
static void on_finished(void *argument, PGresult *result, const char *sqlstate);
static void on_refused(Outcomes *outcomes, const char *sqlstate);
static void forget_sent(Outcomes *outcomes);
static void log_ignored(const PGresult *result);

/* The name of a kind, for metrics. */
const char *
outcome_kind_name(OutcomeKind kind)
{
	static const char *const names[] = { "2xx",     "3xx",     "4xx", "5xx",     "refused",
										 "resolve", "connect", "tls", "timeout", "broken" };

	return names[kind];
}

/* Makes an empty list, to be finished when this many are there; outcomes_free() frees it. */
Outcomes *
outcomes_create(int batch)
{
	Outcomes *outcomes = memory_get_zeroed(sizeof(*outcomes));

	outcomes->batch = batch;
	outcomes->limit = LARGEST_CALL;
	return outcomes;
}

void
outcomes_free(Outcomes *outcomes)
{
	for (int i = 0; i < FINISH_PARAMETERS; i++)
		text_free(&outcomes->arguments[i]);
	free(outcomes->list);
	free(outcomes);
}

/* Takes in an outcome; copies it. */
void
outcomes_add(Outcomes *outcomes, const Outcome *outcome)
{
	if (outcomes->count == outcomes->capacity)
	{
		outcomes->capacity = outcomes->capacity == 0 ? 256 : 2 * outcomes->capacity;
		outcomes->list =
			memory_resize(outcomes->list, (size_t) outcomes->capacity * sizeof(Outcome));
	}
	outcomes->list[outcomes->count++] = *outcome;
}

/* When the next call is due: at once in a hurry or for a full batch, else some time after the last
 * has ended. */
Microseconds
outcomes_due(const Outcomes *outcomes, bool hurry)
{
	if (outcomes->count == 0)
		return NEVER;
	if (hurry || outcomes->count >= outcomes->batch)
		return 0;
	return outcomes->ended_at + GATHER_TIME;
}

/* Sends what has gathered, on an idle session. */
void
outcomes_finish(Outcomes *outcomes, Session *session, int statement)
{
	const char *values[FINISH_PARAMETERS];
	int count = outcomes->count < outcomes->limit ? outcomes->count : outcomes->limit;

	for (int i = 0; i < FINISH_PARAMETERS; i++)
		text_array_begin(&outcomes->arguments[i]);
	for (int i = 0; i < count; i++)
		append_arguments(outcomes, &outcomes->list[i], session_stores_unicode(session));
	for (int i = 0; i < FINISH_PARAMETERS; i++)
	{
		text_array_end(&outcomes->arguments[i]);
		values[i] = outcomes->arguments[i].data;
	}
	outcomes->sent = count;
	session_run(session, statement, values, on_finished, outcomes);
}

/* How many outcomes the database has not taken yet. */
int
outcomes_count(const Outcomes *outcomes)
{
	return outcomes->count;
}

/* Says whether a call has ended well since the last time this was asked. */
bool
outcomes_take_finished(Outcomes *outcomes)
{
	bool finished = outcomes->finished;

	outcomes->finished = false;
	return finished;
}

/* Appends one outcome to each of the array literals. What came from the receiver may hold letters
 * that the database cannot store: they are masked there. */
static void
append_arguments(Outcomes *outcomes, Outcome *outcome, bool unicode)
{
	Text *to = outcomes->arguments;
	char number[32];

	if (!unicode)
	{
		mask_letters(outcome->error);
		mask_letters(outcome->excerpt);
	}
	text_array_add(&to[0], outcome->id);
	snprintf(number, sizeof(number), "%d", outcome->attempt);
	text_array_add(&to[1], number);
	snprintf(number, sizeof(number), "%d", outcome->status);
	text_array_add(&to[2], outcome->status != 0 ? number : NULL);
	text_array_add_quoted(&to[3], outcome->error[0] != '\0' ? outcome->error : NULL);
	/* A bare number is seconds to the type interval. */
	snprintf(number, sizeof(number), "%ld", outcome->retry_after);
	text_array_add(&to[4], outcome->retry_after > 0 ? number : NULL);
	snprintf(number, sizeof(number), "%lld.%06lld", (long long) (outcome->duration / SECOND),
			 (long long) (outcome->duration % SECOND));
	text_array_add(&to[5], number);
	text_array_add_quoted(&to[6], outcome->excerpt[0] != '\0' ? outcome->excerpt : NULL);
}

/* Replaces each letter that is not ASCII by a question mark. */
static void
mask_letters(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++)
	{
		unsigned char byte = (unsigned char) *from;

		if (byte < 0x80)
			*to++ = *from;
		else if (byte >= 0xc0)
			*to++ = '?';
	}
	*to = '\0';
}

/* The call has ended: forget what the database has taken, keep what it has not. */
static void
on_finished(void *argument, PGresult *result, const char *sqlstate)
{
	Outcomes *outcomes = argument;

	outcomes->ended_at = clock_now();
	if (result == NULL)
	{
		on_refused(outcomes, sqlstate);
		outcomes->sent = 0;
		return;
	}
	log_ignored(result);
	forget_sent(outcomes);
	outcomes->finished = true;
	outcomes->limit = outcomes->limit * 2 < LARGEST_CALL ? outcomes->limit * 2 : LARGEST_CALL;
}

/*
 * A call has failed. If it was for the data (class 22 or 23), or a trigger of the user's raised it
 * (P0), then one outcome must not hold back all others for ever: smaller and smaller calls find it,
 * and it is given up, so that its callback is sent again when the lease has passed. Any other
 * failure is not theirs.
 */
static void
on_refused(Outcomes *outcomes, const char *sqlstate)
{
	if (strncmp(sqlstate, "22", 2) != 0 && strncmp(sqlstate, "23", 2) != 0 &&
		strncmp(sqlstate, "P0", 2) != 0)
		return;
	if (outcomes->sent > 1)
	{
		outcomes->limit = outcomes->sent / 2;
		return;
	}
	log_event(LEVEL_ERROR, "outcome_given_up", log_text("callback", outcomes->list[0].id),
			  log_text("sqlstate", sqlstate));
	forget_sent(outcomes);
}

static void
forget_sent(Outcomes *outcomes)
{
	outcomes->count -= outcomes->sent;
	memmove(outcomes->list, outcomes->list + outcomes->sent,
			(size_t) outcomes->count * sizeof(Outcome));
	outcomes->sent = 0;
}

/* They were recorded before, by a call whose answer was lost, or their leases had passed to another
 * attempt: then the callbacks were, or are, sent more than once. */
static void
log_ignored(const PGresult *result)
{
	int count = PQntuples(result);

	for (int i = 0; i < count && i < IGNORED_LOGGED; i++)
		log_event(LEVEL_WARNING, "outcome_ignored", log_text("callback", PQgetvalue(result, i, 0)),
				  log_text("reason",
						   "it was recorded before, or its lease had passed to another attempt"));
	if (count > IGNORED_LOGGED)
		log_event(LEVEL_WARNING, "outcomes_ignored", log_number("count", count));
}
