/*
 * outbox.c
 *	  Events, and the callbacks that leave with them: recorded in the caller's
 *	  transaction. claim.c hands them to listeners, finish.c hears what came of it.
 */
#include "postgres.h"

#include "outbox.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "horizon.h"
#include "owner.h"
#include "signal.h"
#include "statement.h"
#include "uuid.h"

/*
 * The data and event_meta of an event with a callback: in JSON, where a byte can
 * become six, they must fit into a text.
 */
#define EVENT_MAX_SIZE (16 * 1024 * 1024)

/*
 * What this cluster and database are known by: a short hash. A copy that was
 * restored from a dump has another, a standby and a physical clone the same.
 */
int32
dispatch_origin(void)
{
	uint64 hash = GetSystemIdentifier() ^ ((uint64) MyDatabaseId << 32 | MyDatabaseId);

	return (int32) ((hash * UINT64CONST(0x9E3779B97F4A7C15)) >> 32);
}

/*
 * 54000 where an event is too large for a callback.
 */
static void
check_size(const DispatchEvent *event)
{
	Size size = VARSIZE(event->data);

	if (event->event_meta != NULL)
		size += VARSIZE(event->event_meta);
	if (size > EVENT_MAX_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the event is too large for a callback"),
				 errdetail("Its data has %zu bytes, and may have %d.", size, EVENT_MAX_SIZE)));
}

/*
 * Records an event, and queues its callback where it has one. To be called
 * between SPI_connect() and SPI_finish(), under the lock of the dispatch.
 */
void
dispatch_record_event(const DispatchEvent *event)
{
	const DispatchCallback *callback = event->callback;
	pg_uuid_t callback_id;
	char nulls[] = "                ";
	Datum values[16];

	values[0] = UUIDPGetDatum(event->dispatch_id);
	values[1] = Int64GetDatum(event->sequence);
	values[2] = TimestampTzGetDatum(event->at);
	values[3] = CStringGetTextDatum(event->type);
	values[4] = CStringGetTextDatum(dispatch_caller());
	values[5] = JsonbPGetDatum(event->data);
	values[6] = event->event_meta != NULL ? JsonbPGetDatum(event->event_meta) : (Datum) 0;
	if (event->event_meta == NULL)
		nulls[6] = 'n';
	if (callback == NULL)
	{
		(void) dispatch_execute(DISPATCH_INSERT_EVENT, values, nulls);
		return;
	}
	check_size(event);
	dispatch_uuid_make(&callback_id);
	values[7] = UUIDPGetDatum(&callback_id);
	values[8] = CStringGetTextDatum(callback->method);
	values[9] = CStringGetTextDatum(callback->host);
	values[10] = CStringGetTextDatum(callback->url);
	values[11] = JsonbPGetDatum(callback->headers);
	values[12] = Int32GetDatum(dispatch_origin());
	values[13] = PointerGetDatum(callback->accept);
	nulls[13] = callback->wait ? ' ' : 'n';
	values[14] = TimestampTzGetDatum(dispatch_due_time());
	values[15] = PointerGetDatum(event->ref);
	nulls[15] = event->ref != NULL ? ' ' : 'n';
	(void) dispatch_execute(DISPATCH_INSERT_EVENT_WITH_CALLBACK, values, nulls);
}

PG_FUNCTION_INFO_V1(dispatch_adopt);

/*
 * adopt() → bigint: makes the callbacks that another database queued this
 * one's own; how many.
 */
Datum
dispatch_adopt(PG_FUNCTION_ARGS)
{
	Datum values[2] = { Int32GetDatum(dispatch_origin()),
						TimestampTzGetDatum(dispatch_due_time()) };
	uint64 adopted;

	(void) fcinfo;
	dispatch_connect();
	adopted = dispatch_execute(DISPATCH_ADOPT, values, NULL);
	if (adopted > 0)
		dispatch_signal();
	SPI_finish();
	PG_RETURN_INT64((int64) adopted);
}
