/*
 * transfer.h
 *		The HTTP requests: libcurl's multi interface in the event loop.
 */
#ifndef LISTENER_TRANSFER_H
#define LISTENER_TRANSFER_H

#include "address.h"
#include "clock.h"
#include "loop.h"
#include "outcome.h"
#include "queue.h"

typedef struct Transfers Transfers;

/* Called when a request has ended; the outcome lives for the call only. */
typedef void (*TransferDone)(void *argument, Delivery *delivery, const Outcome *outcome);

typedef struct TransferPlan
{
	int concurrency;
	Microseconds timeout;
	const NetworkList *allowed;
	const char *ca_file; /* NULL: what the system trusts */
	TransferDone done;
	void *argument;
} TransferPlan;

extern Transfers *transfers_create(Loop *loop, const TransferPlan *plan);
extern void transfers_free(Transfers *transfers);
extern bool transfers_can_start(const Transfers *transfers);
extern void transfers_start(Transfers *transfers, Delivery *delivery, Microseconds now);
extern Microseconds transfers_tick(Transfers *transfers, Microseconds now);
extern int transfers_active(const Transfers *transfers);

#endif
