/*
 * error.c
 *	  The errors that more than one room raises, and how values are shown in them.
 *
 * Messages follow PostgreSQL's error style guide: a lower case message without
 * a period, DETAIL and HINT in full sentences, values in double quotes and cut.
 */
#include "postgres.h"

#include "error.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "document.h"

/* How many characters of a value are shown. */
#define SHOWN 64

/*
 * A text as messages show it: cut after so many characters. Allocated in the
 * current context where it is cut.
 */
const char *
dispatch_cut_at(const char *text, int characters)
{
	int length = strlen(text);
	int shown = length > characters ? pg_mbcharcliplen(text, length, characters) : length;

	return shown < length ? psprintf("%.*s...", shown, text) : text;
}

/*
 * The same for a value.
 */
const char *
dispatch_cut(const char *text)
{
	return dispatch_cut_at(text, SHOWN);
}

/*
 * An id as text, allocated in the current context.
 */
char *
dispatch_uuid_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

/*
 * 22023: an argument that must be given is NULL.
 */
void
dispatch_error_null(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be null", argument)));
	pg_unreachable();
}

/*
 * 22023: something is not of the form it should have; the detail says how.
 */
void
dispatch_error_malformed_detail(const char *what, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid %s", what),
					errdetail_internal("%s", detail)));
	pg_unreachable();
}

/*
 * P0002: no type has this name or id.
 */
void
dispatch_error_no_type(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("dispatch type \"%s\" does not exist", dispatch_cut(name)),
					errhint("dispatch.list_types() shows the types that there are.")));
	pg_unreachable();
}

/*
 * P0002: no dispatch has this id.
 */
void
dispatch_error_no_dispatch(const pg_uuid_t *id)
{
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("dispatch \"%s\" does not exist", dispatch_uuid_text(id))));
	pg_unreachable();
}

/*
 * 55000: a dispatch is in a final status.
 */
void
dispatch_error_final(const pg_uuid_t *id, const char *status)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("dispatch \"%s\" is in the final status \"%s\"", dispatch_uuid_text(id),
						   status),
					errdetail("Nothing of a dispatch in a final status changes any more.")));
	pg_unreachable();
}

/*
 * Checks a text's length in characters; 22023 when it is out of bounds.
 */
void
dispatch_check_length(const char *argument, const char *text, int min, int max)
{
	int bytes = strlen(text);
	int characters;

	/* Bytes are at least as many as characters: most texts need no count. */
	if (bytes <= max && bytes >= min * MAX_MULTIBYTE_CHAR_LEN)
		return;
	characters = pg_mbstrlen_with_len(text, bytes);
	if (characters >= min && characters <= max)
		return;
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s must have %d to %d characters", argument, min, max),
					errdetail("\"%s\" has %d.", dispatch_cut(text), characters)));
}

/*
 * For PG_CATCH: whether what was caught is that a unique constraint of ours
 * was broken. Then it is forgotten, and *detail says by which key, in the
 * given context. A message of our own is due, or else PG_RE_THROW().
 */
bool
dispatch_caught_duplicate(const char *constraint, MemoryContext context, const char **detail)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->schema_name == NULL ||
		error->constraint_name == NULL || strcmp(error->schema_name, "dispatch") != 0 ||
		strcmp(error->constraint_name, constraint) != 0)
		return false;
	FlushErrorState();
	*detail = error->detail != NULL ? error->detail : "";
	return true;
}

/*
 * Requires a document to be an object; 22023 where it is not.
 */
void
dispatch_check_object(const char *what, const Jsonb *document)
{
	DispatchValue root = dispatch_root(document);

	if (root.kind != DISPATCH_OBJECT)
		dispatch_error_malformed(what, "It must be a JSON object, but is of type %s.",
								 dispatch_kind_name(root.kind));
}
