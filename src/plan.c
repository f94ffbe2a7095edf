/*
 * plan.c
 *	  How the statements are planned: by index, for large tables, and never compiled.
 *
 * A plan is kept for as long as the session, and the table that was small when it
 * was made may be large by then. So no table is read from end to end where there is
 * an index, and each is taken for a large one: of a table that was analyzed while it
 * was empty all indexes seem to have one page, and the planner may go through one
 * that only has the column somewhere (measured: 50,000 dispatches took 10 minutes to
 * delete, now 0.4 s). What that costs in the planner's view would make it compile
 * statements (JIT), at each execution: 65 ms.
 *
 * Hooks set that for our statements alone, whenever one is planned. Settings of our
 * functions would hold for what users' triggers do within them, too.
 */
#include "postgres.h"

#include "plan.h"

#include "access/transam.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "utils/guc.h"

DispatchPlanned dispatch_planned = { NULL, DISPATCH_BY_INDEX };

/* The settings under which statements are planned: those of DISPATCH_BY_INDEX for all, then others for
 * some. What they rely on may be off in the session. */
static const struct
{
	const char *name;
	const char *value;
	DispatchPlanning planning;
} settings[] = {
	{ "enable_seqscan", "off", DISPATCH_BY_INDEX },
	{ "enable_bitmapscan", "off", DISPATCH_BY_INDEX },
	{ "enable_indexscan", "on", DISPATCH_BY_INDEX },
	{ "enable_indexonlyscan", "on", DISPATCH_BY_INDEX },
	{ "enable_tidscan", "on", DISPATCH_BY_INDEX },
	{ "enable_nestloop", "on", DISPATCH_BY_INDEX },
	{ "jit", "off", DISPATCH_BY_INDEX },
	{ "enable_sort", "off", DISPATCH_IN_ORDER },
	{ "enable_incremental_sort", "off", DISPATCH_IN_ORDER },
	{ "enable_hashjoin", "on", DISPATCH_BY_HASH },
	{ "enable_nestloop", "off", DISPATCH_BY_HASH },
};

/* What a table has at least: rows, and how many of them and of an index's entries are on a page. */
#define ROWS 1000000.0
#define ROWS_A_PAGE 50
#define ENTRIES_A_PAGE 100

/* What a partial index has at least. */
#define PART_OF_ROWS (ROWS / 10)

static planner_hook_type next_hook = NULL;
static get_relation_info_hook_type next_relation_hook = NULL;

/* Whether a statement of ours is planned. */
static bool planning = false;

static PlannedStmt *
plan_on(Query *query, const char *text, int options, ParamListInfo parameters)
{
	return next_hook != NULL ? next_hook(query, text, options, parameters)
							 : standard_planner(query, text, options, parameters);
}

/*
 * Plans a statement of ours. An error undoes the settings with its transaction.
 */
static PlannedStmt *
plan_ours(Query *query, const char *text, int options, ParamListInfo parameters)
{
	DispatchPlanning how = dispatch_planned.planning;
	int level = NewGUCNestLevel();
	PlannedStmt *planned;

	for (int i = 0; i < (int) lengthof(settings); i++)
		if (settings[i].planning == DISPATCH_BY_INDEX || settings[i].planning == how)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	planned = plan_on(query, text, options, parameters);
	AtEOXact_GUC(true, level);
	return planned;
}

/*
 * Plans a statement, ours or, while it is planned, one of a function that it calls for.
 */
static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	bool outer = planning;
	PlannedStmt *planned;

	planning =
		dispatch_planned.text != NULL && text != NULL && strcmp(text, dispatch_planned.text) == 0;
	PG_TRY();
	{
		planned = planning ? plan_ours(query, text, options, parameters)
						   : plan_on(query, text, options, parameters);
	}
	PG_FINALLY();
	{
		planning = outer;
	}
	PG_END_TRY();
	return planned;
}

/*
 * Makes a table that is no catalog a large one, for the planner.
 */
static void
enlarge(PlannerInfo *root, Oid relid, bool inherited, RelOptInfo *table)
{
	ListCell *cell;

	if (next_relation_hook != NULL)
		next_relation_hook(root, relid, inherited, table);
	if (!planning || inherited || relid < FirstNormalObjectId)
		return;
	table->tuples = Max(table->tuples, ROWS);
	table->pages = Max(table->pages, (BlockNumber) (ROWS / ROWS_A_PAGE));
	foreach (cell, table->indexlist)
	{
		IndexOptInfo *index = (IndexOptInfo *) lfirst(cell);
		double least = index->indpred == NIL ? ROWS : PART_OF_ROWS;

		index->tuples = Max(index->tuples, least);
		index->pages = Max(index->pages, (BlockNumber) (least / ENTRIES_A_PAGE));
		index->tree_height = Max(index->tree_height, 2);
	}
}

/*
 * Registers with the server, once a backend.
 */
void
dispatch_plan_init(void)
{
	next_hook = planner_hook;
	planner_hook = plan;
	next_relation_hook = get_relation_info_hook;
	get_relation_info_hook = enlarge;
}
