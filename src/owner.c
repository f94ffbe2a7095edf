/*
 * owner.c
 *	  Who called, and running something with the rights of the tables' owner,
 *	  where a function as a whole runs as its invoker.
 */
#include "postgres.h"

#include "owner.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"

/*
 * The role that called, outside of all SECURITY DEFINER functions.
 */
char *
dispatch_caller(void)
{
	return GetUserNameFromId(GetOuterUserId(), false);
}

/*
 * The oid of dispatch.types; another one after DROP and CREATE EXTENSION.
 */
Oid
dispatch_types_relid(void)
{
	Oid relid = get_relname_relid("types", get_namespace_oid("dispatch", false));

	if (!OidIsValid(relid))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation \"dispatch.types\" does not exist")));
	return relid;
}

/*
 * Becomes the owner of the tables, with the search_path that the SECURITY DEFINER
 * functions have, in which nothing of the caller's is found; who it was before.
 * An error undoes it with its transaction.
 */
DispatchUser
dispatch_become_owner(void)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(dispatch_types_relid()));
	DispatchUser user;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "relation \"dispatch.types\" has gone");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	GetUserIdAndSecContext(&user.id, &user.security);
	user.settings = NewGUCNestLevel();
	SetUserIdAndSecContext(owner, user.security | SECURITY_LOCAL_USERID_CHANGE);
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return user;
}

/*
 * Becomes the caller again.
 */
void
dispatch_become_caller(const DispatchUser *user)
{
	AtEOXact_GUC(true, user->settings);
	SetUserIdAndSecContext(user->id, user->security);
}
