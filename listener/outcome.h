/*
 * outcome.h
 *		What became of requests, and how it gets into the database.
 */
#ifndef LISTENER_OUTCOME_H
#define LISTENER_OUTCOME_H

#include <stdbool.h>

#include "clock.h"
#include "session.h"

#define EXCERPT_SIZE 200
#define ERROR_SIZE 300

/* What a request came to: an answer, or the step at which it failed. */
typedef enum OutcomeKind
{
	KIND_2XX,
	KIND_3XX,
	KIND_4XX,
	KIND_5XX,
	KIND_REFUSED, /* the address is not allowed */
	KIND_RESOLVE,
	KIND_CONNECT,
	KIND_TLS,
	KIND_TIMEOUT,
	KIND_BROKEN, /* no answer, or none that is HTTP */
	OUTCOME_KINDS
} OutcomeKind;

/* What became of one request. Texts are valid UTF-8. */
typedef struct Outcome
{
	char id[37];
	int attempt;
	OutcomeKind kind;
	int status; /* 0: no answer; then error says why */
	Microseconds duration;
	long retry_after; /* seconds; 0: not given */
	char error[ERROR_SIZE];
	char excerpt[EXCERPT_SIZE + 1]; /* of the answer's body; "": none */
} Outcome;

typedef struct Outcomes Outcomes;

/* The statement that finish needs from the session that is handed in. */
#define FINISH_SQL                                                                                 \
	"SELECT * FROM dispatch.finish_callbacks($1::uuid[], $2::int4[], $3::int4[], $4::text[],"      \
	" $5::interval[], $6::interval[], $7::text[])"
#define FINISH_PARAMETERS 7

extern const char *outcome_kind_name(OutcomeKind kind);
extern Outcomes *outcomes_create(int batch);
extern void outcomes_free(Outcomes *outcomes);
extern void outcomes_add(Outcomes *outcomes, const Outcome *outcome);
extern Microseconds outcomes_due(const Outcomes *outcomes, bool hurry);
extern void outcomes_finish(Outcomes *outcomes, Session *session, int statement);
extern int outcomes_count(const Outcomes *outcomes);
extern bool outcomes_take_finished(Outcomes *outcomes);

#endif
