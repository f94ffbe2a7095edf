/*
 * host.h
 *	  What is known of hosts: how many more callbacks may be leased, and whether
 *	  they answer.
 */
#ifndef DISPATCH_HOST_H
#define DISPATCH_HOST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* dispatch.host_in_flight, dispatch.host_failures */
extern int dispatch_host_in_flight;
extern int dispatch_host_failures;

/* Hosts are given by their names, of type text. */
extern void dispatch_hosts_begin(void);
extern void dispatch_hosts_forget(void);
extern void dispatch_hosts_measure(Datum *names, int count, TimestampTz now);
extern int dispatch_host_room(Datum name);
extern bool dispatch_host_take_room(Datum name);
extern bool dispatch_host_guard(Datum name);
extern void dispatch_host_hold(Datum name);
extern void dispatch_hosts_note(const Datum *names, const Datum *failures, int count,
								TimestampTz now);
extern pg_uuid_t *dispatch_host_bookmark(Datum name);

#endif
