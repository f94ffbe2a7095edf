/*
 * replay.h
 *	  Calls that are made again with the same request_id.
 */
#ifndef DISPATCH_REPLAY_H
#define DISPATCH_REPLAY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* A call with a request_id, and what it returned. */
typedef struct DispatchCall
{
	const char *operation;  /* the function that was called */
	const char *request_id; /* NULL: it cannot be made again */
	int64 digest;           /* of its arguments */
	pg_uuid_t dispatch_id;
	int64 version;
} DispatchCall;

extern void dispatch_check_request_id(const char *request_id);
extern bool dispatch_replay(DispatchCall *call);
extern bool dispatch_remember(const DispatchCall *call, TimestampTz at);

#endif
