/*
 * body.c
 *	  Reads what the params and the body of a request say: one table of their
 *	  members. All memory is of the current context.
 */
#include "postgres.h"

#include "body.h"

#include "lib/stringinfo.h"

#include "compat.h"
#include "document.h"
#include "error.h"
#include "operation.h"

/* How a member is read. */
typedef enum FieldKind
{
	FIELD_TEXT,
	FIELD_BOOLEAN,
	FIELD_JOBS,
	FIELD_PARTICIPANTS,
	FIELD_DOCUMENT
} FieldKind;

typedef struct Field
{
	const char *name;
	FieldKind kind;
	size_t offset; /* in DispatchRequest */
} Field;

#define FIELD(name, kind, member)                                                                  \
	{                                                                                              \
		name, kind, offsetof(DispatchRequest, member)                                              \
	}

static const Field fields[] = {
	FIELD("name", FIELD_TEXT, name),
	FIELD("lifecycle", FIELD_DOCUMENT, lifecycle),
	FIELD("additionalAttributes", FIELD_BOOLEAN, additional_attributes),
	FIELD("attributes", FIELD_DOCUMENT, attributes),
	FIELD("dispatchTypeId", FIELD_TEXT, type_id),
	FIELD("dispatchTypeName", FIELD_TEXT, type_name),
	FIELD("dispatchId", FIELD_TEXT, dispatch_id),
	FIELD("dispatchRef", FIELD_TEXT, dispatch_ref),
	FIELD("jobs", FIELD_JOBS, jobs),
	FIELD("participants", FIELD_PARTICIPANTS, participants),
	FIELD("jobId", FIELD_TEXT, job_id),
	FIELD("filter", FIELD_DOCUMENT, filter),
	FIELD("after", FIELD_TEXT, after),
	FIELD("maxRows", FIELD_DOCUMENT, max_rows),
	FIELD("openOnly", FIELD_BOOLEAN, open_only),
	FIELD("participantId", FIELD_TEXT, participant_id),
	FIELD("status", FIELD_TEXT, status),
	FIELD("subStatus", FIELD_TEXT, sub_status),
	FIELD("customData", FIELD_DOCUMENT, custom_data),
	FIELD("patch", FIELD_DOCUMENT, patch),
	FIELD("callback", FIELD_DOCUMENT, callback),
	FIELD("_event_meta", FIELD_DOCUMENT, event_meta),
	FIELD("requestId", FIELD_TEXT, request_id),
	FIELD("expectedVersion", FIELD_DOCUMENT, expected_version),
};

/*
 * Whether a list of names, between spaces, has a name.
 */
bool
dispatch_names_have(const char *names, const char *name)
{
	return strstr(names, psprintf(" %s ", name)) != NULL && strchr(name, ' ') == NULL;
}

static void
error_field(const char *where, const char *name, const char *expected, const DispatchValue *value)
{
	dispatch_error_malformed(where, "\"%s\" must be of type %s, but is of type %s.", name, expected,
							 dispatch_kind_name(value->kind));
}

/*
 * Reads an array of ids.
 */
static void
read_members(const char *where, const char *name, DispatchMemberKind kind,
			 const DispatchValue *value, DispatchMembers *members)
{
	DispatchWalk walk;
	DispatchValue element;

	if (value->kind != DISPATCH_ARRAY)
		error_field(where, name, "array", value);
	walk = dispatch_walk(value->as.container);
	members->kind = kind;
	members->count = 0;
	members->ids = palloc(walk.count * sizeof(char *) + 1);
	while (dispatch_walk_element(&walk, &element))
	{
		if (element.kind != DISPATCH_STRING)
			dispatch_error_malformed(where, "Element %d of \"%s\" is not a string.", walk.next,
									 name);
		members->ids[members->count++] = dispatch_value_string(&element);
	}
}

/*
 * Reads one member into its place in the request; where names what it is in.
 */
static void
read_field(const char *where, const Field *field, const DispatchValue *value,
		   DispatchRequest *request)
{
	char *place = (char *) request + field->offset;

	switch (field->kind)
	{
		case FIELD_TEXT:
			if (value->kind != DISPATCH_STRING)
				error_field(where, field->name, "string", value);
			*(char **) place = dispatch_value_string(value);
			break;
		case FIELD_BOOLEAN:
			if (value->kind != DISPATCH_BOOLEAN)
				error_field(where, field->name, "boolean", value);
			*(bool *) place = value->as.boolean;
			break;
		case FIELD_JOBS:
			read_members(where, field->name, DISPATCH_JOB, value, (DispatchMembers *) place);
			break;
		case FIELD_PARTICIPANTS:
			read_members(where, field->name, DISPATCH_PARTICIPANT, value,
						 (DispatchMembers *) place);
			break;
		case FIELD_DOCUMENT:
			*(Jsonb **) place = dispatch_value_document(value);
			break;
	}
}

/*
 * Keeps an unknown member of a body with the dispatch.
 */
static void
keep_unknown(DispatchRequest *request, const char *name, const DispatchValue *value)
{
	if (dispatch_is_reserved_name(name))
		dispatch_error_malformed(
			"body", "\"%s\" is a name that the service uses for a dispatch's own members.", name);
	if (!request->has_extra)
		dispatch_build_begin(&request->extra);
	request->has_extra = true;
	dispatch_build_document(&request->extra, name, dispatch_value_document(value));
}

/*
 * 22023: a member that params or a body cannot have; names are those it can.
 */
static void
error_unknown(const char *where, const char *name, const char *names)
{
	StringInfoData known;

	initStringInfo(&known);
	for (const char *c = names + 1; *c != '\0' && c[1] != '\0'; c++)
	{
		if (*c == ' ')
			appendStringInfoString(&known, ", ");
		else
			appendStringInfoChar(&known, *c);
	}
	dispatch_error_malformed(where, "It has an unknown member, \"%s\"; %s%s.", dispatch_cut(name),
							 known.len > 0 ? "known are " : "it can have none", known.data);
}

/*
 * Reads params or a body, both objects; where says which. JSON null is the
 * same as absent. 22023 for an unknown member, unless those are kept.
 */
void
dispatch_body_read(const char *where, const Jsonb *document, const char *names, bool keeps_unknown,
				   DispatchRequest *request)
{
	DispatchWalk walk;
	DispatchKey key;
	DispatchValue value;

	dispatch_check_object(where, document);
	walk = dispatch_walk(&document->root);
	while (dispatch_walk_member(&walk, &key, &value))
	{
		char *name = pnstrdup(key.data, key.length);
		bool known = dispatch_names_have(names, name);

		if (value.kind == DISPATCH_NULL)
			continue;
		if (!known && !keeps_unknown)
			error_unknown(where, name, names);
		if (!known)
			keep_unknown(request, name, &value);
		for (int i = 0; known && i < (int) lengthof(fields); i++)
			if (strcmp(fields[i].name, name) == 0)
				read_field(where, &fields[i], &value, request);
	}
}
