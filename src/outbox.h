/*
 * outbox.h
 *	  Events, and the callbacks that leave with them.
 */
#ifndef DISPATCH_OUTBOX_H
#define DISPATCH_OUTBOX_H

#include "postgres.h"

#include "callback.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* What happened to a dispatch. */
typedef struct DispatchEvent
{
	const pg_uuid_t *dispatch_id;
	int64 sequence;
	TimestampTz at;
	const char *type;
	const Jsonb *data;
	const Jsonb *event_meta;          /* NULL: none */
	const DispatchCallback *callback; /* NULL: none */
	const text *ref;                  /* of the dispatch, for the callback; NULL: none */
} DispatchEvent;

extern int32 dispatch_origin(void);
extern void dispatch_record_event(const DispatchEvent *event);

#endif
