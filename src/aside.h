/*
 * aside.h
 *	  Callbacks that are set aside until their hosts have room.
 */
#ifndef DISPATCH_ASIDE_H
#define DISPATCH_ASIDE_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "lease.h"

extern void dispatch_set_aside(DispatchClaim *claim, const DispatchRows *rows);
extern bool dispatch_visit_hosts(DispatchClaim *claim, uint64 until);
extern void dispatch_visit_all(void);
extern bool dispatch_end_lost(TimestampTz now);

#endif
