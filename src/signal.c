/*
 * signal.c
 *	  Wakes the listeners when callbacks were queued.
 *
 * The notification carries nothing: the queue is the truth, and a listener
 * that misses it finds the callbacks by its poll. It is made when the
 * transaction commits, since PREPARE TRANSACTION would refuse one that was
 * made before: what is prepared is found by the poll.
 */
#include "postgres.h"

#include "signal.h"

#include "access/xact.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "fmgr.h"

#include "compat.h"

#define CHANNEL "dispatch_callback"

/*
 * The outermost nest level of this transaction in which callbacks were queued;
 * 0: none. A subtransaction that rolls back takes what it queued along.
 */
static int queued_level = 0;

/*
 * At the end of a transaction.
 */
static void
end_transaction(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_PRE_COMMIT && queued_level > 0)
		Async_Notify(CHANNEL, NULL);
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_ABORT)
		queued_level = 0;
}

/*
 * At the end of a subtransaction, while it is still the current one.
 */
static void
end_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent, void *arg)
{
	int level = GetCurrentTransactionNestLevel();

	(void) id;
	(void) parent;
	(void) arg;
	if (queued_level < level)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		queued_level = 0;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		queued_level = level - 1;
}

/*
 * Registers with the server, once a backend.
 */
void
dispatch_signal_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

PG_FUNCTION_INFO_V1(dispatch_callback_queued);

/*
 * callback_queued() → trigger: after each statement that inserts into
 * dispatch.queue.
 */
Datum
dispatch_callback_queued(PG_FUNCTION_ARGS)
{
	int level = GetCurrentTransactionNestLevel();

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"callback_queued\" must be called as a trigger")));
	if (queued_level == 0 || level < queued_level)
		queued_level = level;
	return PointerGetDatum(NULL);
}
