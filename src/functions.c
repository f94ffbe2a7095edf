/*
 * functions.c
 *	  The typed SQL functions: each unpacks its arguments into an operation,
 *	  runs it, and returns. The arguments and errors of each are those of the
 *	  operation that it runs; sql/dispatch--1.0.sql has their names.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "compat.h"
#include "custom_data.h"
#include "error.h"
#include "find.h"
#include "operation.h"
#include "read.h"
#include "type.h"
#include "type_cache.h"
#include "validator.h"

/* Arguments by their place; those that must not be NULL name themselves in the error. */

static char *
required_text(FunctionCallInfo fcinfo, int place, const char *name)
{
	if (PG_ARGISNULL(place))
		dispatch_error_null(name);
	return text_to_cstring(PG_GETARG_TEXT_PP(place));
}

static char *
optional_text(FunctionCallInfo fcinfo, int place)
{
	return PG_ARGISNULL(place) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(place));
}

static Jsonb *
required_document(FunctionCallInfo fcinfo, int place, const char *name)
{
	if (PG_ARGISNULL(place))
		dispatch_error_null(name);
	return PG_GETARG_JSONB_P(place);
}

static Jsonb *
optional_document(FunctionCallInfo fcinfo, int place)
{
	return PG_ARGISNULL(place) ? NULL : PG_GETARG_JSONB_P(place);
}

static const pg_uuid_t *
required_id(FunctionCallInfo fcinfo, int place, const char *name)
{
	if (PG_ARGISNULL(place))
		dispatch_error_null(name);
	return PG_GETARG_UUID_P(place);
}

/*
 * The type of the first argument. There is no expression to ask where the
 * planner calls the function for itself, say by an operator made of it.
 */
static Oid
first_argument_type(FunctionCallInfo fcinfo)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid *types;
	int count;

	if (OidIsValid(type))
		return type;
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	return count > 0 ? types[0] : InvalidOid;
}

/*
 * The type that the first argument names: by id, or by name or id as text.
 */
static const DispatchType *
required_type(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		dispatch_error_null("dispatch_type");
	if (first_argument_type(fcinfo) == UUIDOID)
		return dispatch_type_by_id(PG_GETARG_UUID_P(0));
	return dispatch_type_by_name(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* The use of the type that a place in a plan names, call after call. */
typedef struct TypeArgument
{
	DispatchTypeUse use;
	bool is_id;
} TypeArgument;

/*
 * The same for a function that is called for many rows and calls nothing that
 * could call it again: it may use the type until its next call.
 */
static const DispatchType *
required_type_again(FunctionCallInfo fcinfo)
{
	TypeArgument *argument = (TypeArgument *) fcinfo->flinfo->fn_extra;

	if (PG_ARGISNULL(0))
		dispatch_error_null("dispatch_type");
	if (argument == NULL)
	{
		argument = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(TypeArgument));
		argument->is_id = first_argument_type(fcinfo) == UUIDOID;
		dispatch_type_use_begin(&argument->use, fcinfo->flinfo->fn_mcxt);
		fcinfo->flinfo->fn_extra = argument;
	}
	if (argument->is_id)
		return dispatch_type_use_id(&argument->use, PG_GETARG_UUID_P(0));
	return dispatch_type_use_name(&argument->use, PG_GETARG_TEXT_PP(0));
}

static void
required_members(FunctionCallInfo fcinfo, int place, DispatchMemberKind kind,
				 DispatchMembers *members)
{
	if (PG_ARGISNULL(place))
		dispatch_error_null(kind == DISPATCH_JOB ? "jobs" : "participants");
	dispatch_members_from_array(members, kind, PG_GETARG_ARRAYTYPE_P(place));
}

/*
 * The request_id, which belongs to the function that is called.
 */
static void
take_request_id(FunctionCallInfo fcinfo, int place, DispatchCarried *carried)
{
	carried->request_id = optional_text(fcinfo, place);
	if (carried->request_id != NULL)
		carried->function = get_func_name(fcinfo->flinfo->fn_oid);
}

/*
 * A change of the dispatch that the first argument names; its callback,
 * event_meta, request_id and expected_version are from the given place on.
 */
static void
begin_change(FunctionCallInfo fcinfo, int carried, DispatchChange *change)
{
	memset(change, 0, sizeof(*change));
	change->dispatch_id = *required_id(fcinfo, 0, "dispatch_id");
	change->carried.callback = optional_document(fcinfo, carried);
	change->carried.event_meta = optional_document(fcinfo, carried + 1);
	take_request_id(fcinfo, carried + 2, &change->carried);
	change->carried.has_expected_version = !PG_ARGISNULL(carried + 3);
	if (change->carried.has_expected_version)
		change->carried.expected_version = PG_GETARG_INT64(carried + 3);
}

PG_FUNCTION_INFO_V1(dispatch_create_type);

Datum
dispatch_create_type(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	if (PG_ARGISNULL(2))
		dispatch_error_null("additional_attributes");
	*id = dispatch_type_create(required_text(fcinfo, 0, "name"), optional_document(fcinfo, 1),
							   PG_GETARG_BOOL(2), optional_document(fcinfo, 3));
	PG_RETURN_UUID_P(id);
}

PG_FUNCTION_INFO_V1(dispatch_create_attributes);

Datum
dispatch_create_attributes(PG_FUNCTION_ARGS)
{
	const DispatchType *type = required_type(fcinfo);

	PG_RETURN_INT32(dispatch_type_add_attributes(
		&type->id, required_document(fcinfo, 1, "attributes"), optional_document(fcinfo, 2)));
}

PG_FUNCTION_INFO_V1(dispatch_get_attributes);

Datum
dispatch_get_attributes(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(dispatch_type_attributes(required_type(fcinfo)));
}

PG_FUNCTION_INFO_V1(dispatch_get_type);

Datum
dispatch_get_type(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(dispatch_read_type(&required_type(fcinfo)->id));
}

static void
put_document(void *state, const Jsonb *document)
{
	ReturnSetInfo *result = (ReturnSetInfo *) state;
	Datum value = JsonbPGetDatum(document);
	bool isnull = false;

	tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
}

PG_FUNCTION_INFO_V1(dispatch_list_types);

Datum
dispatch_list_types(PG_FUNCTION_ARGS)
{
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	dispatch_read_types(NULL, put_document, fcinfo->resultinfo);
	return (Datum) 0;
}

/*
 * Returns the events that a statement reads as rows.
 */
static Datum
return_events(FunctionCallInfo fcinfo, DispatchStatement statement, const pg_uuid_t *id)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	uint64 rows;

	InitMaterializedSRF(fcinfo, 0);
	dispatch_connect();
	rows = dispatch_read_events(statement, id);
	for (uint64 row = 0; row < rows; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(dispatch_type_history);

Datum
dispatch_type_history(PG_FUNCTION_ARGS)
{
	return return_events(fcinfo, DISPATCH_READ_TYPE_EVENTS, &required_type(fcinfo)->id);
}

PG_FUNCTION_INFO_V1(dispatch_history);

Datum
dispatch_history(PG_FUNCTION_ARGS)
{
	return return_events(fcinfo, DISPATCH_READ_EVENTS, required_id(fcinfo, 0, "dispatch_id"));
}

/*
 * The type that a search is for; NULL: any.
 */
static const DispatchType *
optional_type(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(0) ? NULL : required_type(fcinfo);
}

static bool
required_boolean(FunctionCallInfo fcinfo, int place, const char *name)
{
	if (PG_ARGISNULL(place))
		dispatch_error_null(name);
	return PG_GETARG_BOOL(place);
}

PG_FUNCTION_INFO_V1(dispatch_find_dispatches);

/*
 * find_dispatches(dispatch_type, filter jsonb, status text, after uuid, max_rows
 * integer, job_id text, participant_id text, open_only boolean) → setof uuid.
 */
Datum
dispatch_find_dispatches(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	DispatchSearch search = { .type = optional_type(fcinfo) };
	uint64 rows;

	search.filter = required_document(fcinfo, 1, "filter");
	search.status = optional_text(fcinfo, 2);
	search.after = PG_ARGISNULL(3) ? NULL : PG_GETARG_UUID_P(3);
	if (PG_ARGISNULL(4))
		dispatch_error_null("max_rows");
	search.max_rows = PG_GETARG_INT32(4);
	search.job_id = optional_text(fcinfo, 5);
	search.participant_id = optional_text(fcinfo, 6);
	search.open_only = required_boolean(fcinfo, 7, "open_only");
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	dispatch_connect();
	rows = dispatch_find_page(&search);
	for (uint64 row = 0; row < rows; row++)
	{
		bool isnull;
		Datum value = dispatch_result(row, 1, &isnull);

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(dispatch_count_dispatches);

/*
 * count_dispatches(dispatch_type, filter jsonb, status text, job_id text,
 * participant_id text, open_only boolean) → bigint.
 */
Datum
dispatch_count_dispatches(PG_FUNCTION_ARGS)
{
	DispatchSearch search = { .type = optional_type(fcinfo) };
	int64 count;

	search.filter = required_document(fcinfo, 1, "filter");
	search.status = optional_text(fcinfo, 2);
	search.job_id = optional_text(fcinfo, 3);
	search.participant_id = optional_text(fcinfo, 4);
	search.open_only = required_boolean(fcinfo, 5, "open_only");
	dispatch_connect();
	count = dispatch_find_count(&search);
	SPI_finish();
	PG_RETURN_INT64(count);
}

PG_FUNCTION_INFO_V1(dispatch_status_counts);

/*
 * dispatch_status_counts(dispatch_type text, open_only boolean) → setof
 * (type_name text, status text, closed boolean, dispatches bigint).
 */
Datum
dispatch_status_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const DispatchType *type = optional_type(fcinfo);
	bool open_only = required_boolean(fcinfo, 1, "open_only");
	uint64 rows;

	InitMaterializedSRF(fcinfo, 0);
	dispatch_connect();
	rows = dispatch_find_status_counts(type, open_only);
	for (uint64 row = 0; row < rows; row++)
		tuplestore_puttuple(result->setResult, SPI_tuptable->vals[row]);
	SPI_finish();
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(dispatch_validate);

/*
 * validate(dispatch_type, custom_data jsonb) → setof (attribute, rule,
 * message): every violation; no row when the data is valid. 54000: a pattern's
 * search exceeded its limits.
 */
Datum
dispatch_validate(PG_FUNCTION_ARGS)
{
	const DispatchType *type = required_type_again(fcinfo);
	Jsonb *data = required_document(fcinfo, 1, "custom_data");
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell *cell;

	InitMaterializedSRF(fcinfo, 0);
	foreach (cell, dispatch_custom_data_violations(type, data))
	{
		const DispatchViolation *violation = (DispatchViolation *) lfirst(cell);
		Datum values[3] = { (Datum) 0, CStringGetTextDatum(violation->rule),
							CStringGetTextDatum(violation->message) };
		bool nulls[3] = { violation->attribute == NULL, false, false };

		CHECK_FOR_INTERRUPTS();
		if (violation->attribute != NULL)
			values[0] = CStringGetTextDatum(violation->attribute);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

PG_FUNCTION_INFO_V1(dispatch_is_valid);

/*
 * is_valid(dispatch_type, custom_data jsonb) → boolean: whether validate()
 * would return no row; NULL for NULL data.
 */
Datum
dispatch_is_valid(PG_FUNCTION_ARGS)
{
	const DispatchType *type = required_type_again(fcinfo);

	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(dispatch_custom_data_is_valid(type, PG_GETARG_JSONB_P(1)));
}

PG_FUNCTION_INFO_V1(dispatch_create_dispatch);

Datum
dispatch_create_dispatch(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));
	DispatchCreation creation = { .type = required_type(fcinfo) };

	creation.ref = optional_text(fcinfo, 1);
	required_members(fcinfo, 2, DISPATCH_JOB, &creation.jobs);
	required_members(fcinfo, 3, DISPATCH_PARTICIPANT, &creation.participants);
	creation.custom_data = required_document(fcinfo, 4, "custom_data");
	creation.carried.callback = optional_document(fcinfo, 5);
	creation.carried.event_meta = optional_document(fcinfo, 6);
	take_request_id(fcinfo, 7, &creation.carried);
	creation.extra = optional_document(fcinfo, 8);
	*id = dispatch_create(&creation);
	PG_RETURN_UUID_P(id);
}

/*
 * A change whose second argument is one member.
 */
static Datum
change_member(FunctionCallInfo fcinfo, const DispatchOperation *operation, DispatchMemberKind kind)
{
	DispatchChange change;

	begin_change(fcinfo, 2, &change);
	dispatch_member_one(
		&change.members, kind,
		required_text(fcinfo, 1, kind == DISPATCH_JOB ? "job_id" : "participant_id"));
	PG_RETURN_INT64(dispatch_change(operation, &change));
}

/*
 * A change whose second argument is an array of members.
 */
static Datum
change_members(FunctionCallInfo fcinfo, const DispatchOperation *operation, DispatchMemberKind kind)
{
	DispatchChange change;

	begin_change(fcinfo, 2, &change);
	required_members(fcinfo, 1, kind, &change.members);
	PG_RETURN_INT64(dispatch_change(operation, &change));
}

PG_FUNCTION_INFO_V1(dispatch_add_job);

Datum
dispatch_add_job(PG_FUNCTION_ARGS)
{
	return change_member(fcinfo, &dispatch_add_jobs_operation, DISPATCH_JOB);
}

PG_FUNCTION_INFO_V1(dispatch_add_jobs);

Datum
dispatch_add_jobs(PG_FUNCTION_ARGS)
{
	return change_members(fcinfo, &dispatch_add_jobs_operation, DISPATCH_JOB);
}

PG_FUNCTION_INFO_V1(dispatch_add_participant);

Datum
dispatch_add_participant(PG_FUNCTION_ARGS)
{
	return change_member(fcinfo, &dispatch_add_participants_operation, DISPATCH_PARTICIPANT);
}

PG_FUNCTION_INFO_V1(dispatch_add_participants);

Datum
dispatch_add_participants(PG_FUNCTION_ARGS)
{
	return change_members(fcinfo, &dispatch_add_participants_operation, DISPATCH_PARTICIPANT);
}

PG_FUNCTION_INFO_V1(dispatch_remove_job);

Datum
dispatch_remove_job(PG_FUNCTION_ARGS)
{
	return change_member(fcinfo, &dispatch_remove_jobs_operation, DISPATCH_JOB);
}

PG_FUNCTION_INFO_V1(dispatch_remove_jobs);

Datum
dispatch_remove_jobs(PG_FUNCTION_ARGS)
{
	return change_members(fcinfo, &dispatch_remove_jobs_operation, DISPATCH_JOB);
}

PG_FUNCTION_INFO_V1(dispatch_remove_participant);

Datum
dispatch_remove_participant(PG_FUNCTION_ARGS)
{
	return change_member(fcinfo, &dispatch_remove_participants_operation, DISPATCH_PARTICIPANT);
}

PG_FUNCTION_INFO_V1(dispatch_remove_participants);

Datum
dispatch_remove_participants(PG_FUNCTION_ARGS)
{
	return change_members(fcinfo, &dispatch_remove_participants_operation, DISPATCH_PARTICIPANT);
}

PG_FUNCTION_INFO_V1(dispatch_update_status);

Datum
dispatch_update_status(PG_FUNCTION_ARGS)
{
	DispatchChange change;

	begin_change(fcinfo, 3, &change);
	change.status = required_text(fcinfo, 1, "status");
	change.sub_status = optional_text(fcinfo, 2);
	PG_RETURN_INT64(dispatch_change(&dispatch_update_status_operation, &change));
}

PG_FUNCTION_INFO_V1(dispatch_update_sub_status);

Datum
dispatch_update_sub_status(PG_FUNCTION_ARGS)
{
	DispatchChange change;

	begin_change(fcinfo, 2, &change);
	change.sub_status = required_text(fcinfo, 1, "sub_status");
	PG_RETURN_INT64(dispatch_change(&dispatch_update_sub_status_operation, &change));
}

PG_FUNCTION_INFO_V1(dispatch_update_custom_data);

Datum
dispatch_update_custom_data(PG_FUNCTION_ARGS)
{
	DispatchChange change;

	begin_change(fcinfo, 2, &change);
	change.patch = required_document(fcinfo, 1, "patch");
	PG_RETURN_INT64(dispatch_change(&dispatch_update_custom_data_operation, &change));
}

PG_FUNCTION_INFO_V1(dispatch_get_dispatch);

Datum
dispatch_get_dispatch(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(dispatch_read_dispatch(required_id(fcinfo, 0, "dispatch_id")));
}

PG_FUNCTION_INFO_V1(dispatch_dispatch_id);

Datum
dispatch_dispatch_id(PG_FUNCTION_ARGS)
{
	pg_uuid_t *id = palloc(sizeof(pg_uuid_t));

	*id = dispatch_read_id(required_text(fcinfo, 0, "dispatch_ref"));
	PG_RETURN_UUID_P(id);
}
