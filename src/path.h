/*
 * path.h
 *	  What leads to the dispatches that are searched for, as statements.
 */
#ifndef DISPATCH_PATH_H
#define DISPATCH_PATH_H

#include "postgres.h"

#include "filter.h"
#include "find.h"

/* The parameters of all statements: the type, the first id, how many rows, the status, the final
 * statuses, the job, the participant, the filter, how far a path is walked or looked at; then the
 * range of each slot. */
#define DISPATCH_FIRST_PARAMETER(slot) (10 + 2 * (slot))
#define DISPATCH_LAST_PARAMETER(slot) (11 + 2 * (slot))
#define DISPATCH_PARAMETERS (9 + 2 * DISPATCH_MAX_INDEXED)

typedef enum DispatchPathKind
{
	DISPATCH_PATH_JOB,
	DISPATCH_PATH_PARTICIPANT,
	DISPATCH_PATH_SLOT,
	DISPATCH_PATH_FINAL, /* closed, in one status */
	DISPATCH_PATH_OPEN,
	DISPATCH_PATH_TYPES, /* all of a type, or of each type what is open or in a status */
	DISPATCH_PATH_ID     /* all */
} DispatchPathKind;

/* What leads to dispatches. */
typedef struct DispatchPath
{
	DispatchPathKind kind;
	int slot;     /* of DISPATCH_PATH_SLOT, from 0 */
	bool ordered; /* by ids */
} DispatchPath;

/* What a statement does with a path. */
typedef enum DispatchWay
{
	DISPATCH_WAY_PAGE,  /* the first ids */
	DISPATCH_WAY_WALK,  /* those among the first rows of the path, $9 */
	DISPATCH_WAY_LOOK,  /* how many rows it has, up to $9 */
	DISPATCH_WAY_COUNT, /* how many ids */
} DispatchWay;

/* What is asked for. */
typedef struct DispatchAsked
{
	const DispatchSearch *search;
	DispatchFilter filter;
	bool final; /* the status is a final one of the type */
	bool open;  /* what is closed cannot be it */
} DispatchAsked;

extern char *dispatch_path_statement(const DispatchAsked *asked, const DispatchPath *path,
									 DispatchWay way);

#endif
