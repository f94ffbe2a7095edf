/*
 * type.h
 *	  The operations on dispatch types.
 */
#ifndef DISPATCH_TYPE_H
#define DISPATCH_TYPE_H

#include "postgres.h"

#include "type_cache.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

extern pg_uuid_t dispatch_type_create(const char *name, const Jsonb *lifecycle, bool additional,
									  const Jsonb *event_meta);
extern int32 dispatch_type_add_attributes(const pg_uuid_t *id, const Jsonb *attributes,
										  const Jsonb *event_meta);
extern Jsonb *dispatch_type_attributes(const DispatchType *type);

#endif
