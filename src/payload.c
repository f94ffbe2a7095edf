/*
 * payload.c
 *	  The body that a callback posts, written straight from what its event keeps:
 *	  every attempt sends the same bytes.
 */
#include "postgres.h"

#include "payload.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "builder.h"
#include "compat.h"
#include "document.h"
#include "error.h"

#define PAYLOAD_VERSION 1

/*
 * The data of an event without a member "sequence" that a caller gave it as an
 * extra one: what it means in a body is the service's own.
 */
static Jsonb *
without_sequence(Jsonb *data)
{
	JsonbParseState *state = NULL;
	DispatchWalk walk = dispatch_walk(&data->root);
	DispatchKey key;
	DispatchValue value;

	if (!dispatch_find(&data->root, "sequence", &value))
		return data;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while (dispatch_walk_member(&walk, &key, &value))
		if (dispatch_key_compare(key.data, key.length, "sequence", strlen("sequence")) != 0)
			dispatch_push_member(&state, &key, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
append_document(StringInfo body, Jsonb *document)
{
	(void) JsonbToCString(body, &document->root, VARSIZE(document));
}

/*
 * The "data" of a body: of which dispatch and version, and what the event keeps.
 */
static void
append_data(StringInfo body, const DispatchPayload *payload)
{
	Jsonb *data = without_sequence(payload->data);
	int brace;

	appendStringInfo(body, "{\"dispatchId\": \"%s\"", dispatch_uuid_text(payload->dispatch_id));
	if (payload->dispatch_ref != NULL)
	{
		appendStringInfoString(body, ", \"dispatchRef\": ");
		escape_json(body, payload->dispatch_ref);
	}
	appendStringInfo(body, ", \"version\": " INT64_FORMAT ", \"sequence\": " INT64_FORMAT,
					 payload->sequence, payload->sequence);
	if (JB_ROOT_COUNT(data) == 0)
	{
		appendStringInfoChar(body, '}');
		return;
	}
	appendStringInfoChar(body, ',');
	brace = body->len;
	append_document(body, data);
	body->data[brace] = ' ';
}

/*
 * The body, of the current context's memory.
 */
text *
dispatch_payload_text(const DispatchPayload *payload)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoSpaces(&body, VARHDRSZ);
	appendStringInfoString(&body, "{\"type\":");
	escape_json(&body, payload->type);
	appendStringInfo(
		&body, ",\"timestamp\":\"%s\",\"service\":\"dispatch\",\"payloadVersion\":%d,\"data\":",
		dispatch_time_text(payload->at), PAYLOAD_VERSION);
	append_data(&body, payload);
	appendStringInfoString(&body, ",\"_event_meta\":");
	if (payload->event_meta != NULL)
		append_document(&body, payload->event_meta);
	else
		appendStringInfoString(&body, "{}");
	appendStringInfoChar(&body, '}');
	SET_VARSIZE(body.data, body.len);
	return (text *) body.data;
}
