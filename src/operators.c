/*
 * operators.c
 *	  What people do about callbacks: hold back a host's, send dead ones again,
 *	  have pending ones not sent.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "callback.h"
#include "compat.h"
#include "confirm.h"
#include "error.h"
#include "horizon.h"
#include "host.h"
#include "outbox.h"
#include "signal.h"
#include "statement.h"

#define HOST_MAX_LENGTH 255

/*
 * A host as an argument, as callbacks know it: in lower case, without a last dot. 22023, also where
 * it is more than a host, so that nobody believes one is held back that is not.
 */
static Datum
host_argument(FunctionCallInfo fcinfo, int argument)
{
	char *host;

	if (PG_ARGISNULL(argument))
		dispatch_error_null("host");
	host = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	dispatch_check_length("host", host, 1, HOST_MAX_LENGTH);
	if (strpbrk(host, "/?#@ ") != NULL || (host[0] != '[' && strchr(host, ':') != NULL) ||
		(host[0] == '[' && host[strlen(host) - 1] != ']'))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"%s\" is not a host", dispatch_cut(host)),
						errhint("Give it as in dispatch.callbacks: without scheme, port and path, "
								"an IPv6 address in brackets.")));
	dispatch_host_normalize(host);
	return CStringGetTextDatum(host);
}

PG_FUNCTION_INFO_V1(dispatch_pause_host);

/*
 * pause_host(host text): nothing more is claimed for a host, whether there are
 * callbacks for it or not. 22023: no host.
 */
Datum
dispatch_pause_host(PG_FUNCTION_ARGS)
{
	Datum host = host_argument(fcinfo, 0);

	dispatch_connect();
	dispatch_host_hold(host);
	(void) dispatch_execute(DISPATCH_PAUSE_HOST, &host, NULL);
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(dispatch_resume_host);

/*
 * resume_host(host text): a host is sent to again, at once, also where it failed
 * and would be tried later. 22023: no host.
 */
Datum
dispatch_resume_host(PG_FUNCTION_ARGS)
{
	Datum host = host_argument(fcinfo, 0);

	dispatch_connect();
	dispatch_host_hold(host);
	if (dispatch_execute(DISPATCH_RESUME_HOST, &host, NULL) > 0)
	{
		(void) dispatch_execute(DISPATCH_FORGET_HOST, &host, NULL);
		dispatch_signal();
	}
	SPI_finish();
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(dispatch_retry_callbacks);

/*
 * retry_callbacks(callback_ids uuid[], host text, dead_since timestamptz) → bigint
 *
 * Dead callbacks that all arguments fit that are given: they are due again, with
 * all their attempts. Those that were waited for are not: their members were
 * rejected. Returns how many.
 */
Datum
dispatch_retry_callbacks(PG_FUNCTION_ARGS)
{
	char nulls[] = "     ";
	Datum values[5];
	uint64 retried;

	for (int i = 0; i < 3; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_GETARG_DATUM(i);
	}
	if (!PG_ARGISNULL(1))
		values[1] = host_argument(fcinfo, 1);
	values[3] = TimestampTzGetDatum(dispatch_due_time());
	values[4] = Int32GetDatum(dispatch_origin());
	dispatch_connect();
	retried =
		dispatch_execute(PG_ARGISNULL(0) ? DISPATCH_RETRY : DISPATCH_RETRY_NAMED, values, nulls);
	SPI_finish();
	PG_RETURN_INT64((int64) retried);
}

PG_FUNCTION_INFO_V1(dispatch_cancel_callbacks);

/*
 * cancel_callbacks(callback_ids uuid[]) → bigint
 *
 * Pending callbacks that will not be sent; one that a listener has is not among
 * them. Members that wait for one are rejected. Returns how many. 22023: no ids.
 */
Datum
dispatch_cancel_callbacks(PG_FUNCTION_ARGS)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum values[2];
	uint64 cancelled;

	if (PG_ARGISNULL(0))
		dispatch_error_null("callback_ids");
	values[0] = PG_GETARG_DATUM(0);
	values[1] = TimestampTzGetDatum(now);
	dispatch_connect();
	cancelled = dispatch_execute(DISPATCH_CANCEL, values, NULL);
	dispatch_confirm_apply(dispatch_origin(), now);
	SPI_finish();
	PG_RETURN_INT64((int64) cancelled);
}
