/*
 * payload.h
 *	  The body that a callback posts.
 */
#ifndef DISPATCH_PAYLOAD_H
#define DISPATCH_PAYLOAD_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* What an event's body is made of; none of it ever changes. */
typedef struct DispatchPayload
{
	const pg_uuid_t *dispatch_id;
	const char *dispatch_ref; /* NULL: none */
	int64 sequence;
	const char *type;
	TimestampTz at;
	Jsonb *data;
	Jsonb *event_meta; /* NULL: none */
} DispatchPayload;

extern text *dispatch_payload_text(const DispatchPayload *payload);

#endif
