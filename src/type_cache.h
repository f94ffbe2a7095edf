/*
 * type_cache.h
 *	  Compiled dispatch types, kept by the session.
 */
#ifndef DISPATCH_TYPE_CACHE_H
#define DISPATCH_TYPE_CACHE_H

#include "postgres.h"

#include "compiled_type.h"
#include "utils/palloc.h"
#include "utils/uuid.h"

/* The longest text that names a type and is remembered: an id. */
#define DISPATCH_TYPE_KEY_SIZE 36

/*
 * The use of one type at a time, by a place that asks again and again: what it
 * asked for last is found at once. It ends with a memory context.
 */
typedef struct DispatchTypeUse
{
	MemoryContextCallback at_end;
	struct CachedType *cached; /* NULL: none */
	int key_length;            /* of the text by which it was asked for; 0: none */
	char key[DISPATCH_TYPE_KEY_SIZE];
} DispatchTypeUse;

/* How much memory the cache may take, in kB: dispatch.type_cache_size. */
extern int dispatch_type_cache_size;

extern void dispatch_type_cache_init(void);
extern const DispatchType *dispatch_type_by_id(const pg_uuid_t *id);
extern const DispatchType *dispatch_type_by_name(const char *name);
extern void dispatch_type_use_begin(DispatchTypeUse *use, MemoryContext context);
extern const DispatchType *dispatch_type_use_id(DispatchTypeUse *use, const pg_uuid_t *id);
extern const DispatchType *dispatch_type_use_name(DispatchTypeUse *use, const text *name);

#endif
