/*
 * replay.c
 *	  Calls that are made again with the same request_id: the second changes
 *	  nothing and returns what the first returned.
 *
 * An id belongs to a role and an operation. All of this runs between
 * SPI_connect() and SPI_finish().
 */
#include "postgres.h"

#include "replay.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "error.h"
#include "owner.h"
#include "statement.h"

#define ID_MAX_LENGTH 128

/*
 * Checks the length of a request_id, NULL included; 22023.
 */
void
dispatch_check_request_id(const char *request_id)
{
	if (request_id != NULL)
		dispatch_check_length("request_id", request_id, 1, ID_MAX_LENGTH);
}

static void
set_key(const DispatchCall *call, Datum *values)
{
	values[0] = CStringGetTextDatum(dispatch_caller());
	values[1] = CStringGetTextDatum(call->operation);
	values[2] = CStringGetTextDatum(call->request_id);
}

/*
 * Whether a call was made before: then what it returned is in *call. 22023
 * where the id was used with other arguments.
 */
bool
dispatch_replay(DispatchCall *call)
{
	Datum values[3];
	bool isnull;

	set_key(call, values);
	if (dispatch_execute(DISPATCH_FIND_REQUEST, values, NULL) == 0)
		return false;
	if (DatumGetInt64(dispatch_result(0, 3, &isnull)) != call->digest)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("request_id \"%s\" was used with other arguments",
						dispatch_cut(call->request_id)),
				 errhint("Use a new request_id for a new request, and the same one only to make "
						 "the same request again.")));
	call->dispatch_id = *DatumGetUUIDP(dispatch_result(0, 1, &isnull));
	call->version = DatumGetInt64(dispatch_result(0, 2, &isnull));
	return true;
}

/*
 * Remembers a call and what it returned. Where the same is being done by
 * somebody else, it waits; false when that committed.
 */
bool
dispatch_remember(const DispatchCall *call, TimestampTz at)
{
	Datum values[7];

	set_key(call, values);
	values[3] = UUIDPGetDatum(&call->dispatch_id);
	values[4] = Int64GetDatum(call->version);
	values[5] = Int64GetDatum(call->digest);
	values[6] = TimestampTzGetDatum(at);
	return dispatch_execute(DISPATCH_INSERT_REQUEST, values, NULL) > 0;
}
