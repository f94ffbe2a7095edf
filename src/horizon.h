/*
 * horizon.h
 *	  How far back a look for callbacks that are due must go.
 */
#ifndef DISPATCH_HORIZON_H
#define DISPATCH_HORIZON_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* A look for what falls due from one time to another, both included. */
typedef struct DispatchLook
{
	TimestampTz since; /* DT_NOBEGIN: from the start */
	TimestampTz until;
	TimestampTz last;     /* of those found, which come in the order of their times */
	bool exhausted;       /* none was left */
	uint64 found;         /* how many */
	TimestampTz now;      /* when it began */
	TimestampTz complete; /* all that will ever lie before this could be seen */
	int64 blocks;         /* how many blocks had been touched when it began */
} DispatchLook;

extern void dispatch_horizon_forget(void);
extern void dispatch_look_begin(DispatchLook *look, TimestampTz now);
extern bool dispatch_look_again(DispatchLook *look);
extern void dispatch_look_end(const DispatchLook *look);
extern TimestampTz dispatch_due_time(void);

#endif
