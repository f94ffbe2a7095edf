/*
 * seal.h
 *	  The hash by which a row of dispatches shows that it was validated.
 */
#ifndef DISPATCH_SEAL_H
#define DISPATCH_SEAL_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

extern int64 dispatch_seal(const pg_uuid_t *type_id, int32 revision, const Jsonb *custom_data);
extern int64 dispatch_seal_slots(const Datum *slots, const bool *nulls, int count);
extern uint64 dispatch_hash(const char *data, int length);
extern int64 dispatch_digest(const Jsonb *document);
extern int64 dispatch_seal_status(const char *status, const TimestampTz *closed_at);

#endif
