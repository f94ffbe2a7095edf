/*
 * lifecycle.h
 *	  Statuses and the transitions between them.
 */
#ifndef DISPATCH_LIFECYCLE_H
#define DISPATCH_LIFECYCLE_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef struct DispatchStatus
{
	char *name;
	bool final;
	int ntargets;
	int *targets; /* statuses that may follow, by their place */
} DispatchStatus;

typedef struct DispatchLifecycle
{
	int initial;
	int count;
	DispatchStatus *statuses;
} DispatchLifecycle;

extern Jsonb *dispatch_lifecycle_default(void);
extern DispatchLifecycle *dispatch_lifecycle_parse(const Jsonb *document);
extern int dispatch_lifecycle_find(const DispatchLifecycle *lifecycle, const char *status);
extern bool dispatch_lifecycle_allows(const DispatchLifecycle *lifecycle, int from, int to);
extern char *dispatch_lifecycle_targets(const DispatchLifecycle *lifecycle, int from);
extern void dispatch_lifecycle_check_name(const char *what, const char *status);

#endif
