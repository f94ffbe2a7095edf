/*
 * type_cache.h
 *	  Compiled dispatch types, kept by the session.
 */
#ifndef DISPATCH_TYPE_CACHE_H
#define DISPATCH_TYPE_CACHE_H

#include "postgres.h"

#include "lifecycle.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"
#include "validator.h"

/* A type as it was when it was loaded. Immutable. */
typedef struct DispatchType
{
	pg_uuid_t id;
	char *name;
	int32 revision;
	Jsonb *attributes; /* as one document */
	Jsonb *defaults;   /* an object of all default values; NULL: none */
	DispatchLifecycle *lifecycle;
	DispatchProgram program;
} DispatchType;

extern void dispatch_type_cache_init(void);
extern const DispatchType *dispatch_type_by_id(const pg_uuid_t *id);
extern const DispatchType *dispatch_type_by_name(const char *name);

#endif
