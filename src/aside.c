/*
 * aside.c
 *	  Callbacks that are set aside since their hosts have no room, taken from there as
 *	  there is room, and ended when that takes too long.
 */
#include "postgres.h"

#include "aside.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "finish.h"
#include "host.h"
#include "statement.h"
#include "uuid.h"

/* Callbacks that wait for too long end in the course of claims: so many, so often. */
#define LOST_MAX 1000
#define LOST_PAUSE (5 * USECS_PER_SEC)

/* Of so many hosts at a time it is found out whether they have room. */
#define HOSTS_AT_A_TIME 64

/* The host that was last visited for what is set aside; NULL: start with the first. */
static char *visited = NULL;

static Datum
hosts_array(const DispatchRows *rows)
{
	return PointerGetDatum(
		construct_array(rows->hosts, rows->count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Sets rows aside until their hosts have room.
 */
void
dispatch_set_aside(DispatchClaim *claim, const DispatchRows *rows)
{
	Datum values[2];

	values[0] = dispatch_rows_array(rows);
	values[1] = hosts_array(rows);
	(void) dispatch_execute(DISPATCH_SET_ASIDE, values, NULL);
	claim->aside += rows->count;
}

/*
 * Takes callbacks of a host that were set aside, as many as it has room for, up
 * to a limit. When none is left the host is forgotten.
 */
static void
take_aside(DispatchClaim *claim, Datum host, uint64 limit)
{
	pg_uuid_t *bookmark = dispatch_host_bookmark(host);
	pg_uuid_t since = *bookmark;
	Datum values[3];
	DispatchRows rows = dispatch_rows_for(limit);
	uint64 found;
	bool isnull;

	values[0] = host;
	values[1] = UUIDPGetDatum(&since);
	values[2] = Int64GetDatum((int64) limit);
	found = dispatch_execute(DISPATCH_FIND_ASIDE, values, NULL);
	memset(bookmark, 0, UUID_LEN);
	for (uint64 i = 0; i < found; i++)
	{
		(void) dispatch_host_take_room(host);
		dispatch_rows_add(&rows, dispatch_result(i, 1, &isnull), host);
	}
	if (found == limit)
		*bookmark = *DatumGetUUIDP(dispatch_result(found - 1, 2, &isnull));
	if (found > 0)
		dispatch_lease(claim, &rows);
	/* Under a snapshot of its own a transaction cannot know what others have set aside since. */
	if (found < limit && !IsolationUsesXactSnapshot() &&
		dispatch_execute(DISPATCH_END_ASIDE, &host, NULL) > 0)
		(void) dispatch_execute(DISPATCH_FORGET_HOST, &host, NULL);
}

/*
 * Notes which host was visited last; NULL: all were.
 */
static void
note_visited(const char *host)
{
	if (visited != NULL)
		pfree(visited);
	visited = host != NULL ? MemoryContextStrdup(TopMemoryContext, host) : NULL;
}

/*
 * Visits the next hosts for what is set aside, until so many callbacks are
 * taken. Returns whether there are more hosts to visit.
 */
bool
dispatch_visit_hosts(DispatchClaim *claim, uint64 until)
{
	Datum values[3];
	Datum names[HOSTS_AT_A_TIME];
	int count;
	int i;

	dispatch_connect();
	values[0] = CStringGetTextDatum(visited != NULL ? visited : "");
	values[1] = Int64GetDatum(HOSTS_AT_A_TIME);
	values[2] = TimestampTzGetDatum(claim->now);
	count = (int) dispatch_execute(DISPATCH_LIST_HOSTS, values, NULL);
	for (i = 0; i < count; i++)
	{
		bool isnull;

		names[i] = dispatch_result(i, 1, &isnull);
	}
	dispatch_hosts_measure(names, count, claim->now);
	for (i = 0; i < count && claim->taken < until && !claim->full; i++)
	{
		int room = dispatch_host_room(names[i]);

		if (room > 0 && dispatch_host_guard(names[i]))
			take_aside(claim, names[i], Min((uint64) room, until - claim->taken));
	}
	if (i == count && count < HOSTS_AT_A_TIME)
		note_visited(NULL);
	else if (i > 0)
		note_visited(TextDatumGetCString(names[i - 1]));
	SPI_finish();
	return i == HOSTS_AT_A_TIME;
}

/*
 * Begins with the first host again: all are to be visited.
 */
void
dispatch_visit_all(void)
{
	note_visited(NULL);
}

/*
 * Ends callbacks that are set aside for hosts that have not answered for longer
 * than all their attempts would have taken, some at a time. Returns whether there were any.
 */
bool
dispatch_end_lost(TimestampTz now)
{
	static TimestampTz next = DT_NOBEGIN;
	Datum values[4];
	pg_uuid_t first;
	TimestampTz since;
	uint64 ended = 0;

	if (now < next && next - now <= LOST_PAUSE)
		return false;
	since = dispatch_lifetime_ago(now);
	dispatch_uuid_first(&first, since);
	values[0] = TimestampTzGetDatum(since);
	values[1] = UUIDPGetDatum(&first);
	values[2] = Int64GetDatum(LOST_MAX);
	values[3] = TimestampTzGetDatum(now);
	dispatch_connect();
	if (dispatch_execute(DISPATCH_FIND_LOST, values, NULL) > 0)
		ended = dispatch_execute(DISPATCH_END_LOST, values, NULL);
	SPI_finish();
	next = ended < LOST_MAX ? now + LOST_PAUSE : now;
	return ended > 0;
}
