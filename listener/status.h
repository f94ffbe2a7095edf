/*
 * status.h
 *		How the listener is doing: what was done, and whether all is well.
 */
#ifndef LISTENER_STATUS_H
#define LISTENER_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "claim.h"
#include "outcome.h"
#include "queue.h"
#include "session.h"
#include "text.h"
#include "transfer.h"

#define DURATION_BUCKETS 12

/* What is counted, and the rooms that are asked for the rest. */
typedef struct Status
{
	int64_t answered; /* requests that need no other attempt */
	int64_t failed;   /* the others */
	int64_t repeated; /* requests that were not the first attempt */
	int64_t kinds[OUTCOME_KINDS];
	int64_t durations[DURATION_BUCKETS + 1]; /* the last one: longer than all buckets */
	Microseconds duration_sum;
	int64_t leases_lost;
	time_t started;
	bool stopping;
	const Claims *claims;
	const Queue *queue;
	const Transfers *transfers;
	const Outcomes *outcomes;
	const Session *claim_session;
	const Session *finish_session;
} Status;

extern void status_count(Status *status, const Outcome *outcome, bool settled);
extern const char *status_ailment(const Status *status);
extern void status_summary(const Status *status, Text *text);
extern int status_page(void *argument, const char *path, Text *page);

#endif
