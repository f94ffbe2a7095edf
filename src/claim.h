/*
 * claim.h
 *	  Callbacks leased to listeners.
 */
#ifndef DISPATCH_CLAIM_H
#define DISPATCH_CLAIM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"

extern void dispatch_claim_init(void);
extern TimestampTz dispatch_lease_end(FunctionCallInfo fcinfo, int argument, TimestampTz now);

#endif
