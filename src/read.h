/*
 * read.h
 *	  What is read of dispatches and types.
 */
#ifndef DISPATCH_READ_H
#define DISPATCH_READ_H

#include "postgres.h"

#include "statement.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* What is done with each document of a set, which lives for the call only. */
typedef void (*DispatchReceiver)(void *state, const Jsonb *document);

extern pg_uuid_t dispatch_read_id(const char *ref);
extern Jsonb *dispatch_read_dispatch(const pg_uuid_t *id);
extern void dispatch_read_types(const pg_uuid_t *id, DispatchReceiver receive, void *state);
extern Jsonb *dispatch_read_type(const pg_uuid_t *id);
extern uint64 dispatch_read_events(DispatchStatement statement, const pg_uuid_t *id);
extern void dispatch_read_history(const pg_uuid_t *id, DispatchReceiver receive, void *state);

#endif
