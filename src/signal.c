/*
 * signal.c
 *	  Wakes the listeners when callbacks were queued.
 *
 * The notification carries nothing: the queue is the truth, and a listener
 * that misses it finds the callbacks by its poll.
 */
#include "postgres.h"

#include "commands/async.h"
#include "commands/trigger.h"
#include "fmgr.h"

#include "compat.h"

#define CHANNEL "dispatch_callback"

PG_FUNCTION_INFO_V1(dispatch_callback_queued);

/*
 * callback_queued() → trigger: after each statement that inserts into
 * dispatch.queue. The notification goes out when the transaction commits.
 */
Datum
dispatch_callback_queued(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"callback_queued\" must be called as a trigger")));
	Async_Notify(CHANNEL, NULL);
	return PointerGetDatum(NULL);
}
