/*
 * read.c
 *	  What is read of dispatches and types. Documents are allocated in the
 *	  context in which they are asked for.
 */
#include "postgres.h"

#include "read.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "builder.h"
#include "compat.h"
#include "document.h"
#include "error.h"
#include "member.h"

/*
 * A column of the last result as a string; NULL where it is NULL.
 */
static char *
text_column(uint64 row, int column)
{
	bool isnull;
	Datum value = dispatch_result(row, column, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static Jsonb *
document_column(uint64 row, int column)
{
	bool isnull;
	Datum value = dispatch_result(row, column, &isnull);

	return isnull ? NULL : DatumGetJsonbP(value);
}

static void
build_id_column(DispatchBuilder *builder, const char *name, uint64 row, int column)
{
	bool isnull;

	dispatch_build_id(builder, name, DatumGetUUIDP(dispatch_result(row, column, &isnull)));
}

static void
build_time_column(DispatchBuilder *builder, const char *name, uint64 row, int column)
{
	bool isnull;

	dispatch_build_time(builder, name, DatumGetTimestampTz(dispatch_result(row, column, &isnull)));
}

/*
 * The id of the dispatch with a reference; P0002 where none has it.
 */
pg_uuid_t
dispatch_read_id(const char *ref)
{
	Datum value = CStringGetTextDatum(ref);
	pg_uuid_t id;
	bool isnull;

	dispatch_connect();
	if (dispatch_query(DISPATCH_FIND_BY_REF, &value, NULL) == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
						errmsg("no dispatch has the reference \"%s\"", dispatch_cut(ref))));
	id = *DatumGetUUIDP(dispatch_result(0, 1, &isnull));
	SPI_finish();
	return id;
}

/*
 * Writes the members of one kind, which the last result holds in order.
 */
static void
build_kind(DispatchBuilder *builder, const char *name, const char *id_name, DispatchMemberKind kind,
		   uint64 rows)
{
	bool isnull;

	dispatch_build_begin_array(builder, name);
	for (uint64 row = 0; row < rows; row++)
	{
		if (DatumGetChar(dispatch_result(row, 1, &isnull)) != (char) kind)
			continue;
		dispatch_build_element_object(builder);
		dispatch_build_text(builder, id_name, text_column(row, 2));
		dispatch_build_text(builder, "state",
							DatumGetChar(dispatch_result(row, 3, &isnull)) ==
									(char) DISPATCH_PENDING
								? "PENDING"
								: "CONFIRMED");
		dispatch_build_end_object(builder);
	}
	dispatch_build_end_array(builder);
}

/*
 * Writes the columns of DISPATCH_READ_DISPATCH.
 */
static void
build_dispatch(DispatchBuilder *builder)
{
	bool isnull;

	dispatch_build_members(builder, document_column(0, 11));
	build_id_column(builder, "dispatchId", 0, 1);
	dispatch_build_text(builder, "dispatchRef", text_column(0, 2));
	build_id_column(builder, "dispatchTypeId", 0, 3);
	dispatch_build_text(builder, "dispatchTypeName", text_column(0, 4));
	dispatch_build_text(builder, "status", text_column(0, 5));
	dispatch_build_text(builder, "subStatus", text_column(0, 6));
	dispatch_build_document(builder, "customData", document_column(0, 7));
	dispatch_build_integer(builder, "version", DatumGetInt64(dispatch_result(0, 8, &isnull)));
	build_time_column(builder, "createdAt", 0, 9);
	build_time_column(builder, "updatedAt", 0, 10);
}

/*
 * A dispatch with its jobs and participants; P0002 where there is none.
 */
Jsonb *
dispatch_read_dispatch(const pg_uuid_t *id)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum value = UUIDPGetDatum(id);
	DispatchBuilder builder;
	Jsonb *result;
	uint64 members;

	dispatch_connect();
	if (dispatch_query(DISPATCH_READ_DISPATCH, &value, NULL) == 0)
		dispatch_error_no_dispatch(id);
	dispatch_build_begin(&builder);
	build_dispatch(&builder);
	members = dispatch_query(DISPATCH_READ_MEMBERS, &value, NULL);
	build_kind(&builder, "jobs", "jobId", DISPATCH_JOB, members);
	build_kind(&builder, "participants", "participantId", DISPATCH_PARTICIPANT, members);
	result = dispatch_copy_document(dispatch_build_end(&builder), caller);
	SPI_finish();
	return result;
}

/*
 * Gives each type, by name, to a receiver; or the one with an id, where it is
 * not NULL.
 */
void
dispatch_read_types(const pg_uuid_t *id, DispatchReceiver receive, void *state)
{
	Datum value = id != NULL ? UUIDPGetDatum(id) : (Datum) 0;
	uint64 rows;

	dispatch_connect();
	rows = dispatch_query(DISPATCH_LIST_TYPES, &value, id != NULL ? " " : "n");
	for (uint64 row = 0; row < rows; row++)
	{
		DispatchBuilder builder;
		bool isnull;

		dispatch_build_begin(&builder);
		build_id_column(&builder, "dispatchTypeId", row, 1);
		dispatch_build_text(&builder, "dispatchTypeName", text_column(row, 2));
		dispatch_build_integer(&builder, "revision",
							   DatumGetInt32(dispatch_result(row, 3, &isnull)));
		dispatch_build_boolean(&builder, "additionalAttributes",
							   DatumGetBool(dispatch_result(row, 4, &isnull)));
		dispatch_build_document(&builder, "lifecycle", document_column(row, 5));
		build_time_column(&builder, "createdAt", row, 6);
		build_time_column(&builder, "updatedAt", row, 7);
		receive(state, dispatch_build_end(&builder));
	}
	SPI_finish();
}

typedef struct OneDocument
{
	MemoryContext context;
	Jsonb *document;
} OneDocument;

static void
receive_one(void *state, const Jsonb *document)
{
	OneDocument *one = (OneDocument *) state;

	one->document = dispatch_copy_document(document, one->context);
}

/*
 * One type; P0002 where there is none.
 */
Jsonb *
dispatch_read_type(const pg_uuid_t *id)
{
	OneDocument one = { CurrentMemoryContext, NULL };

	dispatch_read_types(id, receive_one, &one);
	if (one.document == NULL)
		dispatch_error_no_type(dispatch_uuid_text(id));
	return one.document;
}

/*
 * Runs one of the statements that read events (sequence, type, data,
 * event_meta, caller, at), between SPI_connect() and SPI_finish(); how many.
 * P0002 where there is nothing that they could be of. Types are known to be
 * there; a row of dispatches that its owner inserted has no event.
 */
uint64
dispatch_read_events(DispatchStatement statement, const pg_uuid_t *id)
{
	Datum value = UUIDPGetDatum(id);
	uint64 rows = dispatch_query(statement, &value, NULL);

	if (rows == 0 && statement == DISPATCH_READ_EVENTS &&
		dispatch_query(DISPATCH_FIND_STATUS, &value, NULL) == 0)
		dispatch_error_no_dispatch(id);
	return rows;
}

/*
 * Gives each event of a dispatch, oldest first, to a receiver; P0002 where
 * there is no such dispatch.
 */
void
dispatch_read_history(const pg_uuid_t *id, DispatchReceiver receive, void *state)
{
	uint64 rows;

	dispatch_connect();
	rows = dispatch_read_events(DISPATCH_READ_EVENTS, id);
	for (uint64 row = 0; row < rows; row++)
	{
		DispatchBuilder builder;
		bool isnull;

		dispatch_build_begin(&builder);
		dispatch_build_integer(&builder, "sequence",
							   DatumGetInt64(dispatch_result(row, 1, &isnull)));
		dispatch_build_text(&builder, "type", text_column(row, 2));
		dispatch_build_document(&builder, "data", document_column(row, 3));
		dispatch_build_document(&builder, "_event_meta", document_column(row, 4));
		dispatch_build_text(&builder, "caller", text_column(row, 5));
		build_time_column(&builder, "at", row, 6);
		receive(state, dispatch_build_end(&builder));
	}
	SPI_finish();
}
