/*
 * confirm.h
 *	  Members that wait for an answer: confirmed or rejected by it.
 */
#ifndef DISPATCH_CONFIRM_H
#define DISPATCH_CONFIRM_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

extern int dispatch_confirm_reject_pending(const pg_uuid_t *dispatch_id, int64 sequence,
										   TimestampTz at);
extern void dispatch_confirm_apply(int32 origin, TimestampTz now);

#endif
