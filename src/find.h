/*
 * find.h
 *	  Searches for dispatches.
 */
#ifndef DISPATCH_FIND_H
#define DISPATCH_FIND_H

#include "postgres.h"

#include "type_cache.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* How many ids a search returns, where it is not said, and at most. */
#define DISPATCH_FIND_DEFAULT 100
#define DISPATCH_FIND_MAX 10000

/* What is searched for. NULL: any. */
typedef struct DispatchSearch
{
	const DispatchType *type;
	const Jsonb *filter;
	const char *status;
	const char *job_id;
	const char *participant_id;
	bool open_only;
	const pg_uuid_t *after; /* only ids above this one */
	int max_rows;
} DispatchSearch;

extern uint64 dispatch_find_page(const DispatchSearch *search);
extern int64 dispatch_find_count(const DispatchSearch *search);
extern uint64 dispatch_find_status_counts(const DispatchType *type, bool open_only);

#endif
