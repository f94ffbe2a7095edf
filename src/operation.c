/*
 * operation.c
 *	  What every change of a dispatch goes through: arguments checked, the row
 *	  changed and by that locked, the event recorded with its callback, a new
 *	  version returned. One operation, a bulk one too, is one event and one
 *	  version. An error leaves nothing behind: it ends the statement.
 */
#include "postgres.h"

#include "operation.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "callback.h"
#include "compat.h"
#include "confirm.h"
#include "custom_data.h"
#include "error.h"
#include "lifecycle.h"
#include "outbox.h"
#include "replay.h"
#include "seal.h"
#include "statement.h"
#include "uuid.h"

#define REF_MIN_LENGTH 4
#define REF_MAX_LENGTH 64
#define SUB_STATUS_MAX_LENGTH 64

/* Names of get_dispatch()'s own, which a dispatch's extra members cannot have. */
static const char *const reserved_names[] = {
	"dispatchId", "dispatchRef",  "dispatchTypeId", "dispatchTypeName", "status",    "subStatus",
	"jobs",       "participants", "customData",     "version",          "createdAt", "updatedAt"
};

/*
 * Checks the length of a dispatch_ref; 22023.
 */
void
dispatch_check_ref(const char *ref)
{
	dispatch_check_length("dispatch_ref", ref, REF_MIN_LENGTH, REF_MAX_LENGTH);
}

/*
 * Checks the length of a sub_status; 22023.
 */
void
dispatch_check_sub_status(const char *sub_status)
{
	dispatch_check_length("sub_status", sub_status, 1, SUB_STATUS_MAX_LENGTH);
}

/*
 * Whether a name is one of get_dispatch()'s own.
 */
bool
dispatch_is_reserved_name(const char *name)
{
	for (int i = 0; i < (int) lengthof(reserved_names); i++)
		if (strcmp(name, reserved_names[i]) == 0)
			return true;
	return false;
}

/*
 * 40001: what another call with the same request_id did cannot be seen.
 */
pg_noreturn static void error_moved(void);

static void
error_moved(void)
{
	ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					errmsg("could not serialize access due to a concurrent call with the same "
						   "request_id"),
					errhint("Make the call again.")));
	pg_unreachable();
}

/*
 * Checks what every change may carry, and returns its callback, NULL for none.
 */
static DispatchCallback *
check_carried(const DispatchCarried *carried, bool may_wait)
{
	DispatchCallback *callback;

	if (carried->event_meta != NULL)
		dispatch_check_object("event_meta", carried->event_meta);
	dispatch_check_request_id(carried->request_id);
	callback = dispatch_callback_parse(carried->callback);
	if (callback != NULL && callback->wait && !may_wait)
		dispatch_error_malformed_detail("callback", "Only one that adds jobs or participants to a "
													"dispatch may wait for an answer.");
	return callback;
}

/*
 * Checks extra members; 22023: not an object, or a name of the service's own.
 */
void
dispatch_check_extra(const Jsonb *extra)
{
	DispatchWalk walk;
	DispatchKey key;
	DispatchValue value;

	dispatch_check_object("extra", extra);
	walk = dispatch_walk(&extra->root);
	while (dispatch_walk_member(&walk, &key, &value))
	{
		char *name = pnstrdup(key.data, key.length);

		if (dispatch_is_reserved_name(name))
			dispatch_error_malformed(
				"extra", "\"%s\" is a name that the service uses for a dispatch's own members.",
				name);
	}
}

/*
 * The extra members without those that are null, NULL for none.
 */
static Jsonb *
kept_extra(const Jsonb *extra)
{
	DispatchBuilder kept;
	bool any = false;
	DispatchWalk walk;
	DispatchKey key;
	DispatchValue value;

	if (extra == NULL)
		return NULL;
	dispatch_check_extra(extra);
	dispatch_build_begin(&kept);
	walk = dispatch_walk(&extra->root);
	while (dispatch_walk_member(&walk, &key, &value))
	{
		if (value.kind == DISPATCH_NULL)
			continue;
		dispatch_build_document(&kept, pnstrdup(key.data, key.length),
								dispatch_value_document(&value));
		any = true;
	}
	return any ? dispatch_build_end(&kept) : NULL;
}

/*
 * Inserts the row of a dispatch; the trigger completes it. 23505 where the
 * reference is used already. What it returned is to be read by the caller.
 */
static void
insert_dispatch(const DispatchCreation *creation, const pg_uuid_t *id, TimestampTz at)
{
	MemoryContext caller = CurrentMemoryContext;
	char nulls[] = "      ";
	Datum values[6];

	values[0] = UUIDPGetDatum(id);
	values[1] = UUIDPGetDatum(&creation->type->id);
	values[2] = creation->ref != NULL ? CStringGetTextDatum(creation->ref) : (Datum) 0;
	nulls[2] = creation->ref != NULL ? ' ' : 'n';
	values[3] = JsonbPGetDatum(creation->custom_data);
	values[4] = creation->extra != NULL ? JsonbPGetDatum(creation->extra) : (Datum) 0;
	nulls[4] = creation->extra != NULL ? ' ' : 'n';
	values[5] = TimestampTzGetDatum(at);
	PG_TRY();
	{
		(void) dispatch_execute(DISPATCH_INSERT_DISPATCH, values, nulls);
	}
	PG_CATCH();
	{
		const char *detail;

		if (!dispatch_caught_duplicate("dispatches_dispatch_ref_key", caller, &detail))
			PG_RE_THROW();
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("dispatch reference \"%s\" is already in use", creation->ref),
				 err_generic_string(PG_DIAG_SCHEMA_NAME, "dispatch"),
				 err_generic_string(PG_DIAG_TABLE_NAME, "dispatches"),
				 err_generic_string(PG_DIAG_CONSTRAINT_NAME, "dispatches_dispatch_ref_key")));
	}
	PG_END_TRY();
}

/*
 * The data of the event that records a creation: all that the dispatch has.
 */
static Jsonb *
creation_data(const DispatchCreation *creation, char *status, Jsonb *custom_data)
{
	DispatchBuilder builder;

	dispatch_build_begin(&builder);
	dispatch_build_members(&builder, creation->extra);
	dispatch_build_text(&builder, "dispatchTypeName", creation->type->name);
	dispatch_build_text(&builder, "status", status);
	dispatch_members_build(&builder, &creation->jobs);
	dispatch_members_build(&builder, &creation->participants);
	dispatch_build_document(&builder, "customData", custom_data);
	return dispatch_build_end(&builder);
}

/*
 * What tells one call of an operation from another: a hash of its arguments.
 */
static void
build_carried(DispatchBuilder *builder, const DispatchCarried *carried)
{
	if (carried->callback != NULL && dispatch_root(carried->callback).kind != DISPATCH_NULL)
		dispatch_build_document(builder, "callback", carried->callback);
	dispatch_build_document(builder, "eventMeta", carried->event_meta);
	if (carried->has_expected_version)
		dispatch_build_integer(builder, "expectedVersion", carried->expected_version);
}

static int64
digest_creation(const DispatchCreation *creation)
{
	DispatchBuilder builder;

	dispatch_build_begin(&builder);
	dispatch_build_id(&builder, "type", &creation->type->id);
	dispatch_build_text(&builder, "ref", creation->ref);
	dispatch_members_build(&builder, &creation->jobs);
	dispatch_members_build(&builder, &creation->participants);
	dispatch_build_document(&builder, "customData", creation->custom_data);
	dispatch_build_document(&builder, "extra", creation->extra);
	build_carried(&builder, &creation->carried);
	return dispatch_digest(dispatch_build_end(&builder));
}

static int64
digest_change(const DispatchChange *change)
{
	DispatchBuilder builder;

	dispatch_build_begin(&builder);
	dispatch_build_id(&builder, "dispatch", &change->dispatch_id);
	dispatch_members_build(&builder, &change->members);
	dispatch_build_text(&builder, "status", change->status);
	dispatch_build_text(&builder, "subStatus", change->sub_status);
	dispatch_build_document(&builder, "patch", change->patch);
	build_carried(&builder, &change->carried);
	return dispatch_digest(dispatch_build_end(&builder));
}

/*
 * Checks the arguments of a creation; its callback, NULL for none.
 */
static DispatchCallback *
check_creation(DispatchCreation *creation)
{
	if (creation->ref != NULL)
		dispatch_check_ref(creation->ref);
	dispatch_members_check(&creation->jobs, true);
	dispatch_members_check(&creation->participants, true);
	dispatch_check_object("custom data", creation->custom_data);
	creation->extra = kept_extra(creation->extra);
	return check_carried(&creation->carried, false);
}

/*
 * Writes the rows of a checked creation.
 */
static void
write_creation(const DispatchCreation *creation, const pg_uuid_t *id, TimestampTz at,
			   const DispatchCallback *callback)
{
	DispatchEvent event;
	Jsonb *custom_data;
	char *status;
	bool isnull;

	insert_dispatch(creation, id, at);
	status = TextDatumGetCString(dispatch_result(0, 1, &isnull));
	custom_data = DatumGetJsonbPCopy(dispatch_result(0, 2, &isnull));
	dispatch_members_add(id, 1, at, DISPATCH_CONFIRMED, &creation->jobs, &creation->participants);
	event.dispatch_id = id;
	event.sequence = 1;
	event.at = at;
	event.type = "dispatch.created";
	event.data = creation_data(creation, status, custom_data);
	event.event_meta = creation->carried.event_meta;
	event.callback = callback;
	event.ref = callback != NULL && creation->ref != NULL ? cstring_to_text(creation->ref) : NULL;
	dispatch_record_event(&event);
}

/*
 * Creates a dispatch; its id. 22023: a malformed argument; 23505: a reference
 * that is used, a member named twice; 23514: custom data that breaks the
 * attributes of the type.
 */
pg_uuid_t
dispatch_create(DispatchCreation *creation)
{
	DispatchCallback *callback = check_creation(creation);
	DispatchCall call = { .operation = creation->carried.function,
						  .request_id = creation->carried.request_id,
						  .version = 1 };
	TimestampTz at = GetCurrentTimestamp();
	bool again = false;

	dispatch_uuid_make(&call.dispatch_id);
	dispatch_connect();
	if (call.request_id != NULL)
	{
		call.digest = digest_creation(creation);
		again = !dispatch_remember(&call, at);
		if (again && !dispatch_replay(&call))
			error_moved();
	}
	if (!again)
		write_creation(creation, &call.dispatch_id, at, callback);
	SPI_finish();
	return call.dispatch_id;
}

/*
 * A change found no row to change: P0002 where no dispatch has the id, 40001
 * where it has another version than expected, 55000 where it is in a final
 * status.
 */
static void
error_unchanged(const DispatchChange *change)
{
	const DispatchCarried *carried = &change->carried;
	Datum value = UUIDPGetDatum(&change->dispatch_id);
	char *id = dispatch_uuid_text(&change->dispatch_id);
	int64 version;
	bool isnull;

	if (dispatch_execute(DISPATCH_FIND_STATUS, &value, NULL) == 0)
		dispatch_error_no_dispatch(&change->dispatch_id);
	version = DatumGetInt64(dispatch_result(0, 2, &isnull));
	if (carried->has_expected_version && carried->expected_version != version)
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("dispatch \"%s\" has version %lld, not %lld", id,
							   (long long) version, (long long) carried->expected_version),
						errhint("Read the dispatch again, and decide by what it is now.")));
	/* It came to be what was asked for between the two statements. */
	if (!DatumGetBool(dispatch_result(0, 3, &isnull)))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access to dispatch \"%s\" due to a concurrent "
							   "change",
							   id),
						errhint("Make the call again.")));
	dispatch_error_final(&change->dispatch_id, TextDatumGetCString(dispatch_result(0, 1, &isnull)));
}

/*
 * Whether a call with a request_id was made before: then its version is in
 * *call. Two of them at once meet at the lock of the dispatch, and the second
 * looks again behind it.
 */
static bool
was_made_before(DispatchCall *call, const DispatchChange *change)
{
	Datum id = UUIDPGetDatum(&change->dispatch_id);

	call->digest = digest_change(change);
	if (dispatch_replay(call))
		return true;
	(void) dispatch_execute(DISPATCH_LOCK, &id, NULL);
	return dispatch_replay(call);
}

/*
 * Changes the rows by an operation, and records it.
 */
static void
write_change(const DispatchOperation *operation, DispatchChange *change,
			 const DispatchCallback *callback)
{
	DispatchEvent event;

	change->at = GetCurrentTimestamp();
	dispatch_build_begin(&change->data);
	if (!operation->apply(change))
		error_unchanged(change);
	event.dispatch_id = &change->dispatch_id;
	event.sequence = change->version;
	event.at = change->at;
	event.type = operation->event;
	event.data = dispatch_build_end(&change->data);
	event.event_meta = change->carried.event_meta;
	event.callback = callback;
	event.ref = change->ref;
	dispatch_record_event(&event);
}

/*
 * Runs an operation that changes a dispatch; the dispatch's new version. What
 * it raises beside P0002, 55000 and 40001 is the operation's.
 */
int64
dispatch_change(const DispatchOperation *operation, DispatchChange *change)
{
	DispatchCallback *callback = check_carried(&change->carried, operation->may_wait);
	DispatchCall call = { .operation = change->carried.function,
						  .request_id = change->carried.request_id,
						  .dispatch_id = change->dispatch_id };

	operation->check(change);
	change->wait = callback != NULL && callback->wait;
	dispatch_connect();
	if (call.request_id == NULL || !was_made_before(&call, change))
	{
		write_change(operation, change, callback);
		call.version = change->version;
		if (call.request_id != NULL && !dispatch_remember(&call, change->at))
		{
			/* Another dispatch got the id meanwhile: that is an error, said by the look-up. */
			(void) dispatch_replay(&call);
			error_moved();
		}
	}
	SPI_finish();
	return call.version;
}

/*
 * Runs the statement of a change; false where it found no row to change. Its
 * first arguments, for which values and nulls have room, are the id, the time
 * and the version that is expected; its first results the new version, the
 * time and the reference.
 */
static bool
change_row(DispatchStatement statement, DispatchChange *change, Datum *values, char *nulls)
{
	bool isnull;
	Datum ref;

	values[0] = UUIDPGetDatum(&change->dispatch_id);
	values[1] = TimestampTzGetDatum(change->at);
	values[2] = Int64GetDatum(change->carried.expected_version);
	nulls[2] = change->carried.has_expected_version ? ' ' : 'n';
	if (dispatch_execute(statement, values, nulls) == 0)
		return false;
	change->version = DatumGetInt64(dispatch_result(0, 1, &isnull));
	change->at = DatumGetTimestampTz(dispatch_result(0, 2, &isnull));
	ref = dispatch_result(0, 3, &isnull);
	change->ref = isnull ? NULL : DatumGetTextPP(ref);
	return true;
}

static void
check_members(const DispatchChange *change)
{
	dispatch_members_check(&change->members, false);
}

static bool
add_members(DispatchChange *change)
{
	Datum values[3];
	char nulls[] = "   ";

	if (!change_row(DISPATCH_TOUCH, change, values, nulls))
		return false;
	dispatch_members_add(&change->dispatch_id, change->version, change->at,
						 change->wait ? DISPATCH_PENDING : DISPATCH_CONFIRMED, &change->members,
						 NULL);
	dispatch_members_build(&change->data, &change->members);
	return true;
}

static bool
remove_members(DispatchChange *change)
{
	Datum values[3];
	char nulls[] = "   ";

	if (!change_row(DISPATCH_TOUCH, change, values, nulls))
		return false;
	dispatch_members_remove(&change->dispatch_id, &change->members);
	dispatch_members_build(&change->data, &change->members);
	return true;
}

static void
check_status(const DispatchChange *change)
{
	dispatch_lifecycle_check_name("status", change->status);
	if (change->sub_status != NULL)
		dispatch_check_sub_status(change->sub_status);
}

/*
 * A dispatch that was closed rejects what still waits for an answer. That comes before the
 * closing: the rejections take its version, and it gets a later one.
 */
static void
reject_pending(DispatchChange *change)
{
	Datum values[2] = { UUIDPGetDatum(&change->dispatch_id) };
	int rejections =
		dispatch_confirm_reject_pending(&change->dispatch_id, change->version, change->at);

	if (rejections == 0)
		return;
	change->version += rejections;
	values[1] = Int64GetDatum(change->version);
	(void) dispatch_execute(DISPATCH_SET_VERSION, values, NULL);
}

static bool
update_status(DispatchChange *change)
{
	Datum values[5];
	char nulls[] = "     ";
	bool closed;
	char *from;
	bool isnull;

	values[3] = CStringGetTextDatum(change->status);
	values[4] = change->sub_status != NULL ? CStringGetTextDatum(change->sub_status) : (Datum) 0;
	nulls[4] = change->sub_status != NULL ? ' ' : 'n';
	if (!change_row(DISPATCH_UPDATE_STATUS, change, values, nulls))
		return false;
	from = TextDatumGetCString(dispatch_result(0, 4, &isnull));
	closed = DatumGetBool(dispatch_result(0, 5, &isnull));
	if (closed)
		reject_pending(change);
	dispatch_build_text(&change->data, "status", change->status);
	dispatch_build_text(&change->data, "subStatus", change->sub_status);
	dispatch_build_text(&change->data, "previousStatus", from);
	return true;
}

static void
check_sub_status(const DispatchChange *change)
{
	dispatch_check_sub_status(change->sub_status);
}

static bool
update_sub_status(DispatchChange *change)
{
	Datum values[4];
	char nulls[] = "    ";
	bool isnull;

	values[3] = CStringGetTextDatum(change->sub_status);
	if (!change_row(DISPATCH_UPDATE_SUB_STATUS, change, values, nulls))
		return false;
	dispatch_build_text(&change->data, "status",
						TextDatumGetCString(dispatch_result(0, 4, &isnull)));
	dispatch_build_text(&change->data, "subStatus", change->sub_status);
	return true;
}

static void
check_patch(const DispatchChange *change)
{
	dispatch_check_object("patch", change->patch);
}

static bool
update_custom_data(DispatchChange *change)
{
	Datum values[4];
	char nulls[] = "    ";
	bool isnull;

	values[3] = JsonbPGetDatum(change->patch);
	if (!change_row(DISPATCH_UPDATE_CUSTOM_DATA, change, values, nulls))
		return false;
	dispatch_build_document(&change->data, "customData",
							DatumGetJsonbPCopy(dispatch_result(0, 4, &isnull)));
	dispatch_build_document(&change->data, "patch", change->patch);
	return true;
}

const DispatchOperation dispatch_add_jobs_operation = {
	.event = "dispatch.job.added", .check = check_members, .apply = add_members, .may_wait = true
};
const DispatchOperation dispatch_add_participants_operation = { .event =
																	"dispatch.participant.added",
																.check = check_members,
																.apply = add_members,
																.may_wait = true };
const DispatchOperation dispatch_remove_jobs_operation = { .event = "dispatch.job.removed",
														   .check = check_members,
														   .apply = remove_members };
const DispatchOperation dispatch_remove_participants_operation = {
	.event = "dispatch.participant.removed", .check = check_members, .apply = remove_members
};
const DispatchOperation dispatch_update_status_operation = { .event = "dispatch.status.updated",
															 .check = check_status,
															 .apply = update_status };
const DispatchOperation dispatch_update_sub_status_operation = {
	.event = "dispatch.sub_status.updated", .check = check_sub_status, .apply = update_sub_status
};
const DispatchOperation dispatch_update_custom_data_operation = {
	.event = "dispatch.custom_data.updated", .check = check_patch, .apply = update_custom_data
};
