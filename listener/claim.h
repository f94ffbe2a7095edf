/*
 * claim.h
 *		Claiming: when to ask the database for callbacks, and how many.
 */
#ifndef LISTENER_CLAIM_H
#define LISTENER_CLAIM_H

#include <stdbool.h>

#include "clock.h"
#include "options.h"
#include "queue.h"
#include "session.h"

typedef struct Claims Claims;

/*
 * The statement that claiming needs from its session. The headers come as lines that libcurl takes
 * as they are ("Name;" is its way to write a header without a value); keys and values have no line
 * breaks.
 */
/* clang-format off */
#define HEADER_LINE(h) \
	"(" h "->>'key') || CASE btrim(" h "->>'value', E' \\t') WHEN '' THEN ';'" \
	" ELSE ': ' || (" h "->>'value') END"
#define CLAIM_SQL \
	"SELECT c.callback_id, c.attempt, c.method, c.url," \
	" CASE jsonb_array_length(c.headers) WHEN 0 THEN '' WHEN 1 THEN " HEADER_LINE("c.headers->0") \
	" ELSE (SELECT string_agg(" HEADER_LINE("h.value") ", E'\\n')" \
	"         FROM jsonb_array_elements(c.headers) AS h) END," \
	" c.body, c.confirm" \
	" FROM dispatch.claim_callbacks($1::int4, $2::interval, $3::bool) AS c"
/* clang-format on */
#define CLAIM_PARAMETERS 3

/* What was claimed so far. */
typedef struct ClaimCounts
{
	int64_t claims; /* that succeeded */
	int64_t rows;
	Microseconds last; /* when one last succeeded */
} ClaimCounts;

extern Claims *claims_create(const Options *options, Queue *queue);
extern void claims_free(Claims *claims);
extern Microseconds claims_tick(Claims *claims, Session *session, int statement, Microseconds now,
								int unrecorded, bool idle_connections);
extern const ClaimCounts *claims_counts(const Claims *claims);
extern void claims_look_again(Claims *claims);
extern void claims_stop(Claims *claims);
extern bool claims_ended(const Claims *claims);
extern bool claims_run_alone(const Claims *claims);
extern bool claims_draining(const Claims *claims);
extern bool claims_exhausted(const Claims *claims);

#endif
