/*
 * compat.h
 *	  What differs between the PostgreSQL versions that dispatch builds for
 *	  (13 to 18). The only place that looks at PG_VERSION_NUM.
 */
#ifndef DISPATCH_COMPAT_H
#define DISPATCH_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 130000
#error "dispatch needs PostgreSQL 13 or later"
#endif

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#include "utils/guc.h"
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

#include "catalog/pg_proc.h"
#include "utils/acl.h"

/* Whether a role may execute a function. */
static inline bool
dispatch_may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

#include "storage/lock.h"

/* Whether this session holds a lock, in just that mode. */
static inline bool
dispatch_holds_lock(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* Before 14 a hash table with keys that are strings is what no flag asks for. */
#include "utils/hsearch.h"
#ifndef HASH_STRINGS
#define HASH_STRINGS 0
#endif

#ifdef PG_MODULE_MAGIC_EXT
#define DISPATCH_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "dispatch", .version = "1.0")
#else
#define DISPATCH_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#if PG_VERSION_NUM < 150000
/* InitMaterializedSRF() of later servers, in what 13 and 14 offer. */
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/tuplestore.h"

static inline void
InitMaterializedSRF(FunctionCallInfo fcinfo, int flags)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	TupleDesc tupdesc;

	if (rsinfo == NULL || !IsA(rsinfo, ReturnSetInfo) ||
		(rsinfo->allowedModes & SFRM_Materialize) == 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("set-valued function called in context that cannot accept a set")));
	old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
	if ((flags & 0x01) != 0)
		tupdesc = CreateTupleDescCopy(rsinfo->expectedDesc);
	else if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0,
											  false, work_mem);
	rsinfo->setDesc = tupdesc;
	MemoryContextSwitchTo(old);
}

#define MAT_SRF_USE_EXPECTED_DESC 0x01
#endif

#endif
