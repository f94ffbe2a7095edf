/*
 * filter.h
 *	  What a search asks of the indexed attributes of a type.
 */
#ifndef DISPATCH_FILTER_H
#define DISPATCH_FILTER_H

#include "postgres.h"

#include "attribute.h"
#include "compiled_type.h"
#include "slot.h"
#include "utils/jsonb.h"

/* What is asked of one attribute: its keys lie in a range. */
typedef struct DispatchCondition
{
	int slot; /* from 0 */
	bool one; /* the range is that of one value */
	DispatchSlotRange range;
} DispatchCondition;

typedef struct DispatchFilter
{
	int count;
	DispatchCondition conditions[DISPATCH_MAX_INDEXED];
	bool nothing; /* no value fits */
	bool inexact; /* what the ranges find is to be compared with the filter itself */
} DispatchFilter;

extern void dispatch_filter_parse(const DispatchType *type, const Jsonb *document,
								  DispatchFilter *filter);

#endif
