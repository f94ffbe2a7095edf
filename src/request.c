/*
 * request.c
 *	  The documented request bodies, as the same operations: one table of
 *	  operations, each with the members that its params and its body may have.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "body.h"
#include "builder.h"
#include "compat.h"
#include "decimal.h"
#include "document.h"
#include "error.h"
#include "find.h"
#include "member.h"
#include "operation.h"
#include "owner.h"
#include "read.h"
#include "type.h"
#include "type_cache.h"
#include "uuid.h"

/* What is particular about an operation. */
#define KEEPS_UNKNOWN 1 /* unknown members of the body are kept with the dispatch */
#define RETURNS_LIST 2  /* the data is an array */

/* An operation: the names that its params and its body may have, between spaces. */
typedef struct RequestOperation RequestOperation;

struct RequestOperation
{
	const char *name;
	const char *function; /* that does the same, and needs the same right */
	const char *params;
	const char *body;
	int options;
	void (*run)(const RequestOperation *operation, DispatchRequest *request,
				DispatchBuilder *result);
	const DispatchOperation *change; /* that it runs; NULL: none */
};

#define TYPE_PARAMS " dispatchTypeId dispatchTypeName "
#define DISPATCH_PARAMS " dispatchId dispatchRef "
#define CHANGE_BODY " callback _event_meta requestId expectedVersion "

/*
 * Requires a member to be given; where says in what. 22023.
 */
static void
require(const void *value, const char *where, const char *name)
{
	if (value == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the request needs \"%s\" in its %s", name, where)));
}

/*
 * The type that a request names, by id, by name, or by both, which must agree.
 */
static const DispatchType *
requested_type(const DispatchRequest *request)
{
	const DispatchType *type;
	pg_uuid_t id;

	if (request->type_id == NULL && request->type_name == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the request needs \"dispatchTypeId\" or \"dispatchTypeName\"")));
	if (request->type_id == NULL)
		return dispatch_type_by_name(request->type_name);
	if (!dispatch_uuid_parse(request->type_id, &id))
		dispatch_error_malformed("request", "\"dispatchTypeId\" is not a UUID: \"%s\".",
								 dispatch_cut(request->type_id));
	type = dispatch_type_by_id(&id);
	if (request->type_name != NULL && strcmp(request->type_name, type->name) != 0)
		dispatch_error_malformed(
			"request",
			"\"dispatchTypeId\" is that of \"%s\", but \"dispatchTypeName\" is "
			"\"%s\".",
			type->name, dispatch_cut(request->type_name));
	return type;
}

/*
 * The dispatch that a request names, by id, by reference, or by both.
 */
static pg_uuid_t
requested_dispatch(const DispatchRequest *request)
{
	pg_uuid_t id;
	pg_uuid_t by_ref;

	if (request->dispatch_id == NULL && request->dispatch_ref == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the request needs \"dispatchId\" or \"dispatchRef\"")));
	if (request->dispatch_id != NULL && !dispatch_uuid_parse(request->dispatch_id, &id))
		dispatch_error_malformed("request", "\"dispatchId\" is not a UUID: \"%s\".",
								 dispatch_cut(request->dispatch_id));
	if (request->dispatch_ref == NULL)
		return id;
	by_ref = dispatch_read_id(request->dispatch_ref);
	if (request->dispatch_id != NULL && memcmp(&id, &by_ref, UUID_LEN) != 0)
		dispatch_error_malformed("request",
								 "\"dispatchId\" and \"dispatchRef\" are those of two dispatches.");
	return by_ref;
}

static void
create_type(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	pg_uuid_t id;

	(void) operation;
	require(request->name, "body", "name");
	id = dispatch_type_create(request->name, request->lifecycle, request->additional_attributes,
							  request->event_meta);
	dispatch_build_id(result, "dispatchTypeId", &id);
}

static void
create_attributes(const RequestOperation *operation, DispatchRequest *request,
				  DispatchBuilder *result)
{
	const DispatchType *type = requested_type(request);
	int32 created;

	(void) operation;
	require(request->attributes, "body", "attributes");
	created = dispatch_type_add_attributes(&type->id, request->attributes, request->event_meta);
	dispatch_build_id(result, "dispatchTypeId", &type->id);
	dispatch_build_integer(result, "created", created);
}

static Jsonb *
empty_object(void)
{
	DispatchBuilder empty;

	dispatch_build_begin(&empty);
	return dispatch_build_end(&empty);
}

static void
create_dispatch(const RequestOperation *operation, DispatchRequest *request,
				DispatchBuilder *result)
{
	DispatchCreation creation = { .type = requested_type(request) };
	pg_uuid_t id;

	if (request->expected_version != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a dispatch that is created has no version to expect")));
	creation.ref = request->dispatch_ref;
	creation.jobs = request->jobs;
	creation.participants = request->participants;
	creation.custom_data = request->custom_data != NULL ? request->custom_data : empty_object();
	creation.extra = request->has_extra ? dispatch_build_end(&request->extra) : NULL;
	creation.carried.callback = request->callback;
	creation.carried.event_meta = request->event_meta;
	creation.carried.request_id = request->request_id;
	creation.carried.function = operation->function;
	id = dispatch_create(&creation);
	dispatch_build_id(result, "dispatchId", &id);
	dispatch_build_text(result, "dispatchRef", request->dispatch_ref);
	dispatch_build_integer(result, "version", 1);
}

/*
 * Reads a member of a body that is a whole number, not below 0; 22023.
 */
static int64
whole_number(const Jsonb *document, const char *name)
{
	DispatchValue value = dispatch_root(document);
	DispatchDecimal decimal;
	int64 whole;

	if (value.kind == DISPATCH_NUMBER)
		decimal = dispatch_decimal(value.as.number);
	if (value.kind != DISPATCH_NUMBER || !dispatch_decimal_whole(&decimal, &whole))
		dispatch_error_malformed("body", "\"%s\" must be a whole number, not below 0.", name);
	return whole;
}

/*
 * Runs a change of the dispatch that the request names.
 */
static void
run_change(const RequestOperation *operation, DispatchRequest *request,
		   const DispatchMembers *members, DispatchBuilder *result)
{
	DispatchChange change = { .status = request->status,
							  .sub_status = request->sub_status,
							  .patch = request->patch };
	int64 version;

	if (members != NULL)
		change.members = *members;
	change.carried.callback = request->callback;
	change.carried.event_meta = request->event_meta;
	change.carried.request_id = request->request_id;
	change.carried.function = operation->function;
	if (request->expected_version != NULL)
	{
		change.carried.has_expected_version = true;
		change.carried.expected_version =
			whole_number(request->expected_version, "expectedVersion");
	}
	change.dispatch_id = requested_dispatch(request);
	version = dispatch_change(operation->change, &change);
	dispatch_build_id(result, "dispatchId", &change.dispatch_id);
	dispatch_build_integer(result, "version", version);
}

/*
 * The part of a request in which an operation has a member.
 */
static const char *
where_is(const RequestOperation *operation, const char *name)
{
	return dispatch_names_have(operation->params, name) ? "params" : "body";
}

static void
change_job(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	require(request->job_id, where_is(operation, "jobId"), "jobId");
	dispatch_member_one(&request->jobs, DISPATCH_JOB, request->job_id);
	run_change(operation, request, &request->jobs, result);
}

static void
change_jobs(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	require(request->jobs.ids, "body", "jobs");
	run_change(operation, request, &request->jobs, result);
}

static void
change_participant(const RequestOperation *operation, DispatchRequest *request,
				   DispatchBuilder *result)
{
	require(request->participant_id, where_is(operation, "participantId"), "participantId");
	dispatch_member_one(&request->participants, DISPATCH_PARTICIPANT, request->participant_id);
	run_change(operation, request, &request->participants, result);
}

static void
change_participants(const RequestOperation *operation, DispatchRequest *request,
					DispatchBuilder *result)
{
	require(request->participants.ids, "body", "participants");
	run_change(operation, request, &request->participants, result);
}

static void
change_status(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	require(request->status, "body", "status");
	run_change(operation, request, NULL, result);
}

static void
change_sub_status(const RequestOperation *operation, DispatchRequest *request,
				  DispatchBuilder *result)
{
	require(request->sub_status, "body", "subStatus");
	run_change(operation, request, NULL, result);
}

static void
change_custom_data(const RequestOperation *operation, DispatchRequest *request,
				   DispatchBuilder *result)
{
	if (request->patch == NULL)
		request->patch = request->custom_data;
	else if (request->custom_data != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("\"patch\" and \"customData\" cannot both be given")));
	require(request->patch, "body", "patch");
	run_change(operation, request, NULL, result);
}

static void
get_attributes(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	(void) operation;
	dispatch_build_members(result, dispatch_type_attributes(requested_type(request)));
}

static void
get_type(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	(void) operation;
	dispatch_build_members(result, dispatch_read_type(&requested_type(request)->id));
}

static void
get_dispatch(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	pg_uuid_t id = requested_dispatch(request);

	(void) operation;
	dispatch_build_members(result, dispatch_read_dispatch(&id));
}

/* Where a set of documents is written to, and the context that it lives in. */
typedef struct DocumentList
{
	DispatchBuilder *builder;
	MemoryContext context;
} DocumentList;

static void
put_element(void *state, const Jsonb *document)
{
	DocumentList *list = (DocumentList *) state;
	MemoryContext old = MemoryContextSwitchTo(list->context);

	dispatch_build_element_document(list->builder, dispatch_copy_document(document, list->context));
	MemoryContextSwitchTo(old);
}

static void
get_types(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	DocumentList list = { result, CurrentMemoryContext };

	(void) operation;
	(void) request;
	dispatch_read_types(NULL, put_element, &list);
}

static void
get_history(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	DocumentList list = { result, CurrentMemoryContext };
	pg_uuid_t id = requested_dispatch(request);

	(void) operation;
	dispatch_read_history(&id, put_element, &list);
}

static void
find_dispatches(const RequestOperation *operation, DispatchRequest *request,
				DispatchBuilder *result)
{
	MemoryContext context = CurrentMemoryContext;
	DispatchSearch search = { .status = request->status,
							  .job_id = request->job_id,
							  .participant_id = request->participant_id,
							  .open_only = request->open_only,
							  .max_rows = DISPATCH_FIND_DEFAULT };
	pg_uuid_t after;
	uint64 rows;

	(void) operation;
	if (request->type_id != NULL || request->type_name != NULL)
		search.type = requested_type(request);
	search.filter = request->filter != NULL ? request->filter : empty_object();
	if (request->max_rows != NULL)
		search.max_rows = (int) Min(PG_INT32_MAX, whole_number(request->max_rows, "maxRows"));
	if (request->after != NULL && !dispatch_uuid_parse(request->after, &after))
		dispatch_error_malformed("body", "\"after\" is not a UUID: \"%s\".",
								 dispatch_cut(request->after));
	search.after = request->after != NULL ? &after : NULL;
	dispatch_connect();
	rows = dispatch_find_page(&search);
	for (uint64 row = 0; row < rows; row++)
	{
		bool isnull;
		pg_uuid_t *id = DatumGetUUIDP(dispatch_result(row, 1, &isnull));
		MemoryContext old = MemoryContextSwitchTo(context);

		dispatch_build_element(result, dispatch_uuid_text(id));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
}

static const RequestOperation operations[] = {
	{ "createDispatchType", "create_type", " ", " name lifecycle additionalAttributes _event_meta ",
	  0, create_type, NULL },
	{ "createDispatchAttributes", "create_attributes", TYPE_PARAMS, " attributes _event_meta ", 0,
	  create_attributes, NULL },
	{ "getDispatchAttributes", "get_attributes", TYPE_PARAMS, " ", 0, get_attributes, NULL },
	{ "getDispatchType", "get_type", TYPE_PARAMS, " ", 0, get_type, NULL },
	{ "createDispatch", "create_dispatch", " ",
	  " dispatchRef dispatchTypeName dispatchTypeId jobs participants customData" CHANGE_BODY,
	  KEEPS_UNKNOWN, create_dispatch, NULL },
	{ "addJob", "add_job", DISPATCH_PARAMS, " jobId" CHANGE_BODY, 0, change_job,
	  &dispatch_add_jobs_operation },
	{ "addMultipleJobs", "add_jobs", DISPATCH_PARAMS, " jobs" CHANGE_BODY, 0, change_jobs,
	  &dispatch_add_jobs_operation },
	{ "addParticipant", "add_participant", DISPATCH_PARAMS, " participantId" CHANGE_BODY, 0,
	  change_participant, &dispatch_add_participants_operation },
	{ "addMultipleParticipants", "add_participants", DISPATCH_PARAMS, " participants" CHANGE_BODY,
	  0, change_participants, &dispatch_add_participants_operation },
	{ "updateDispatchStatus", "update_status", DISPATCH_PARAMS, " status subStatus" CHANGE_BODY, 0,
	  change_status, &dispatch_update_status_operation },
	{ "updateDispatchSubStatus", "update_sub_status", DISPATCH_PARAMS, " subStatus" CHANGE_BODY, 0,
	  change_sub_status, &dispatch_update_sub_status_operation },
	{ "updateDispatchCustomData", "update_custom_data", DISPATCH_PARAMS,
	  " patch customData" CHANGE_BODY, 0, change_custom_data,
	  &dispatch_update_custom_data_operation },
	{ "removeJob", "remove_job", DISPATCH_PARAMS "jobId ", CHANGE_BODY, 0, change_job,
	  &dispatch_remove_jobs_operation },
	{ "removeMultipleJobs", "remove_jobs", DISPATCH_PARAMS, " jobs" CHANGE_BODY, 0, change_jobs,
	  &dispatch_remove_jobs_operation },
	{ "removeParticipant", "remove_participant", DISPATCH_PARAMS "participantId ", CHANGE_BODY, 0,
	  change_participant, &dispatch_remove_participants_operation },
	{ "removeMultipleParticipants", "remove_participants", DISPATCH_PARAMS,
	  " participants" CHANGE_BODY, 0, change_participants,
	  &dispatch_remove_participants_operation },
	{ "getDispatch", "get_dispatch", DISPATCH_PARAMS, " ", 0, get_dispatch, NULL },
	{ "findDispatches", "find_dispatches", TYPE_PARAMS,
	  " dispatchTypeId dispatchTypeName filter status after maxRows jobId participantId openOnly ",
	  RETURNS_LIST, find_dispatches, NULL },
	{ "getDispatchTypes", "list_types", " ", " ", RETURNS_LIST, get_types, NULL },
	{ "getDispatchHistory", "history", DISPATCH_PARAMS, " ", RETURNS_LIST, get_history, NULL },
};

static const RequestOperation *
find_operation(const char *name)
{
	StringInfoData names;

	for (int i = 0; i < (int) lengthof(operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	initStringInfo(&names);
	for (int i = 0; i < (int) lengthof(operations); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", operations[i].name);
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("there is no operation \"%s\"", dispatch_cut(name)),
					errhint("The operations are %s.", names.data)));
	return NULL;
}

/*
 * A document argument; what is NULL or JSON null counts as {}.
 */
static Jsonb *
argument_document(FunctionCallInfo fcinfo, int place)
{
	if (!PG_ARGISNULL(place))
	{
		Jsonb *document = PG_GETARG_JSONB_P(place);

		if (dispatch_root(document).kind != DISPATCH_NULL)
			return document;
	}
	return empty_object();
}

/*
 * Requires the caller to have the right to execute a function, in one of its
 * forms; 42501.
 */
static void
require_right(const char *function)
{
	Oid schema = get_namespace_oid("dispatch", false);
	CatCList *forms = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(function));
	bool may = false;

	for (int i = 0; i < forms->n_members; i++)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(&forms->members[i]->tuple);

		if (form->pronamespace == schema)
			may = may || dispatch_may_execute(form->oid, GetUserId());
	}
	ReleaseSysCacheList(forms);
	if (!may)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, function);
}

/*
 * Runs an operation as the owner, and writes what it returns as "data".
 */
static void
run_operation(const RequestOperation *operation, DispatchRequest *request, DispatchBuilder *result)
{
	DispatchUser user;

	require_right(operation->function);
	user = dispatch_become_owner();
	/* Reads see what was done before, in this statement too. */
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (operation->options & RETURNS_LIST)
		dispatch_build_begin_array(result, "data");
	else
		dispatch_build_begin_object(result, "data");
	operation->run(operation, request, result);
	if (operation->options & RETURNS_LIST)
		dispatch_build_end_array(result);
	else
		dispatch_build_end_object(result);
	PopActiveSnapshot();
	dispatch_become_caller(&user);
}

PG_FUNCTION_INFO_V1(dispatch_request);

/*
 * request(operation text, params jsonb, body jsonb) → jsonb: {"error": null,
 * "request": <the body>, "data": <what the operation returns>}. P0002: no such
 * operation; 22023: malformed params or body; 42501: no right to execute the
 * operation's function; the rest is the operation's.
 */
Datum
dispatch_request(PG_FUNCTION_ARGS)
{
	DispatchRequest request = { .jobs.kind = DISPATCH_JOB,
								.participants.kind = DISPATCH_PARTICIPANT };
	const RequestOperation *operation;
	DispatchBuilder result;
	Jsonb *body;

	if (PG_ARGISNULL(0))
		dispatch_error_null("operation");
	operation = find_operation(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	body = argument_document(fcinfo, 2);
	dispatch_body_read("params", argument_document(fcinfo, 1), operation->params, false, &request);
	dispatch_body_read("body", body, operation->body, (operation->options & KEEPS_UNKNOWN) != 0,
					   &request);
	dispatch_build_begin(&result);
	dispatch_build_null(&result, "error");
	dispatch_build_document(&result, "request", body);
	run_operation(operation, &request, &result);
	PG_RETURN_JSONB_P(dispatch_build_end(&result));
}
