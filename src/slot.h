/*
 * slot.h
 *	  The values of indexed attributes as keys that sort as the values do.
 */
#ifndef DISPATCH_SLOT_H
#define DISPATCH_SLOT_H

#include "postgres.h"

#include "document.h"
#include "utils/uuid.h"

/* The longest value that a key holds whole, in bytes of the key; of a longer one it holds so many. */
#define DISPATCH_SLOT_WHOLE 255

/* A stretch of keys: from the first one, up to the last one, which is not in it. */
typedef struct DispatchSlotRange
{
	bytea *first;
	bytea *last;
	bool inexact; /* keys in it may be of values that are not: each is to be compared */
} DispatchSlotRange;

/* How values are compared with the one that is given. */
typedef enum DispatchComparison
{
	DISPATCH_EQUAL,
	DISPATCH_GREATER,
	DISPATCH_GREATER_EQUAL,
	DISPATCH_LESS,
	DISPATCH_LESS_EQUAL
} DispatchComparison;

extern bytea *dispatch_slot_key(const pg_uuid_t *type_id, const DispatchValue *value);
extern DispatchSlotRange dispatch_slot_range(const pg_uuid_t *type_id,
											 DispatchComparison comparison,
											 const DispatchValue *value);
extern bool dispatch_slot_compare(const DispatchValue *value, DispatchComparison comparison,
								  const DispatchValue *with);

#endif
