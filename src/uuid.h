/*
 * uuid.h
 *	  Ids: made (UUID version 7) and read from text.
 */
#ifndef DISPATCH_UUID_H
#define DISPATCH_UUID_H

#include "postgres.h"

#include "utils/uuid.h"

extern void dispatch_uuid_make(pg_uuid_t *id);
extern bool dispatch_uuid_parse(const char *text, pg_uuid_t *id);

#endif
