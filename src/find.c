/*
 * find.c
 *	  Searches for dispatches: by which index, and with which statement.
 *
 * Each thing that is asked for (an indexed attribute, a status, a job, a
 * participant, what is open) has an index that leads to it; we call it a path.
 * All but that of a range lead to ids in their order, so a page is the first rows
 * from where it begins. With one thing asked for, its path is walked. With
 * several, a look at each path says which of them are short:
 *
 * - The shortest, where it is short, is walked to its end, the rest is compared.
 * - Else each path in the order of ids is walked for a while: where what is asked
 *   for is not rare, one of them fills the page.
 * - Else we look on, and the shortest is walked to its end, or read and sorted where it
 *   is a range. A look, which reads the index only, is several times as quick as a walk.
 *
 * The planner could choose only by statistics, which are often wrong about this,
 * and saved plans would be right for some values only: equality with a range took
 * 350 to 1,100 ms by a saved plan instead of 5. So each statement is written such that one
 * index alone gives the order that it asks for (equality as a comparison of
 * rows, since an = drops its column from the order), and planned with sorting,
 * sequential and bitmap scans switched off.
 */
#include "postgres.h"

#include "find.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "compat.h"
#include "error.h"
#include "filter.h"
#include "lifecycle.h"
#include "statement.h"
#include "uuid.h"

/* Up to so many rows a path is short. */
#define SHORT_PATH 2000

/* So many rows of a path that is not short are walked before another one is tried: about 5 ms. */
#define LONG_WALK 20000

/* The parameters of all statements: the type, the first id, how many rows, the status, the final
 * statuses, the job, the participant, the filter, how far a path is walked or looked at; then the
 * range of each slot. */
#define FIRST_PARAMETER(slot) (10 + 2 * (slot))
#define LAST_PARAMETER(slot) (11 + 2 * (slot))
#define PARAMETERS (9 + 2 * DISPATCH_MAX_INDEXED)

typedef enum PathKind
{
	PATH_JOB,
	PATH_PARTICIPANT,
	PATH_SLOT,
	PATH_FINAL, /* closed, in one status */
	PATH_OPEN,
	PATH_TYPES, /* all of a type, or of each type what is open or in a status */
	PATH_ID     /* all */
} PathKind;

/* What leads to dispatches. */
typedef struct Path
{
	PathKind kind;
	int slot;     /* of PATH_SLOT, from 0 */
	bool ordered; /* by ids */
} Path;

#define MOST_PATHS (DISPATCH_MAX_INDEXED + 4)

/* What a statement does with a path. */
typedef enum Way
{
	WAY_PAGE,  /* the first ids */
	WAY_WALK,  /* those among the first rows of the path, $9 */
	WAY_LOOK,  /* how many rows it has, up to $9 */
	WAY_COUNT, /* how many ids */
} Way;

/* A search that runs. */
typedef struct Finder
{
	const DispatchSearch *search;
	DispatchFilter filter;
	bool final; /* the status is a final one of the type */
	bool open;  /* what is closed cannot be it */
	int npaths;
	Path paths[MOST_PATHS];
	Datum values[PARAMETERS];
	char nulls[PARAMETERS + 1];
} Finder;

/*
 * The settings under which the statements are planned. JIT would come of the
 * cost that switching something off is to the planner.
 */
static const struct
{
	const char *name;
	const char *value;
} planner_settings[] = {
	{ "enable_seqscan", "off" },
	{ "enable_bitmapscan", "off" },
	{ "enable_sort", "off" },
	{ "enable_incremental_sort", "off" },
	{ "jit", "off" },
	{ "max_parallel_workers_per_gather", "0" },
};

static int
begin_settings(void)
{
	int level = NewGUCNestLevel();

	for (int i = 0; i < (int) lengthof(planner_settings); i++)
		(void) set_config_option(planner_settings[i].name, planner_settings[i].value, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

static void
set_value(Finder *finder, int parameter, Datum value)
{
	finder->values[parameter - 1] = value;
	finder->nulls[parameter - 1] = ' ';
}

/*
 * The final statuses of a type, as an array.
 */
static Datum
final_statuses(const DispatchLifecycle *lifecycle)
{
	Datum *names = palloc(lifecycle->count * sizeof(Datum));
	int count = 0;

	for (int i = 0; i < lifecycle->count; i++)
		if (lifecycle->statuses[i].final)
			names[count++] = CStringGetTextDatum(lifecycle->statuses[i].name);
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * Sets the values of all that is asked for.
 */
static void
bind(Finder *finder)
{
	const DispatchSearch *search = finder->search;

	if (search->type != NULL)
	{
		set_value(finder, 1, UUIDPGetDatum(&search->type->id));
		set_value(finder, 5, final_statuses(search->type->lifecycle));
	}
	if (search->status != NULL)
		set_value(finder, 4, CStringGetTextDatum(search->status));
	if (search->job_id != NULL)
		set_value(finder, 6, CStringGetTextDatum(search->job_id));
	if (search->participant_id != NULL)
		set_value(finder, 7, CStringGetTextDatum(search->participant_id));
	if (finder->filter.inexact)
		set_value(finder, 8, JsonbPGetDatum(search->filter));
	for (int i = 0; i < finder->filter.count; i++)
	{
		const DispatchCondition *condition = &finder->filter.conditions[i];

		set_value(finder, FIRST_PARAMETER(condition->slot),
				  PointerGetDatum(condition->range.first));
		set_value(finder, LAST_PARAMETER(condition->slot), PointerGetDatum(condition->range.last));
	}
}

static void
add_path(Finder *finder, PathKind kind, int slot, bool ordered)
{
	finder->paths[finder->npaths++] = (Path){ kind, slot, ordered };
}

/*
 * Lists the paths, those that are likely to be short first: little is open, and most is closed.
 */
static void
list_paths(Finder *finder)
{
	const DispatchSearch *search = finder->search;

	if (search->job_id != NULL)
		add_path(finder, PATH_JOB, 0, true);
	if (search->participant_id != NULL)
		add_path(finder, PATH_PARTICIPANT, 0, true);
	if (search->type != NULL && finder->open)
		add_path(finder, PATH_OPEN, 0, true);
	for (int i = 0; i < finder->filter.count; i++)
		add_path(finder, PATH_SLOT, finder->filter.conditions[i].slot,
				 finder->filter.conditions[i].one);
	if (search->type != NULL && finder->final)
		add_path(finder, PATH_FINAL, 0, true);
	if (finder->npaths > 0)
		return;
	if (search->type != NULL || search->status != NULL || search->open_only)
		add_path(finder, PATH_TYPES, 0, true);
	else
		add_path(finder, PATH_ID, 0, true);
}

/*
 * 55000: an attribute that is asked for is one of those whose slots are missing in
 * older dispatches.
 */
static void
check_missing(const Finder *finder, int missing)
{
	const DispatchType *type = finder->search->type;

	for (int i = 0; i < finder->filter.count; i++)
	{
		int slot = finder->filter.conditions[i].slot;
		const DispatchKey *name = &type->slots[slot]->name;

		if (missing & (1 << slot))
			ereport(
				ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("older dispatches of type \"%s\" are not indexed by \"%.*s\" yet",
						type->name, name->length, name->data),
				 errhint("Call dispatch.backfill_index('%s') until it returns 0.", type->name)));
	}
}

/*
 * Requires the slots that are asked for to be filled in all dispatches that the
 * snapshot shows; 55000. Where it shows an older type than the one that we have, of
 * which the attribute may not be part, they need not be, and nothing says so; 40001.
 */
static void
check_filled(const Finder *finder)
{
	const DispatchType *type = finder->search->type;
	Datum value = UUIDPGetDatum(&type->id);
	int missing;
	bool isnull;

	if (!type->program.additional || dispatch_query(DISPATCH_FIND_BACKFILL, &value, NULL) == 0)
		return;
	if (DatumGetInt32(dispatch_result(0, 1, &isnull)) != type->revision)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("dispatch type \"%s\" got attributes after the transaction's snapshot "
						"was taken",
						type->name),
				 errhint("Search again, in another transaction.")));
	missing = DatumGetInt32(dispatch_result(0, 2, &isnull));
	if (!isnull)
		check_missing(finder, missing);
}

/*
 * Checks what is asked for, and prepares to find it. False where nothing can be
 * found. 22023, P0002, 40001, 55000.
 */
static bool
prepare(Finder *finder, const DispatchSearch *search)
{
	int status = -1;

	memset(finder, 0, sizeof(*finder));
	memset(finder->nulls, 'n', PARAMETERS);
	finder->search = search;
	if (search->type != NULL)
		dispatch_filter_parse(search->type, search->filter, &finder->filter);
	else
	{
		dispatch_check_object("filter", search->filter);
		if (JB_ROOT_COUNT(search->filter) > 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("a filter needs a dispatch type"),
							errdetail("Attributes belong to a type.")));
	}
	if (finder->filter.count > 0)
		check_filled(finder);
	if (search->type != NULL && search->status != NULL)
	{
		status = dispatch_lifecycle_find(search->type->lifecycle, search->status);
		finder->final = status >= 0 && search->type->lifecycle->statuses[status].final;
		if (status < 0 || (finder->final && search->open_only))
			return false;
	}
	finder->open = search->open_only || (status >= 0 && !finder->final);
	list_paths(finder);
	bind(finder);
	return !finder->filter.nothing;
}

/*
 * Writes the rows of a path from the id $2 on.
 */
static void
write_path(StringInfo text, const Path *path)
{
	int slot = path->slot + 1;
	int first = FIRST_PARAMETER(path->slot);
	int last = LAST_PARAMETER(path->slot);

	switch (path->kind)
	{
		case PATH_JOB:
		case PATH_PARTICIPANT:
			appendStringInfo(text,
							 "(m.member_id, m.kind, m.dispatch_id) >= ($%d, '%c', $2)"
							 " AND (m.member_id, m.kind) <= ($%d, '%c')",
							 path->kind == PATH_JOB ? 6 : 7, path->kind == PATH_JOB ? 'j' : 'p',
							 path->kind == PATH_JOB ? 6 : 7, path->kind == PATH_JOB ? 'j' : 'p');
			break;
		case PATH_SLOT:
			if (path->ordered)
				appendStringInfo(text, "(d.slot%d, d.id) >= ($%d, $2) AND d.slot%d < $%d", slot,
								 first, slot, last);
			else
				appendStringInfo(text, "d.slot%d >= $%d AND d.slot%d < $%d AND d.id >= $2", slot,
								 first, slot, last);
			break;
		case PATH_FINAL:
			appendStringInfoString(text, "(d.type_id, d.final_status, d.id) >= ($1, $4, $2)"
										 " AND (d.type_id, d.final_status) <= ($1, $4)"
										 " AND d.final_status IS NOT NULL");
			break;
		case PATH_OPEN:
			appendStringInfoString(text, "(d.type_id, d.id) >= ($1, $2) AND d.type_id <= $1"
										 " AND d.closed_at IS NULL");
			break;
		case PATH_ID:
			appendStringInfoString(text, "d.id >= $2");
			break;
		case PATH_TYPES:
			break;
	}
}

/*
 * Writes the columns by which a path is ordered, of the table of that name.
 */
static void
write_order(StringInfo text, const Path *path, const char *table)
{
	switch (path->kind)
	{
		case PATH_JOB:
		case PATH_PARTICIPANT:
			appendStringInfo(text, "%s.member_id, %s.kind, %s.dispatch_id", table, table, table);
			break;
		case PATH_SLOT:
			appendStringInfo(text, "%s.slot%d, %s.id", table, path->slot + 1, table);
			break;
		case PATH_FINAL:
			appendStringInfo(text, "%s.type_id, %s.final_status, %s.id", table, table, table);
			break;
		case PATH_OPEN:
			appendStringInfo(text, "%s.type_id, %s.id", table, table);
			break;
		case PATH_ID:
			appendStringInfo(text, "%s.id", table);
			break;
		case PATH_TYPES:
			break;
	}
}

/*
 * What is asked for besides what the path leads to: conditions on a dispatch, each
 * after an AND. A subquery with a LIMIT is not pulled up into a
 * join, whose order would be the planner's.
 */
static char *
rest_of(const Finder *finder, const Path *path)
{
	const DispatchSearch *search = finder->search;
	StringInfoData text;

	initStringInfo(&text);
	if (search->type != NULL && finder->filter.count == 0 && path->kind != PATH_FINAL &&
		path->kind != PATH_OPEN && path->kind != PATH_TYPES)
		appendStringInfoString(&text, " AND d.type_id = $1");
	if (search->status != NULL && path->kind != PATH_FINAL)
		appendStringInfoString(&text, " AND d.status = $4");
	if (finder->open && path->kind != PATH_OPEN)
		appendStringInfoString(&text, " AND d.closed_at IS NULL");
	for (int i = 0; i < finder->filter.count; i++)
	{
		int slot = finder->filter.conditions[i].slot;

		if (path->kind != PATH_SLOT || slot != path->slot)
			appendStringInfo(&text, " AND d.slot%d >= $%d AND d.slot%d < $%d", slot + 1,
							 FIRST_PARAMETER(slot), slot + 1, LAST_PARAMETER(slot));
	}
	if (search->job_id != NULL && path->kind != PATH_JOB)
		appendStringInfoString(&text, " AND (SELECT true FROM dispatch.members AS j"
									  " WHERE j.dispatch_id = d.id AND j.kind = 'j'"
									  " AND j.member_id = $6 LIMIT 1)");
	if (search->participant_id != NULL && path->kind != PATH_PARTICIPANT)
		appendStringInfoString(&text, " AND (SELECT true FROM dispatch.members AS p"
									  " WHERE p.dispatch_id = d.id AND p.kind = 'p'"
									  " AND p.member_id = $7 LIMIT 1)");
	if (finder->filter.inexact)
		appendStringInfoString(&text, " AND dispatch.fits(d.custom_data, $8)");
	return text.data;
}

static bool
by_member(const Path *path)
{
	return path->kind == PATH_JOB || path->kind == PATH_PARTICIPANT;
}

/*
 * A condition: that the rest holds for a row of a path. That of a member is looked up: what is
 * open in the index of that, which alone has that order, since most of a member's
 * dispatches are closed, and not in memory.
 */
static const char *
condition_of(const Finder *finder, const Path *path, const char *rest)
{
	if (!by_member(path))
		return psprintf("(true%s)", rest);
	if (!finder->open)
		return psprintf("(SELECT true FROM dispatch.dispatches AS d"
						" WHERE d.id = m.dispatch_id%s LIMIT 1)",
						rest);
	return psprintf("(SELECT true FROM dispatch.dispatches AS d"
					" WHERE d.id >= m.dispatch_id AND d.id <= m.dispatch_id%s"
					" ORDER BY d.id, d.type_id LIMIT 1)",
					rest);
}

/*
 * Writes a query for the columns by which a path is ordered, in that order: of the rows
 * of which the rest holds, or of all, with "fits" saying whether it does.
 */
static void
write_rows(StringInfo text, const Finder *finder, const Path *path, const char *rest, bool fits)
{
	const char *table = by_member(path) ? "m" : "d";
	const char *holds = condition_of(finder, path, rest);

	appendStringInfoString(text, "SELECT ");
	write_order(text, path, table);
	if (fits)
		appendStringInfo(text, ", %s AS fits", holds);
	appendStringInfo(text, " FROM dispatch.%s WHERE ",
					 by_member(path) ? "members AS m" : "dispatches AS d");
	write_path(text, path);
	if (!fits && rest[0] != '\0')
		appendStringInfo(text, " AND %s", holds);
	appendStringInfoString(text, " ORDER BY ");
	write_order(text, path, table);
}

/*
 * Writes the rows of each type: what is open, and what is closed by status. Where a
 * status is asked for, it is a final one of a type or not.
 */
static void
write_types(StringInfo text, const Finder *finder)
{
	const DispatchSearch *search = finder->search;
	const char *types = "SELECT y.id, NULL::boolean FROM dispatch.types AS y";
	bool status = search->status != NULL;

	if (search->type != NULL)
		types = "VALUES ($1, NULL::boolean)";
	else if (status)
		types = "SELECT y.id, y.lifecycle -> 'final' ? $4 FROM dispatch.types AS y";
	appendStringInfo(text, "SELECT r.id FROM (%s) AS t(id, final) CROSS JOIN LATERAL (", types);
	appendStringInfo(text,
					 "(SELECT d.id FROM dispatch.dispatches AS d"
					 " WHERE t.final IS NOT TRUE"
					 " AND (d.type_id, d.id) >= (t.id, $2) AND d.type_id <= t.id"
					 " AND d.closed_at IS NULL%s ORDER BY d.type_id, d.id LIMIT $3)",
					 status ? " AND d.status = $4" : "");
	if (!search->open_only)
		appendStringInfo(text,
						 " UNION ALL (SELECT c.id FROM %s AS s(name) CROSS JOIN LATERAL ("
						 "SELECT d.id FROM dispatch.dispatches AS d"
						 " WHERE t.final IS NOT FALSE"
						 " AND (d.type_id, d.final_status, d.id) >= (t.id, s.name, $2)"
						 " AND (d.type_id, d.final_status) <= (t.id, s.name)"
						 " AND d.final_status IS NOT NULL"
						 " ORDER BY d.type_id, d.final_status, d.id LIMIT $3) AS c)",
						 status ? "(VALUES ($4))" : "pg_catalog.unnest($5)");
	appendStringInfoString(text, ") AS r");
}

/*
 * Writes the statement that does something with a path.
 */
static char *
write_statement(const Finder *finder, const Path *path, Way way)
{
	const char *id = by_member(path) ? "dispatch_id" : "id";
	StringInfoData text;

	initStringInfo(&text);
	if (way == WAY_PAGE || way == WAY_WALK)
		appendStringInfo(&text, "SELECT r.%s FROM (", id);
	else
		appendStringInfoString(&text, "SELECT pg_catalog.count(*) FROM (");
	if (path->kind == PATH_TYPES)
		write_types(&text, finder);
	else
		write_rows(&text, finder, path, way == WAY_LOOK ? "" : rest_of(finder, path),
				   way == WAY_WALK);
	appendStringInfoString(&text, way == WAY_LOOK || way == WAY_WALK ? " LIMIT $9" : " OFFSET 0");
	appendStringInfoString(&text, ") AS r");
	if (way == WAY_WALK)
		appendStringInfoString(&text, " WHERE r.fits");
	if (way == WAY_PAGE || way == WAY_WALK)
	{
		appendStringInfoString(&text, " ORDER BY ");
		if (path->kind == PATH_TYPES || !path->ordered)
			appendStringInfo(&text, "r.%s", id);
		else
			write_order(&text, path, "r");
		appendStringInfoString(&text, " LIMIT $3");
	}
	return text.data;
}

/*
 * Runs the statement that does something with a path; how many rows it has.
 */
static uint64
run(Finder *finder, const Path *path, Way way)
{
	Oid types[PARAMETERS] = { UUIDOID, UUIDOID, INT8OID,  TEXTOID, TEXTARRAYOID,
							  TEXTOID, TEXTOID, JSONBOID, INT8OID };

	for (int slot = 0; slot < DISPATCH_MAX_INDEXED; slot++)
		types[FIRST_PARAMETER(slot) - 1] = types[LAST_PARAMETER(slot) - 1] = BYTEAOID;
	return dispatch_query_text(write_statement(finder, path, way), PARAMETERS, types,
							   finder->values, finder->nulls);
}

static int64
run_count(Finder *finder, const Path *path, Way way)
{
	bool isnull;

	(void) run(finder, path, way);
	return DatumGetInt64(dispatch_result(0, 1, &isnull));
}

/*
 * The path that is the shortest, where one of several has at most so many rows; NULL where
 * none has.
 */
static const Path *
find_short(Finder *finder, int64 most)
{
	const Path *best = NULL;
	int64 fewest = most + 1;

	for (int i = 0; i < finder->npaths && fewest > 0; i++)
	{
		int64 rows;

		set_value(finder, 9, Int64GetDatum(fewest));
		rows = run_count(finder, &finder->paths[i], WAY_LOOK);
		if (rows < fewest)
		{
			best = &finder->paths[i];
			fewest = rows;
		}
	}
	return best;
}

/*
 * The path that is the shortest, however long it is. We look ten times as far each time, so
 * the look at a long one takes little more than one at the shortest.
 */
static const Path *
find_shortest(Finder *finder)
{
	const Path *path = NULL;

	if (finder->npaths == 1)
		return &finder->paths[0];
	for (int64 most = SHORT_PATH; path == NULL; most *= 10)
		path = find_short(finder, most);
	return path;
}

/*
 * Walks a part of each path that is ordered by ids, of all dispatches where there is none,
 * until one fills the page; whether one did.
 */
static bool
walk(Finder *finder)
{
	static const Path by_id = { PATH_ID, 0, true };
	uint64 wanted = (uint64) finder->search->max_rows;
	bool walked = false;

	set_value(finder, 9, Int64GetDatum(LONG_WALK));
	for (int i = 0; i < finder->npaths; i++)
		if (finder->paths[i].ordered)
		{
			if (run(finder, &finder->paths[i], WAY_WALK) == wanted)
				return true;
			walked = true;
		}
	return !walked && run(finder, &by_id, WAY_WALK) == wanted;
}

/*
 * Finds a page where several things are asked for, or a range.
 */
static uint64
choose_page(Finder *finder)
{
	const Path *path = find_short(finder, SHORT_PATH);

	if (path == NULL && walk(finder))
		return (uint64) finder->search->max_rows;
	return run(finder, path != NULL ? path : find_shortest(finder), WAY_PAGE);
}

/*
 * Finds the ids of a page, in order: rows of the last result, between
 * SPI_connect() and SPI_finish(). 22023: a filter that is malformed or without a
 * type; 55000: of an attribute that older dispatches are not indexed by yet; 40001:
 * the type, of free members, is newer than the snapshot.
 */
uint64
dispatch_find_page(const DispatchSearch *search)
{
	Finder finder;
	pg_uuid_t first = { { 0 } };
	uint64 rows;
	int level;

	if (search->max_rows < 1 || search->max_rows > DISPATCH_FIND_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("max_rows must be between 1 and %d, but is %d", DISPATCH_FIND_MAX,
							   search->max_rows)));
	if (!prepare(&finder, search))
		return 0;
	if (search->after != NULL)
	{
		first = *search->after;
		if (!dispatch_uuid_next(&first))
			return 0;
	}
	set_value(&finder, 2, UUIDPGetDatum(&first));
	set_value(&finder, 3, Int64GetDatum(search->max_rows));
	level = begin_settings();
	if (finder.npaths == 1 && finder.paths[0].ordered)
		rows = run(&finder, &finder.paths[0], WAY_PAGE);
	else
		rows = choose_page(&finder);
	AtEOXact_GUC(true, level);
	return rows;
}

/*
 * Counts what a search would find in all, between SPI_connect() and
 * SPI_finish(). The errors are those of a search.
 */
int64
dispatch_find_count(const DispatchSearch *search)
{
	Finder finder;
	pg_uuid_t first = { { 0 } };
	int64 count;
	int level;

	if (!prepare(&finder, search))
		return 0;
	set_value(&finder, 2, UUIDPGetDatum(&first));
	level = begin_settings();
	count = run_count(&finder, find_shortest(&finder), WAY_COUNT);
	AtEOXact_GUC(true, level);
	return count;
}

/*
 * Counts the dispatches of a type, or of each where that is NULL, by their status:
 * rows of the last result, (type_name, status, closed, dispatches), between
 * SPI_connect() and SPI_finish().
 */
uint64
dispatch_find_status_counts(const DispatchType *type, bool open_only)
{
	Datum values[2] = { 0, BoolGetDatum(open_only) };
	char nulls[] = { type == NULL ? 'n' : ' ', ' ', '\0' };
	uint64 rows;
	int level;

	if (type != NULL)
		values[0] = UUIDPGetDatum(&type->id);
	level = begin_settings();
	rows = dispatch_query(DISPATCH_COUNT_STATUSES, values, nulls);
	AtEOXact_GUC(true, level);
	return rows;
}
