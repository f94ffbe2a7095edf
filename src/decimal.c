/*
 * decimal.c
 *	  Reads numerics where they lie, without a copy and without fmgr.
 *
 * The layout is the one that PostgreSQL keeps on disk (utils/adt/numeric.c):
 * a header of two or four bytes, then digits of base 10000. NaN and the
 * infinities cannot occur in jsonb.
 */
#include "postgres.h"

#include "decimal.h"

#include "compat.h"

#define HEADER_SHORT 0x8000
#define HEADER_LONG_NEGATIVE 0x4000
#define HEADER_LONG_SCALE 0x3FFF
#define HEADER_SHORT_NEGATIVE 0x2000
#define HEADER_SHORT_SCALE 0x1F80
#define HEADER_SHORT_SCALE_SHIFT 7
#define HEADER_SHORT_WEIGHT_SIGN 0x0040
#define HEADER_SHORT_WEIGHT 0x003F
#define DECIMAL_BASE 10000

/*
 * The view of a numeric; its digits stay where they are.
 */
DispatchDecimal
dispatch_decimal(Numeric numeric)
{
	DispatchDecimal decimal;
	const char *data = VARDATA_ANY(numeric);
	int size = VARSIZE_ANY_EXHDR(numeric);
	uint16 header;

	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	if (header & HEADER_SHORT)
	{
		decimal.negative = (header & HEADER_SHORT_NEGATIVE) != 0;
		decimal.scale = (header & HEADER_SHORT_SCALE) >> HEADER_SHORT_SCALE_SHIFT;
		decimal.weight = header & HEADER_SHORT_WEIGHT;
		if (header & HEADER_SHORT_WEIGHT_SIGN)
			decimal.weight -= HEADER_SHORT_WEIGHT + 1;
	}
	else
	{
		int16 weight;

		memcpy(&weight, data, sizeof(weight));
		data += sizeof(weight);
		size -= sizeof(weight);
		decimal.negative = (header & HEADER_LONG_NEGATIVE) != 0;
		decimal.scale = header & HEADER_LONG_SCALE;
		decimal.weight = weight;
	}
	decimal.ndigits = size / (int) sizeof(int16);
	decimal.digits = (const int16 *) data;
	return decimal;
}

/*
 * Compares two absolute values: < 0, 0, > 0.
 */
static int
compare_absolute(const DispatchDecimal *a, const DispatchDecimal *b)
{
	int shared = Min(a->ndigits, b->ndigits);

	if (a->ndigits == 0 || b->ndigits == 0)
		return (a->ndigits > 0) - (b->ndigits > 0);
	if (a->weight != b->weight)
		return a->weight < b->weight ? -1 : 1;
	for (int i = 0; i < shared; i++)
		if (a->digits[i] != b->digits[i])
			return a->digits[i] < b->digits[i] ? -1 : 1;
	return (a->ndigits > b->ndigits) - (a->ndigits < b->ndigits);
}

/*
 * Compares two values exactly, whatever their scale: < 0, 0, > 0.
 */
int
dispatch_decimal_compare(const DispatchDecimal *a, const DispatchDecimal *b)
{
	bool a_negative = a->negative && a->ndigits > 0;
	bool b_negative = b->negative && b->ndigits > 0;

	if (a_negative != b_negative)
		return a_negative ? -1 : 1;
	return a_negative ? compare_absolute(b, a) : compare_absolute(a, b);
}

/*
 * Whether a value is a whole number, not negative. Sets *whole to it, or to
 * PG_INT64_MAX where it is larger than that.
 */
bool
dispatch_decimal_whole(const DispatchDecimal *decimal, int64 *whole)
{
	*whole = 0;
	if (decimal->ndigits == 0)
		return true;
	if (decimal->negative || decimal->ndigits > decimal->weight + 1)
		return false;
	for (int i = 0; i <= decimal->weight; i++)
	{
		int digit = i < decimal->ndigits ? decimal->digits[i] : 0;

		if (*whole > (PG_INT64_MAX - digit) / DECIMAL_BASE)
		{
			*whole = PG_INT64_MAX;
			return true;
		}
		*whole = *whole * DECIMAL_BASE + digit;
	}
	return true;
}
