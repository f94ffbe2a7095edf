/*
 * host.c
 *	  What is known of hosts: how many more callbacks may be leased, and whether
 *	  they answer.
 *
 * Of one host at most dispatch.host_in_flight callbacks are leased at a time, so
 * that a slow one cannot take all that the listeners can carry. One that is paused has
 * no room at all, nor has one that failed dispatch.host_failures times in a row, until its next
 * try is due: then there is room for one. Those beyond it
 * must not lie in the way of others: a claim that meets them sets them aside
 * (their next_at is infinity, so that no look comes by again) and notes their
 * host in host_states. Claims take them from there as room is made.
 */
#include "postgres.h"

#include "host.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "finish.h"
#include "statement.h"

/* What is known of so many hosts is kept from claim to claim. */
#define HOSTS_KEPT 4096

/* A claim whose transaction is open for longer than this may escape the count of another. */
#define LONGEST_CLAIM (USECS_PER_SEC / 10)

/* The kinds of our locks: who sets callbacks aside, and who changes what operators may change. */
#define LOCK_ASIDE 4
#define LOCK_OPERATOR 5

/* Of so many hosts at most one claim sets callbacks aside: all sessions share the table of locks. */
#define MOST_GUARDS 1000

/* Hosts share the second kind by their hash, so that outcomes of many hosts take few locks. */
#define OPERATOR_LOCKS 64

int dispatch_host_in_flight = 1000;
int dispatch_host_failures = 20;

/* What a session knows of a host. */
typedef struct Host
{
	uint64 key;
	uint64 claim;             /* the claim in which it was measured last */
	uint64 guarded;           /* the claim that had the right to set aside last */
	int room;                 /* how many more may be leased in that claim */
	TimestampTz leased_since; /* of what is leased nothing was leased before */
	pg_uuid_t bookmark;
} Host;

static HTAB *hosts = NULL;
static bool forgotten = false;
static uint64 claims = 0;
static int guards = 0; /* that this claim has taken */

/*
 * What was known may be true no more. It is still in use, perhaps.
 */
void
dispatch_hosts_forget(void)
{
	forgotten = true;
}

/*
 * Begins a claim: no host is measured.
 */
void
dispatch_hosts_begin(void)
{
	HASHCTL control = { 0 };

	claims++;
	guards = 0;
	if (hosts != NULL && !forgotten && hash_get_num_entries(hosts) <= HOSTS_KEPT)
		return;
	hash_destroy(hosts);
	control.keysize = sizeof(uint64);
	control.entrysize = sizeof(Host);
	hosts = hash_create("dispatch hosts", 64, &control, HASH_ELEM | HASH_BLOBS);
	forgotten = false;
}

static uint64
hash_name(Datum name, uint64 seed)
{
	text *value = DatumGetTextPP(name);

	return DatumGetUInt64(
		hash_any_extended((unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), seed));
}

/*
 * What is known of a host, which lives as long as the claim. The hash that it is
 * known by is another one in each session, so that nobody can make two share it.
 */
static Host *
find(Datum name)
{
	uint64 key = hash_name(name, (uint64) MyStartTimestamp ^ (uint64) MyProcPid << 48);
	bool found;
	Host *host = hash_search(hosts, &key, HASH_ENTER, &found);

	if (!found)
	{
		host->claim = 0;
		host->guarded = 0;
		host->room = 0;
		host->leased_since = DT_NOBEGIN;
		memset(&host->bookmark, 0, UUID_LEN);
	}
	return host;
}

/*
 * Counts what is leased of hosts, each with its name.
 */
static void
count_leased(Host **counted, Datum *names, int count, TimestampTz now)
{
	Datum *since = palloc(count * sizeof(Datum));
	Datum values[4];
	uint64 rows;

	for (int i = 0; i < count; i++)
		since[i] = TimestampTzGetDatum(counted[i]->leased_since);
	values[0] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = PointerGetDatum(construct_array(since, count, TIMESTAMPTZOID, sizeof(TimestampTz),
												SIZEOF_DATUM >= 8, TYPALIGN_DOUBLE));
	values[2] = TimestampTzGetDatum(now);
	values[3] = Int64GetDatum(dispatch_host_in_flight);
	rows = dispatch_execute(DISPATCH_COUNT_LEASED, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		bool isnull;
		bool never_null;
		Host *host = counted[DatumGetInt64(dispatch_result(row, 1, &isnull)) - 1];
		int leased = (int) DatumGetInt64(dispatch_result(row, 2, &isnull));
		Datum oldest = dispatch_result(row, 3, &isnull);

		host->room = (int) DatumGetInt64(dispatch_result(row, 4, &never_null)) - leased;
		host->leased_since = (isnull ? now : DatumGetTimestampTz(oldest)) - LONGEST_CLAIM;
	}
}

/*
 * Finds out how many more callbacks of hosts may be leased in this claim. To be
 * called between SPI_connect() and SPI_finish(). What others claim in the same
 * moment is not seen: together they may exceed the limit.
 */
void
dispatch_hosts_measure(Datum *names, int count, TimestampTz now)
{
	Host **unknown = palloc(count * sizeof(Host *));
	Datum *unknown_names = palloc(count * sizeof(Datum));
	int unknown_count = 0;

	for (int i = 0; i < count; i++)
	{
		Host *host = find(names[i]);

		if (host->claim == claims)
			continue;
		host->claim = claims;
		unknown_names[unknown_count] = names[i];
		unknown[unknown_count++] = host;
	}
	if (unknown_count > 0)
		count_leased(unknown, unknown_names, unknown_count, now);
}

/*
 * How many more callbacks of a host that was measured may be leased.
 */
int
dispatch_host_room(Datum name)
{
	return find(name)->room;
}

/*
 * Takes room for one of them, if there is any.
 */
bool
dispatch_host_take_room(Datum name)
{
	Host *host = find(name);

	return host->room > 0 && host->room-- > 0;
}

/*
 * Takes a lock of a host until the transaction ends, as that of signal.c out of
 * reach of the advisory functions. False when another has it and we do not wait.
 */
static bool
lock_host(uint64 key, uint16 kind, LOCKMODE mode, bool wait)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key, kind);
	return LockAcquire(&tag, mode, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Takes the right to set callbacks of a host aside and to take them from there,
 * until the transaction ends. False when another claim has it, or an operator:
 * nobody waits; or when this claim has that of many.
 */
bool
dispatch_host_guard(Datum name)
{
	Host *host = find(name);

	if (host->guarded == claims)
		return true;
	if (guards >= MOST_GUARDS || !lock_host(hash_name(name, 0), LOCK_ASIDE, ExclusiveLock, false))
		return false;
	guards++;
	host->guarded = claims;
	return true;
}

/*
 * Takes the right to note whether a host answers, until the transaction ends.
 * False when an operator has it: nobody waits.
 */
static bool
may_note(Datum name)
{
	return lock_host(hash_name(name, 0) % OPERATOR_LOCKS, LOCK_OPERATOR, ShareLock, false);
}

/*
 * Takes both rights for an operator, before what is known of a host is changed:
 * waits for claims and outcomes, which are short, while these do not wait for
 * operators, who may leave their transactions open.
 */
void
dispatch_host_hold(Datum name)
{
	uint64 key = hash_name(name, 0);

	(void) lock_host(key % OPERATOR_LOCKS, LOCK_OPERATOR, ExclusiveLock, true);
	(void) lock_host(key, LOCK_ASIDE, ExclusiveLock, true);
}

/*
 * Notes which hosts answered and which failed: so often in a row, 0 for those
 * that answered. What is not to be noted now since an operator has the host is
 * not: the next outcome tells it again. To be called between SPI_connect() and
 * SPI_finish().
 */
void
dispatch_hosts_note(const Datum *names, const Datum *failures, int count, TimestampTz now)
{
	Datum *noted_names = palloc(count * sizeof(Datum));
	Datum *noted_failures = palloc(count * sizeof(Datum));
	Datum values[6];
	int noted = 0;

	for (int i = 0; i < count; i++)
	{
		if (!may_note(names[i]))
			continue;
		noted_names[noted] = names[i];
		noted_failures[noted++] = failures[i];
	}
	if (noted == 0)
		return;
	values[0] =
		PointerGetDatum(construct_array(noted_names, noted, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = PointerGetDatum(
		construct_array(noted_failures, noted, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = TimestampTzGetDatum(now);
	values[3] = Float8GetDatum(dispatch_retry_base / 1000.0);
	values[4] = Float8GetDatum(dispatch_retry_cap / 1000.0);
	values[5] = Int32GetDatum(dispatch_host_failures);
	(void) dispatch_execute(DISPATCH_NOTE_HOSTS, values, NULL);
}

/*
 * Up to which callback those that are set aside were taken, in the order of
 * their ids: the caller's to read and write.
 */
pg_uuid_t *
dispatch_host_bookmark(Datum name)
{
	return &find(name)->bookmark;
}
