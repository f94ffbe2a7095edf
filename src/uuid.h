/*
 * uuid.h
 *	  Ids: made (UUID version 7) and read from text.
 */
#ifndef DISPATCH_UUID_H
#define DISPATCH_UUID_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/uuid.h"

extern void dispatch_uuid_make(pg_uuid_t *id);
extern void dispatch_uuid_first(pg_uuid_t *id, TimestampTz at);
extern int dispatch_uuid_compare(const void *a, const void *b);
extern bool dispatch_uuid_next(pg_uuid_t *id);
extern bool dispatch_uuid_parse(const char *text, pg_uuid_t *id);

#endif
