/*
 * slot.c
 *	  The values of indexed attributes as keys that sort as the values do.
 *
 * A key is what a column slotN of a dispatch holds, a bytea, which PostgreSQL
 * compares byte by byte:
 *
 *	type	8 bytes, the random ones of the type's id: each type has a stretch
 *			of the index to itself
 *	kind	1 byte
 *	value	nothing of null, false, true and zero; a string as UTF-8, which
 *			sorts by code points; a number as its exponent of 10000 and its
 *			digits of base 10000, two bytes each, so that 1 is 1.0. All bits of
 *			a negative number are inverted, and what ends it is above any digit.
 *	hash	8 bytes, only of a value that is cut, over the whole of it: for
 *			equality. By the length one sees that a value was cut.
 *
 * It is the same on every machine and in every encoding, as it must be after a
 * dump.
 */
#include "postgres.h"

#include "slot.h"

#include "compat.h"
#include "decimal.h"
#include "seal.h"

#define TYPE_SIZE 8
#define HASH_SIZE 8

/* Above each digit of a negative number, which is at most 0xFFFE. */
#define END_OF_NEGATIVE 0xFFFF

/* The kinds in the order of keys, with room for what lies between them. */
enum
{
	KEY_NULL = 0x10,
	KEY_FALSE = 0x20,
	KEY_TRUE = 0x21,
	KEY_NEGATIVE = 0x30,
	KEY_ZERO = 0x31,
	KEY_POSITIVE = 0x32,
	KEY_STRING = 0x40
};

/* A key that is being written: its kind and value, of which it keeps what is not cut. */
typedef struct KeyWriter
{
	unsigned char data[DISPATCH_SLOT_WHOLE];
	int length;  /* of data */
	bool cut;    /* there was more */
	uint64 hash; /* of all of it, where it was cut */
} KeyWriter;

/*
 * Writes the kind and bytes, all at once.
 */
static void
write_bytes(KeyWriter *writer, unsigned char kind, const char *bytes, int length)
{
	writer->data[0] = kind;
	writer->cut = length > DISPATCH_SLOT_WHOLE - 1;
	writer->length = 1 + Min(length, DISPATCH_SLOT_WHOLE - 1);
	memcpy(writer->data + 1, bytes, writer->length - 1);
	if (writer->cut)
		writer->hash = dispatch_hash(bytes, length);
}

static void
write_string(KeyWriter *writer, const DispatchValue *value)
{
	int length = value->length;
	const char *utf8 = dispatch_utf8(value->as.string, &length);

	write_bytes(writer, KEY_STRING, utf8, length);
	if (utf8 != value->as.string)
		pfree((char *) utf8);
}

/*
 * Puts a word of two bytes, most significant first; returns where the next goes.
 */
static char *
put_word(char *at, uint16 word)
{
	*at++ = (char) (word >> 8);
	*at++ = (char) (word & 0xFF);
	return at;
}

static void
write_number(KeyWriter *writer, Numeric number)
{
	DispatchDecimal decimal = dispatch_decimal(number);
	uint16 inverted = decimal.negative ? 0xFFFF : 0;
	char *bytes;
	char *at;

	if (decimal.ndigits == 0)
	{
		write_bytes(writer, KEY_ZERO, "", 0);
		return;
	}
	bytes = at = palloc(sizeof(uint16) * (decimal.ndigits + 2));
	at = put_word(at, (uint16) (decimal.weight + 0x8000) ^ inverted);
	/* By one more, so that the end of a negative number is above each digit. */
	for (int i = 0; i < decimal.ndigits; i++)
		at = put_word(at, (uint16) (decimal.digits[i] + 1) ^ inverted);
	if (decimal.negative)
		at = put_word(at, END_OF_NEGATIVE);
	write_bytes(writer, decimal.negative ? KEY_NEGATIVE : KEY_POSITIVE, bytes, (int) (at - bytes));
	pfree(bytes);
}

/*
 * Writes the key of a value; false of an object or array, which has none.
 */
static bool
write_value(KeyWriter *writer, const DispatchValue *value)
{
	switch (value->kind)
	{
		case DISPATCH_NULL:
			write_bytes(writer, KEY_NULL, "", 0);
			return true;
		case DISPATCH_BOOLEAN:
			write_bytes(writer, value->as.boolean ? KEY_TRUE : KEY_FALSE, "", 0);
			return true;
		case DISPATCH_NUMBER:
			write_number(writer, value->as.number);
			return true;
		case DISPATCH_STRING:
			write_string(writer, value);
			return true;
		case DISPATCH_OBJECT:
		case DISPATCH_ARRAY:
			break;
	}
	return false;
}

/*
 * A key of a type: bytes of a value, and bytes that follow them.
 */
static bytea *
make_key(const pg_uuid_t *type_id, const void *value, int length, const void *tail, int tail_length)
{
	int size = VARHDRSZ + TYPE_SIZE + length + tail_length;
	bytea *key = palloc(size);

	SET_VARSIZE(key, size);
	memcpy(VARDATA(key), type_id->data + UUID_LEN - TYPE_SIZE, TYPE_SIZE);
	memcpy(VARDATA(key) + TYPE_SIZE, value, length);
	memcpy(VARDATA(key) + TYPE_SIZE + length, tail, tail_length);
	return key;
}

/*
 * The key of what was written, or the next key, which is the same with a zero behind it.
 */
static bytea *
written_key(const pg_uuid_t *type_id, const KeyWriter *writer, bool next)
{
	char tail[HASH_SIZE + 1];
	char *at = tail;

	if (writer->cut)
		for (int shift = 56; shift >= 0; shift -= 8)
			*at++ = (char) (writer->hash >> shift);
	if (next)
		*at++ = 0;
	return make_key(type_id, writer->data, writer->length, tail, (int) (at - tail));
}

/*
 * Where the keys of all values begin, or end, that begin as a cut one does.
 */
static bytea *
cut_key(const pg_uuid_t *type_id, const KeyWriter *writer, bool end)
{
	char above[HASH_SIZE + 1];

	memset(above, 0xFF, sizeof(above));
	return make_key(type_id, writer->data, writer->length, above, end ? sizeof(above) : 0);
}

static bytea *
kind_key(const pg_uuid_t *type_id, unsigned char kind)
{
	return make_key(type_id, &kind, sizeof(kind), "", 0);
}

/*
 * The key of a value of a dispatch type, allocated in the current context; NULL
 * of an object or array.
 */
bytea *
dispatch_slot_key(const pg_uuid_t *type_id, const DispatchValue *value)
{
	KeyWriter writer;

	return write_value(&writer, value) ? written_key(type_id, &writer, false) : NULL;
}

/*
 * The keys of the values that compare so with a value: any scalar for
 * DISPATCH_EQUAL, else a string or number, with those of its kind.
 */
DispatchSlotRange
dispatch_slot_range(const pg_uuid_t *type_id, DispatchComparison comparison,
					const DispatchValue *value)
{
	bool string = value->kind == DISPATCH_STRING;
	DispatchSlotRange range;
	KeyWriter writer;
	bytea *begin;
	bytea *end;

	if (!write_value(&writer, value))
		elog(ERROR, "a value of type %s has no key", dispatch_kind_name(value->kind));
	range.inexact = writer.cut;
	range.first = kind_key(type_id, string ? KEY_STRING : KEY_NEGATIVE);
	range.last = kind_key(type_id, string ? KEY_STRING + 1 : KEY_POSITIVE + 1);
	if (writer.cut && comparison != DISPATCH_EQUAL)
	{
		begin = cut_key(type_id, &writer, false);
		end = cut_key(type_id, &writer, true);
	}
	else
	{
		begin = written_key(type_id, &writer, false);
		end = written_key(type_id, &writer, true);
	}
	if (comparison == DISPATCH_EQUAL || comparison == DISPATCH_GREATER_EQUAL)
		range.first = begin;
	if (comparison == DISPATCH_GREATER)
		range.first = writer.cut ? begin : end;
	if (comparison == DISPATCH_EQUAL || comparison == DISPATCH_LESS_EQUAL)
		range.last = end;
	if (comparison == DISPATCH_LESS)
		range.last = writer.cut ? end : begin;
	return range;
}

/*
 * How two strings compare, by their code points.
 */
static int
compare_strings(const DispatchValue *a, const DispatchValue *b)
{
	int length_a = a->length;
	int length_b = b->length;
	const char *utf8_a = dispatch_utf8(a->as.string, &length_a);
	const char *utf8_b = dispatch_utf8(b->as.string, &length_b);
	int order = memcmp(utf8_a, utf8_b, Min(length_a, length_b));

	return order != 0 ? order : length_a - length_b;
}

/*
 * Whether a value compares so with another one; never with one of another kind.
 */
bool
dispatch_slot_compare(const DispatchValue *value, DispatchComparison comparison,
					  const DispatchValue *with)
{
	int order;

	if (comparison == DISPATCH_EQUAL)
		return dispatch_value_equal(value, with);
	if (value->kind != with->kind)
		return false;
	if (value->kind == DISPATCH_NUMBER)
	{
		DispatchDecimal a = dispatch_decimal(value->as.number);
		DispatchDecimal b = dispatch_decimal(with->as.number);

		order = dispatch_decimal_compare(&a, &b);
	}
	else
		order = compare_strings(value, with);
	switch (comparison)
	{
		case DISPATCH_GREATER:
			return order > 0;
		case DISPATCH_GREATER_EQUAL:
			return order >= 0;
		case DISPATCH_LESS:
			return order < 0;
		case DISPATCH_LESS_EQUAL:
			return order <= 0;
		case DISPATCH_EQUAL:
			break;
	}
	return order == 0;
}
