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
#include "statement.h"

#define MAX_OBJECTS 24

/* A kind of access: what it adds to the one that it includes. */
typedef struct Access
{
	const char *name;
	int includes;                     /* the place of another; -1: none */
	const char *objects[MAX_OBJECTS]; /* functions, tables, views */
} Access;

static const Access kinds[] = {
	{ "read",
	  -1,
	  { "types",
		"attributes",
		"dispatches",
		"jobs",
		"participants",
		"events",
		"callbacks",
		"hosts",
		"get_type",
		"list_types",
		"get_attributes",
		"type_history",
		"validate",
		"is_valid",
		"validate_custom_data",
		"cache_stats",
		"get_dispatch",
		"dispatch_id",
		"history",
		"request",
		"find_dispatches",
		"count_dispatches",
		"dispatch_status_counts" } },
	{ "write",
	  0,
	  { "create_dispatch", "add_job", "add_jobs", "add_participant", "add_participants",
		"remove_job", "remove_jobs", "remove_participant", "remove_participants", "update_status",
		"update_sub_status", "update_custom_data" } },
	{ "admin",
	  1,
	  { "create_type", "create_attributes", "purge", "check_integrity", "retry_callbacks",
		"cancel_callbacks", "pause_host", "resume_host", "backfill_index" } },
	{ "listen", -1, { "claim_callbacks", "finish_callbacks", "renew_callbacks" } },
};

static void
grant(const char *what, const char *role)
{
	char *command = psprintf("GRANT %s TO %s", what, role);

	if (SPI_execute(command, false, 0) != SPI_OK_UTILITY)
		elog(ERROR, "\"%s\" failed", command);
}

/*
 * Grants what one kind adds. GRANT only warns where the caller may not grant
 * all of it: 42501.
 */
static void
grant_kind(const Access *access, Oid role)
{
	const char *name = quote_identifier(GetUserNameFromId(role, false));
	Datum names[MAX_OBJECTS];
	Datum values[2];
	int count = 0;
	char *functions;
	Datum relations;
	bool isnull;

	for (; count < MAX_OBJECTS && access->objects[count] != NULL; count++)
		names[count] = CStringGetTextDatum(access->objects[count]);
	values[0] = PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[1] = ObjectIdGetDatum(role);
	(void) dispatch_query(DISPATCH_FIND_OBJECTS, values, NULL);
	functions = TextDatumGetCString(dispatch_result(0, 1, &isnull));
	relations = dispatch_result(0, 2, &isnull);
	if (!isnull)
		grant(psprintf("SELECT ON %s", TextDatumGetCString(relations)), name);
	grant(psprintf("EXECUTE ON FUNCTION %s", functions), name);
	(void) dispatch_execute(DISPATCH_CHECK_RIGHTS, values, NULL);
	if (!DatumGetBool(dispatch_result(0, 1, &isnull)))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to grant %s access", access->name),
						errhint("It takes the grant option on all that belongs to it, as the "
								"owner of the extension has.")));
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
	Oid role;
	char *name;
	int kind = 0;

	if (PG_ARGISNULL(0))
		dispatch_error_null("role");
	if (PG_ARGISNULL(1))
		dispatch_error_null("access");
	role = PG_GETARG_OID(0);
	name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	while (kind < (int) lengthof(kinds) && strcmp(kinds[kind].name, name) != 0)
		kind++;
	if (kind == (int) lengthof(kinds))
		dispatch_error_malformed("access", "\"%s\" must be read, write, admin or listen.",
								 dispatch_cut(name));
	dispatch_connect();
	grant("USAGE ON SCHEMA dispatch", quote_identifier(GetUserNameFromId(role, false)));
	for (; kind >= 0; kind = kinds[kind].includes)
		grant_kind(&kinds[kind], role);
	SPI_finish();
	PG_RETURN_VOID();
}
