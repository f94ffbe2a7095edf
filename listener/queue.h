/*
 * queue.h
 *		The deliveries that this listener holds: claimed, and not yet answered.
 */
#ifndef LISTENER_QUEUE_H
#define LISTENER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "host.h"

/* One claimed callback. One block of memory, the strings behind it. */
typedef struct Delivery
{
	struct Delivery *next;      /* in its host's queue */
	struct Delivery *held_next; /* in the list of all that is held, by the end of their leases */
	struct Delivery *held_previous;
	Host *host;
	Microseconds lease_end;
	uint64_t renewal;     /* the renewal under way that asked for it; 0: none */
	Microseconds started; /* 0: not yet */
	bool confirm;
	int attempt;
	size_t size; /* of the block */
	size_t body_length;
	const char *id;
	const char *method;
	const char *url;
	const char *headers; /* lines as libcurl takes them, or "" */
	const char *body;
	char strings[];
} Delivery;

/* What the database says about a callback, to be copied. */
typedef struct ClaimedRow
{
	const char *id;
	int attempt;
	const char *method;
	const char *url;
	const char *headers;
	const char *body;
	size_t body_length;
	bool confirm;
} ClaimedRow;

typedef struct Queue Queue;

extern Queue *queue_create(HostTable *hosts, int per_host, int concurrency);
extern void queue_free(Queue *queue);
extern void queue_add(Queue *queue, const ClaimedRow *row, Microseconds lease_end);
extern bool queue_can_start(const Queue *queue);
extern int queue_waiting_for_slow(const Queue *queue, Microseconds now);
extern Delivery *queue_start_next(Queue *queue, Microseconds now);
extern void queue_release(Queue *queue, Delivery *delivery);
extern void queue_extend_lease(Queue *queue, Delivery *delivery, Microseconds lease_end);
extern Delivery *queue_first_held(const Queue *queue);
extern int queue_waiting(const Queue *queue);
extern int queue_held(const Queue *queue);
extern size_t queue_bytes(const Queue *queue);

#endif
