/*
 * compiled_type.h
 *	  A dispatch type as sessions use it: read from its row, ready to validate by.
 */
#ifndef DISPATCH_COMPILED_TYPE_H
#define DISPATCH_COMPILED_TYPE_H

#include "postgres.h"

#include "lifecycle.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"
#include "validator.h"

/* A type as it was when it was loaded. Immutable. */
typedef struct DispatchType
{
	MemoryContext context; /* holds all of it, and nothing else */
	pg_uuid_t id;
	char *name;
	int32 revision;
	Jsonb *attributes; /* as one document */
	Jsonb *defaults;   /* an object of all default values; NULL: none */
	DispatchLifecycle *lifecycle;
	DispatchProgram program;
	const DispatchAttribute *slots[DISPATCH_MAX_INDEXED]; /* by their slots from 1; NULL: none */
} DispatchType;

/* The columns of dispatch.types that a type is made of. */
typedef enum DispatchTypeColumn
{
	DISPATCH_TYPE_ID = 1,
	DISPATCH_TYPE_NAME,
	DISPATCH_TYPE_LIFECYCLE,
	DISPATCH_TYPE_ADDITIONAL_ATTRIBUTES,
	DISPATCH_TYPE_ATTRIBUTES,
	DISPATCH_TYPE_REVISION
} DispatchTypeColumn;

extern DispatchType *dispatch_type_load(Oid types_relid, DispatchTypeColumn column, Datum key);

#endif
