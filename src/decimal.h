/*
 * decimal.h
 *	  A read-only view of a numeric, as it lies in a jsonb document.
 */
#ifndef DISPATCH_DECIMAL_H
#define DISPATCH_DECIMAL_H

#include "postgres.h"

#include "utils/numeric.h"

/*
 * value = (-1)^negative * sum of digits[i] * 10000^(weight - i); no leading or
 * trailing zero digits, so zero has none. The digits stay in the numeric.
 */
typedef struct DispatchDecimal
{
	bool negative;
	int weight;
	int scale; /* digits after the point to display */
	int ndigits;
	const int16 *digits;
} DispatchDecimal;

extern DispatchDecimal dispatch_decimal(Numeric numeric);
extern int dispatch_decimal_compare(const DispatchDecimal *a, const DispatchDecimal *b);
extern bool dispatch_decimal_whole(const DispatchDecimal *decimal, int64 *whole);

#endif
