/*
 * dispatch.c
 *	  Entry of the module: magic, settings, initialisation; nothing else.
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "utils/guc.h"

#include "claim.h"
#include "compat.h"
#include "finish.h"
#include "host.h"
#include "pattern.h"
#include "plan.h"
#include "signal.h"
#include "type_cache.h"

DISPATCH_MODULE_MAGIC;

extern void _PG_init(void);

static void
define_settings(void)
{
	/* Patterns are written by users of the database: what one search may cost is not theirs to set.
	 */
	DefineCustomIntVariable(
		"dispatch.regex_timeout", "How long the search for an attribute's pattern may take.",
		"Past it the search fails with program_limit_exceeded.", &dispatch_regex_timeout, 1000, 1,
		INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);

	/* How deliveries are retried is the operator's choice, the same for all listeners. */
	DefineCustomIntVariable(
		"dispatch.retry_base", "The longest wait before a callback's second attempt.",
		"It doubles with each attempt, up to dispatch.retry_cap; the wait is "
		"chosen at random below it.",
		&dispatch_retry_base, 5 * 1000, 1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"dispatch.retry_cap", "The longest wait before any attempt of a callback.",
		"A receiver's Retry-After is honoured up to it.", &dispatch_retry_cap, 6 * 60 * 60 * 1000,
		1, INT_MAX, PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("dispatch.max_attempts",
							"How many attempts a callback has before it is dead.", NULL,
							&dispatch_max_attempts, 15, 1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"dispatch.host_in_flight", "How many callbacks may be leased for one host at a time.",
		"More wait until some of them are answered, so that a slow host leaves "
		"room for others.",
		&dispatch_host_in_flight, 1000, 1, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable(
		"dispatch.host_failures",
		"After how many failures in a row nothing is sent to a host for a while.",
		"Then one callback tries whether it answers again. 0 never stops.", &dispatch_host_failures,
		20, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("dispatch.attempts_retention",
							"How long failed attempts to send callbacks are kept.",
							"Those that ended a callback are kept with its dispatch. -1 keeps all.",
							&dispatch_attempts_retention, 30 * 24 * 60, -1, INT_MAX, PGC_SUSET,
							GUC_UNIT_MIN, NULL, NULL, NULL);

	/* What a notification costs, all writers of the database pay. */
	DefineCustomEnumVariable(
		"dispatch.notify", "When a commit that queued callbacks notifies the listeners.",
		"adaptive: when one of them sleeps; always; off: never, they find callbacks by their poll.",
		&dispatch_notify, dispatch_notify, dispatch_notify_options, PGC_SUSET, 0, NULL, NULL, NULL);

	/* What a session spends on itself is its own choice, as with work_mem. */
	DefineCustomIntVariable("dispatch.type_cache_size",
							"How much memory the types that a session keeps may take.",
							"The types that were not used for longest go first. Those in use stay.",
							&dispatch_type_cache_size, 16 * 1024, 0, MAX_KILOBYTES, PGC_USERSET,
							GUC_UNIT_KB, NULL, NULL, NULL);
	MarkGUCPrefixReserved("dispatch");
}

/*
 * Called by the server when it loads the module, once a backend.
 */
void
_PG_init(void)
{
	define_settings();
	dispatch_plan_init();
	dispatch_signal_init();
	dispatch_claim_init();
	dispatch_type_cache_init();
}
