/*
 * attribute.h
 *	  Attribute definitions: from JSON, checked, ready to validate by.
 */
#ifndef DISPATCH_ATTRIBUTE_H
#define DISPATCH_ATTRIBUTE_H

#include "postgres.h"

#include "decimal.h"
#include "document.h"
#include "pattern.h"

/* Attributes of one type that may be indexed: so many slots a dispatch has. */
#define DISPATCH_MAX_INDEXED 8

/* One attribute. What it points to lives in the definition's document. */
typedef struct DispatchAttribute
{
	DispatchKey name;
	DispatchKind kind;
	int slot; /* the column slotN of dispatches that holds its values; 0: it is not indexed */
	bool required;
	bool has_min;
	bool has_max;
	bool has_default;
	DispatchValue min_value; /* of a range, as defined */
	DispatchValue max_value;
	DispatchDecimal min;
	DispatchDecimal max;
	int64 min_length; /* of a string's range, in characters */
	int64 max_length;
	DispatchPattern *pattern; /* NULL: none */
	DispatchKey pattern_source;
	int nvalues; /* of valueOneOf; 0: none */
	DispatchValue *values;
	DispatchValue default_value;
} DispatchAttribute;

extern DispatchAttribute *dispatch_attributes_parse(const Jsonb *document, int *count);

#endif
