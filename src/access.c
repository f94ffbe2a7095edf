/*
 * access.c
 *	  Grants what a kind of access needs, with the caller's own rights.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "error.h"
#include "operation.h"
#include "statement.h"

#define MAX_FUNCTIONS 24

/* A kind of access: what it adds to the one that it includes. */
typedef struct Access
{
	const char *name;
	int includes; /* the place of another; -1: none */
	const char *relations;
	const char *functions[MAX_FUNCTIONS];
} Access;

static const Access kinds[] = {
	{ "read",
	  -1,
	  "dispatch.types, dispatch.attributes, dispatch.dispatches, dispatch.jobs, "
	  "dispatch.participants, dispatch.events, dispatch.callbacks",
	  { "get_type", "list_types", "get_attributes", "type_history", "validate", "is_valid",
		"get_dispatch", "dispatch_id", "history", "request" } },
	{ "write",
	  0,
	  NULL,
	  { "create_dispatch", "add_job", "add_jobs", "add_participant", "add_participants",
		"remove_job", "remove_jobs", "remove_participant", "remove_participants", "update_status",
		"update_sub_status", "update_custom_data", "merge_patch", "uuidv7" } },
	{ "admin", 1, NULL, { "create_type", "create_attributes", "purge", "check_integrity" } },
	{ "listen", -1, NULL, { "claim_callbacks", "finish_callbacks", "renew_callbacks" } },
};

static void
grant(const char *what, const char *role)
{
	char *command = psprintf("GRANT %s TO %s", what, role);

	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed", command);
}

/*
 * Grants what one kind adds.
 */
static void
grant_kind(const Access *access, const char *role)
{
	Datum names[MAX_FUNCTIONS];
	Datum array;
	int count = 0;
	bool isnull;

	while (count < MAX_FUNCTIONS && access->functions[count] != NULL)
	{
		names[count] = CStringGetTextDatum(access->functions[count]);
		count++;
	}
	array = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	(void) dispatch_query(DISPATCH_FIND_FUNCTIONS, &array, NULL);
	grant(psprintf("EXECUTE ON FUNCTION %s", TextDatumGetCString(dispatch_result(0, 1, &isnull))),
		  role);
	if (access->relations != NULL)
		grant(psprintf("SELECT ON %s", access->relations), role);
}

PG_FUNCTION_INFO_V1(dispatch_grant_access);

/*
 * grant_access(role regrole, access text): read, write (which includes read),
 * admin (which includes write) or listen. 22023: another kind; 42704: no such
 * role; 42501: the caller may not grant it.
 */
Datum
dispatch_grant_access(PG_FUNCTION_ARGS)
{
	const char *role;
	char *name;
	int kind = 0;

	if (PG_ARGISNULL(0))
		dispatch_error_null("role");
	if (PG_ARGISNULL(1))
		dispatch_error_null("access");
	role = quote_identifier(GetUserNameFromId(PG_GETARG_OID(0), false));
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	while (kind < (int) lengthof(kinds) && strcmp(kinds[kind].name, name) != 0)
		kind++;
	if (kind == (int) lengthof(kinds))
		dispatch_error_malformed("access", "\"%s\" must be read, write, admin or listen.",
								 dispatch_cut(name));
	dispatch_connect();
	grant("USAGE ON SCHEMA dispatch", role);
	for (; kind >= 0; kind = kinds[kind].includes)
		grant_kind(&kinds[kind], role);
	SPI_finish();
	PG_RETURN_VOID();
}
