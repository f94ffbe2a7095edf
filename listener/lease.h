/*
 * lease.h
 *		Leases: renewed before they end, given back when the listener stops.
 */
#ifndef LISTENER_LEASE_H
#define LISTENER_LEASE_H

#include <stdbool.h>

#include "clock.h"
#include "queue.h"
#include "session.h"

typedef struct Leases Leases;

/* The statement that both need from the session that is handed in. */
#define RENEW_SQL "SELECT dispatch.renew_callbacks($1::uuid[], $2::int4[], $3::interval)"
#define RENEW_PARAMETERS 3

extern Leases *leases_create(Queue *queue, Microseconds lease);
extern void leases_free(Leases *leases);
extern Microseconds leases_due(const Leases *leases);
extern void leases_renew(Leases *leases, Session *session, int statement, Microseconds now);
extern void leases_give_back(Leases *leases, Session *session, int statement);

#endif
