/*
 * host.h
 *		The hosts that callbacks go to: their queues, their keys, their log.
 */
#ifndef LISTENER_HOST_H
#define LISTENER_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "signing.h"

struct Delivery;

/* One host and port. Names without meaning for us are told apart by their spelling, in lower case.
 */
typedef struct Host
{
	struct Host *next_in_bucket;
	uint32_t bucket; /* of the table */
	char *authority; /* host and port as the URL writes them: what makes this host another one */
	char *name;      /* the host alone, normalized: for the keys and the log */
	const HostKeys *keys;
	bool warned_of_no_key;

	int active;                    /* requests that run */
	int queued;                    /* deliveries in the queue below */
	struct Delivery *first, *last; /* the queue */
	struct Host *previous, *next;  /* the queue's ring of hosts that can start a request */
	bool ready;                    /* in the ring */

	Microseconds last_duration; /* of the request that ended last */
	Microseconds moved;         /* when a request last ended, or the first one started */

	Microseconds failure_logged; /* when a failure was last logged */
	int failures_unlogged;       /* failures since */
} Host;

typedef struct HostTable HostTable;

extern HostTable *host_table_create(const SigningKeys *keys);
extern void host_table_free(HostTable *table);
extern void host_table_set_keys(HostTable *table, const SigningKeys *keys);
extern Host *host_find(HostTable *table, const char *url);
extern Host *host_next(const HostTable *table, const Host *host);
extern void host_tidy(HostTable *table);

#endif
