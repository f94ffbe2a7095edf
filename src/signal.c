/*
 * signal.c
 *	  Wakes the listeners when callbacks were queued, if any of them sleeps.
 *
 * The notification carries nothing: the queue is the truth, and a listener
 * that misses it finds the callbacks by its poll. But whoever notifies waits
 * at its commit for all others who notify, until its WAL is flushed. So a
 * commit notifies only when a listener sleeps, and one lock tells:
 *
 * - A transaction that queued takes "asleep" in Share mode when it is about to
 *   commit, without waiting. Got it: nobody sleeps, so it sends nothing, and
 *   keeps the lock until it ends, which is after its rows can be seen. Not got:
 *   somebody sleeps or is about to, so it notifies.
 * - A session that found nothing takes it in RowExclusive mode, waiting, and
 *   keeps it over the transaction's end: it is asleep. That waited for all who
 *   commit in silence; whoever came meanwhile notifies, since a lock that is
 *   waited for is not given away. So it looks once more, and then it may sleep.
 *
 * Nothing that holds the lock in Share mode waits for anybody who could wait
 * for it, so there are no deadlocks.
 *
 * The signal is made when the transaction commits, since PREPARE TRANSACTION
 * would refuse a notification that was made before: what is prepared is found
 * by the poll.
 */
#include "postgres.h"

#include "signal.h"

#include "access/xact.h"
#include "commands/async.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "compat.h"

#define CHANNEL "dispatch_callback"

typedef enum NotifyWhen
{
	NOTIFY_ADAPTIVE,
	NOTIFY_ALWAYS,
	NOTIFY_OFF
} NotifyWhen;

const struct config_enum_entry dispatch_notify_options[] = {
	{ "adaptive", NOTIFY_ADAPTIVE, false },
	{ "always", NOTIFY_ALWAYS, false },
	{ "off", NOTIFY_OFF, false },
	{ NULL, 0, false },
};

int dispatch_notify = NOTIFY_ADAPTIVE;

/*
 * The outermost nest level of this transaction in which callbacks were queued;
 * 0: none. A subtransaction that rolls back takes what it queued along.
 */
static int queued_level = 0;

/*
 * The lock "asleep" of this database. It is of the advisory class, so that
 * DISCARD ALL releases it, but no function takes it: their keys have 1 or 2
 * where it has 3.
 */
static LOCKTAG
asleep_tag(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0x64697370, 0x61746368, 3);
	return tag;
}

/*
 * Whether this session is asleep. Its own lock would not keep it from taking
 * the other mode.
 */
static bool
is_asleep(void)
{
	LOCKTAG tag = asleep_tag();

	return dispatch_holds_lock(&tag, RowExclusiveLock);
}

/*
 * Waits for all who commit without a notification; from then on all who queue
 * callbacks notify, until dispatch_wake_up() or the session's end. The end of
 * the transaction, or its failure, changes nothing.
 */
void
dispatch_fall_asleep(void)
{
	LOCKTAG tag = asleep_tag();

	(void) LockAcquire(&tag, RowExclusiveLock, true, false);
}

/*
 * Nobody need wake this session any more.
 */
void
dispatch_wake_up(void)
{
	LOCKTAG tag = asleep_tag();

	if (is_asleep())
		(void) LockRelease(&tag, RowExclusiveLock, true);
}

/*
 * Takes "asleep" for a transaction that commits: false when somebody sleeps or
 * is about to.
 */
static bool
nobody_sleeps(void)
{
	LOCKTAG tag = asleep_tag();

	return !is_asleep() && LockAcquire(&tag, ShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Notifies, if there is need, for a transaction that commits.
 */
static void
announce(void)
{
	if (dispatch_notify == NOTIFY_ALWAYS ||
		(dispatch_notify == NOTIFY_ADAPTIVE && !nobody_sleeps()))
		Async_Notify(CHANNEL, NULL);
}

/*
 * At the end of a transaction.
 */
static void
end_transaction(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_PRE_COMMIT && queued_level > 0)
		announce();
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

/*
 * Callbacks have become due: the current transaction is to wake the listeners
 * if it commits.
 */
void
dispatch_signal(void)
{
	int level = GetCurrentTransactionNestLevel();

	if (queued_level == 0 || level < queued_level)
		queued_level = level;
}

PG_FUNCTION_INFO_V1(dispatch_callback_queued);

/*
 * callback_queued() → trigger: after each statement that inserts into
 * dispatch.queue.
 */
Datum
dispatch_callback_queued(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"callback_queued\" must be called as a trigger")));
	dispatch_signal();
	return PointerGetDatum(NULL);
}
