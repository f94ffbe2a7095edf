/*
 * lease.h
 *	  A claim, and the rows of the queue that it leases.
 */
#ifndef DISPATCH_LEASE_H
#define DISPATCH_LEASE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/execnodes.h"

/* A claim: what it is to return, and how far it is. */
typedef struct DispatchClaim
{
	ReturnSetInfo *result;
	TimestampTz now;
	TimestampTz lease_end;
	uint64 wanted;
	uint64 taken;
	uint64 aside; /* set aside by this claim */
	Size size;    /* of the events that were taken */
	bool full;    /* their size is as much as one claim may be */
	bool ended;   /* leases have ended, and callbacks by that, perhaps */
} DispatchClaim;

/* Some rows, by their places in the table, and their hosts. */
typedef struct DispatchRows
{
	int count;
	Datum *rows;
	Datum *hosts;
} DispatchRows;

extern TimestampTz dispatch_lease_end(FunctionCallInfo fcinfo, int argument, TimestampTz now);
extern DispatchRows dispatch_rows_for(uint64 most);
extern void dispatch_rows_add(DispatchRows *rows, Datum row, Datum host);
extern Datum dispatch_rows_array(const DispatchRows *rows);
extern void dispatch_lease(DispatchClaim *claim, const DispatchRows *rows);

#endif
