/*
 * seal.c
 *	  The hash by which a row of dispatches shows that it was validated.
 *
 * A restore loads tables in any order, and a type may have got a required
 * attribute after a dispatch was made: a row whose seal fits is taken as it
 * is. The seal guards against accidents, not against the tables' owner, so 64
 * bits of a quick hash will do. It must be the same after a dump, on another
 * version, machine or encoding: it is taken over what the document says, with
 * strings in UTF-8 and numbers by their digits, never over bytes in memory.
 */
#include "postgres.h"

#include "seal.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "decimal.h"
#include "document.h"

/* Odd constants with well-mixed bits: 2^64 divided by the golden ratio, and by pi. */
#define SEAL_START UINT64CONST(0x9E3779B97F4A7C15)
#define SEAL_FACTOR UINT64CONST(0x517CC1B727220A95)

static uint64 seal_value(const DispatchValue *value);

static inline uint64
mix(uint64 hash, uint64 word)
{
	hash = (hash ^ word) * SEAL_FACTOR;
	return hash ^ (hash >> 29);
}

/*
 * Mixes bytes in, eight at a time, little-endian on every machine.
 */
static uint64
mix_bytes(uint64 hash, const char *data, int length)
{
	uint64 word;

	hash = mix(hash, length);
	while (length >= (int) sizeof(word))
	{
		memcpy(&word, data, sizeof(word));
#ifdef WORDS_BIGENDIAN
		word = pg_bswap64(word);
#endif
		hash = mix(hash, word);
		data += sizeof(word);
		length -= sizeof(word);
	}
	for (word = 0; length > 0; length--)
		word = (word << 8) | (unsigned char) data[length - 1];
	return mix(hash, word);
}

/*
 * Mixes a string in, as UTF-8; as it is, where the encoding is not known.
 */
static uint64
mix_string(uint64 hash, const char *data, int length)
{
	const char *utf8 = dispatch_utf8(data, &length);

	hash = mix_bytes(hash, utf8, length);
	if (utf8 != data)
		pfree((char *) utf8);
	return hash;
}

static uint64
mix_number(uint64 hash, Numeric number)
{
	DispatchDecimal decimal = dispatch_decimal(number);

	hash = mix(hash, decimal.negative ? 1 : 0);
	hash = mix(hash, (uint64) decimal.weight);
	hash = mix(hash, (uint64) decimal.scale);
	for (int i = 0; i < decimal.ndigits; i++)
		hash = mix(hash, (uint64) decimal.digits[i]);
	return hash;
}

/*
 * An object's members are summed up, so that their order does not count: jsonb
 * orders keys by bytes, which are others in another encoding.
 */
static uint64
seal_object(const JsonbContainer *container)
{
	DispatchWalk walk = dispatch_walk(container);
	DispatchKey key;
	DispatchValue value;
	uint64 sum = 0;

	while (dispatch_walk_member(&walk, &key, &value))
	{
		uint64 member = mix_string(SEAL_START, key.data, key.length);

		sum += mix(member, seal_value(&value));
	}
	return mix(sum, walk.count);
}

static uint64
seal_array(const JsonbContainer *container)
{
	DispatchWalk walk = dispatch_walk(container);
	DispatchValue value;
	uint64 hash = mix(SEAL_START, walk.count);

	while (dispatch_walk_element(&walk, &value))
		hash = mix(hash, seal_value(&value));
	return hash;
}

static uint64
seal_value(const DispatchValue *value)
{
	uint64 hash = mix(SEAL_START, value->kind);

	switch (value->kind)
	{
		case DISPATCH_NULL:
			break;
		case DISPATCH_STRING:
			hash = mix_string(hash, value->as.string, value->length);
			break;
		case DISPATCH_NUMBER:
			hash = mix_number(hash, value->as.number);
			break;
		case DISPATCH_BOOLEAN:
			hash = mix(hash, value->as.boolean ? 1 : 0);
			break;
		case DISPATCH_OBJECT:
			check_stack_depth();
			hash = mix(hash, seal_object(value->as.container));
			break;
		case DISPATCH_ARRAY:
			check_stack_depth();
			hash = mix(hash, seal_array(value->as.container));
			break;
	}
	return hash;
}

/*
 * The part of a row's seal that is over what was validated: its type, the
 * type's revision and its custom data. The seal is this part XOR the others, so
 * that a change of status need not look at the custom data.
 */
int64
dispatch_seal(const pg_uuid_t *type_id, int32 revision, const Jsonb *custom_data)
{
	DispatchValue root = dispatch_root(custom_data);
	uint64 hash = mix_bytes(SEAL_START, (const char *) type_id->data, UUID_LEN);

	hash = mix(hash, (uint64) revision);
	return (int64) mix(hash, seal_value(&root));
}

/*
 * The part over the status and what is derived from it, the time of
 * closing, NULL for an open dispatch.
 */
int64
dispatch_seal_status(const char *status, const TimestampTz *closed_at)
{
	uint64 hash = mix_string(SEAL_START, status, strlen(status));

	return (int64) mix(hash, closed_at != NULL ? (uint64) *closed_at : 0);
}

/*
 * The part that is over the slots: keys of custom data, which come with a row
 * that is restored. 0 where all of them are NULL.
 */
int64
dispatch_seal_slots(const Datum *slots, const bool *nulls, int count)
{
	uint64 hash = 0;

	for (int i = 0; i < count; i++)
		if (!nulls[i])
		{
			bytea *key = DatumGetByteaPP(slots[i]);

			hash = mix_bytes(mix(hash, i + 1), VARDATA_ANY(key), (int) VARSIZE_ANY_EXHDR(key));
		}
	return (int64) hash;
}

/*
 * A hash of bytes, the same on every machine.
 */
uint64
dispatch_hash(const char *data, int length)
{
	return mix_bytes(SEAL_START, data, length);
}

/*
 * A hash of what any document says.
 */
int64
dispatch_digest(const Jsonb *document)
{
	DispatchValue root = dispatch_root(document);

	return (int64) seal_value(&root);
}

/*
 * The part over slots that are given as an array.
 */
static int64
seal_slot_array(ArrayType *array)
{
	Datum *slots;
	bool *nulls;
	int count;

	deconstruct_array(array, BYTEAOID, -1, false, TYPALIGN_INT, &slots, &nulls, &count);
	return dispatch_seal_slots(slots, nulls, count);
}

PG_FUNCTION_INFO_V1(dispatch_is_sealed);

/*
 * is_sealed(type_id uuid, type_revision integer, custom_data jsonb, status
 * text, closed_at timestamptz, seal bigint, slots bytea[]) → boolean: false
 * without a seal. NULL for slots: there are none.
 */
Datum
dispatch_is_sealed(PG_FUNCTION_ARGS)
{
	TimestampTz closed_at = PG_ARGISNULL(4) ? 0 : PG_GETARG_TIMESTAMPTZ(4);
	int64 seal;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(3) || PG_ARGISNULL(5))
		PG_RETURN_BOOL(false);
	seal = dispatch_seal(PG_GETARG_UUID_P(0), PG_GETARG_INT32(1), PG_GETARG_JSONB_P(2));
	seal ^= dispatch_seal_status(text_to_cstring(PG_GETARG_TEXT_PP(3)),
								 PG_ARGISNULL(4) ? NULL : &closed_at);
	if (!PG_ARGISNULL(6))
		seal ^= seal_slot_array(PG_GETARG_ARRAYTYPE_P(6));
	PG_RETURN_BOOL(seal == PG_GETARG_INT64(5));
}
