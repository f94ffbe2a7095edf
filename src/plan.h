/*
 * plan.h
 *	  How the statements are planned.
 */
#ifndef DISPATCH_PLAN_H
#define DISPATCH_PLAN_H

#include "postgres.h"

typedef enum DispatchPlanning
{
	DISPATCH_BY_INDEX, /* the others too */
	DISPATCH_IN_ORDER, /* it walks an index in its order, and stops early */
	DISPATCH_BY_HASH   /* it joins sets that are larger than the planner can know */
} DispatchPlanning;

/* What is run now, in this session. */
typedef struct DispatchPlanned
{
	const char *text; /* of the statement; NULL: nothing of ours is run */
	DispatchPlanning planning;
} DispatchPlanned;

extern DispatchPlanned dispatch_planned;

extern void dispatch_plan_init(void);

#endif /* DISPATCH_PLAN_H */
