/*
 * plan.c
 *	  How the statements are planned: by index, and never compiled.
 *
 * A plan is kept for as long as the session, and the table that was small when it
 * was made may be large by then, so it must not read a table from end to end where
 * there is an index. Where there is none, the cost that this is to the planner
 * would make it compile the statement (JIT), at each execution: 65 ms.
 *
 * A hook sets that for our statements alone, whenever one is planned. Settings of
 * our functions would hold for what users' triggers do within them, too.
 */
#include "postgres.h"

#include "plan.h"

#include "optimizer/planner.h"
#include "utils/guc.h"

DispatchPlanned dispatch_planned = { NULL, DISPATCH_BY_INDEX };

/* The settings under which statements are planned: the first for all, the others for some. */
static const struct
{
	const char *name;
	const char *value;
	DispatchPlanning planning;
} settings[] = {
	{ "enable_seqscan", "off", DISPATCH_BY_INDEX },
	{ "jit", "off", DISPATCH_BY_INDEX },
	{ "enable_bitmapscan", "off", DISPATCH_IN_ORDER },
	{ "enable_sort", "off", DISPATCH_IN_ORDER },
	{ "enable_incremental_sort", "off", DISPATCH_IN_ORDER },
	{ "max_parallel_workers_per_gather", "0", DISPATCH_IN_ORDER },
	{ "enable_nestloop", "off", DISPATCH_BY_HASH },
};

static planner_hook_type next_hook = NULL;

static PlannedStmt *
plan_on(Query *query, const char *text, int options, ParamListInfo parameters)
{
	return next_hook != NULL ? next_hook(query, text, options, parameters)
							 : standard_planner(query, text, options, parameters);
}

/*
 * Plans a query, where it is ours with our settings. An error undoes them with its
 * transaction.
 */
static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	DispatchPlanning planning = dispatch_planned.planning;
	PlannedStmt *planned;
	int level;

	if (dispatch_planned.text == NULL || text == NULL || strcmp(text, dispatch_planned.text) != 0)
		return plan_on(query, text, options, parameters);
	level = NewGUCNestLevel();
	for (int i = 0; i < (int) lengthof(settings); i++)
		if (settings[i].planning == DISPATCH_BY_INDEX || settings[i].planning == planning)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	planned = plan_on(query, text, options, parameters);
	AtEOXact_GUC(true, level);
	return planned;
}

/*
 * Registers with the server, once a backend.
 */
void
dispatch_plan_init(void)
{
	next_hook = planner_hook;
	planner_hook = plan;
}
