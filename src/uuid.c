/*
 * uuid.c
 *	  Ids: made (UUID version 7, RFC 9562) and read from text.
 *
 * Random ids would cost 10 % of the rate and twice the WAL: each would touch
 * an index page of its own.
 */
#include "postgres.h"

#include "uuid.h"

#include <time.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"

#define TEXT_LENGTH 36
#define NANOSECONDS_PER_MS 1000000

/* Ids whose randomness is got at a time: each time costs 2 microseconds, a hundredth of a create. */
#define PORTION 64
#define RANDOM_LENGTH (UUID_LEN - 8)

/* The clock reading of the last id of this backend, in 1/4096 ms. */
static uint64 last_tick = 0;

/*
 * Puts random bytes, which nobody can foretell, into the second half of an id.
 */
static void
make_random(pg_uuid_t *id)
{
	static unsigned char portion[PORTION][RANDOM_LENGTH];
	static int left = 0;

	if (left == 0)
	{
		if (!pg_strong_random(portion, sizeof(portion)))
			ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not make a random id")));
		left = PORTION;
	}
	memcpy(&id->data[UUID_LEN - RANDOM_LENGTH], portion[--left], RANDOM_LENGTH);
}

/*
 * Makes an id: 48 bits of milliseconds since 1970, 12 bits of fraction (RFC
 * 9562, section 6.2, method 3), which never goes back in a backend, then 62
 * bits at random. XX000 when there is no randomness to be had.
 */
void
dispatch_uuid_make(pg_uuid_t *id)
{
	struct timespec now;
	uint64 tick;

	make_random(id);
	clock_gettime(CLOCK_REALTIME, &now);
	tick = ((uint64) now.tv_sec * 1000 + now.tv_nsec / NANOSECONDS_PER_MS) << 12;
	tick |= ((uint64) (now.tv_nsec % NANOSECONDS_PER_MS) << 12) / NANOSECONDS_PER_MS;
	last_tick = tick = Max(tick, last_tick + 1);
	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (tick >> (52 - 8 * i));
	id->data[6] = 0x70 | ((tick >> 8) & 0x0F);
	id->data[7] = tick & 0xFF;
	id->data[8] = 0x80 | (id->data[8] & 0x3F);
}

/*
 * An id before all those that are made from a moment on, and after those that were made
 * before it, give or take a millisecond.
 */
void
dispatch_uuid_first(pg_uuid_t *id, TimestampTz at)
{
	int64 days = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;
	uint64 milliseconds = Max(0, at / 1000 + days * SECS_PER_DAY * 1000);

	memset(id, 0, sizeof(*id));
	for (int i = 0; i < 6; i++)
		id->data[i] = (unsigned char) (milliseconds >> (40 - 8 * i));
}

/*
 * Makes an id the next one in their order; false of the last one.
 */
bool
dispatch_uuid_next(pg_uuid_t *id)
{
	for (int i = UUID_LEN - 1; i >= 0; i--)
		if (++id->data[i] != 0)
			return true;
	return false;
}

/*
 * Compares two ids, or what begins with one, as qsort() asks for it.
 */
int
dispatch_uuid_compare(const void *a, const void *b)
{
	return memcmp(a, b, UUID_LEN);
}

/*
 * Reads an id in its canonical form; false when the text is none.
 */
bool
dispatch_uuid_parse(const char *text, pg_uuid_t *id)
{
	if (strlen(text) != TEXT_LENGTH)
		return false;
	for (int i = 0; i < TEXT_LENGTH; i++)
	{
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;

		if (hyphen ? text[i] != '-' : !isxdigit((unsigned char) text[i]))
			return false;
	}
	*id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	return true;
}

PG_FUNCTION_INFO_V1(dispatch_uuidv7);

/*
 * uuidv7() → uuid
 */
Datum
dispatch_uuidv7(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	dispatch_uuid_make(id);
	PG_RETURN_UUID_P(id);
}
