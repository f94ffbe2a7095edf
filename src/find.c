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
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "compat.h"
#include "error.h"
#include "filter.h"
#include "lifecycle.h"
#include "member.h"
#include "path.h"
#include "statement.h"
#include "uuid.h"

/* Up to so many rows a path is short. */
#define SHORT_PATH 2000

/* So many rows of a path that is not short are walked before another one is tried: about 5 ms. */
#define LONG_WALK 20000

/* How many paths a search may have. */
#define MOST_PATHS (DISPATCH_MAX_INDEXED + 4)

/* A search that runs. */
typedef struct Finder
{
	DispatchAsked asked;
	int npaths;
	DispatchPath paths[MOST_PATHS];
	Datum values[DISPATCH_PARAMETERS];
	char nulls[DISPATCH_PARAMETERS + 1];
} Finder;

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
	const DispatchSearch *search = finder->asked.search;

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
	if (finder->asked.filter.inexact)
		set_value(finder, 8, JsonbPGetDatum(search->filter));
	for (int i = 0; i < finder->asked.filter.count; i++)
	{
		const DispatchCondition *condition = &finder->asked.filter.conditions[i];

		set_value(finder, DISPATCH_FIRST_PARAMETER(condition->slot),
				  PointerGetDatum(condition->range.first));
		set_value(finder, DISPATCH_LAST_PARAMETER(condition->slot),
				  PointerGetDatum(condition->range.last));
	}
}

static void
add_path(Finder *finder, DispatchPathKind kind, int slot, bool ordered)
{
	finder->paths[finder->npaths++] = (DispatchPath){ kind, slot, ordered };
}

/*
 * Lists the paths, those that are likely to be short first: little is open, and most is closed.
 */
static void
list_paths(Finder *finder)
{
	const DispatchSearch *search = finder->asked.search;

	if (search->job_id != NULL)
		add_path(finder, DISPATCH_PATH_JOB, 0, true);
	if (search->participant_id != NULL)
		add_path(finder, DISPATCH_PATH_PARTICIPANT, 0, true);
	if (search->type != NULL && finder->asked.open)
		add_path(finder, DISPATCH_PATH_OPEN, 0, true);
	for (int i = 0; i < finder->asked.filter.count; i++)
		add_path(finder, DISPATCH_PATH_SLOT, finder->asked.filter.conditions[i].slot,
				 finder->asked.filter.conditions[i].one);
	if (search->type != NULL && finder->asked.final)
		add_path(finder, DISPATCH_PATH_FINAL, 0, true);
	if (finder->npaths > 0)
		return;
	if (search->type != NULL || search->status != NULL || search->open_only)
		add_path(finder, DISPATCH_PATH_TYPES, 0, true);
	else
		add_path(finder, DISPATCH_PATH_ID, 0, true);
}

/*
 * 55000: an attribute that is asked for is one of those whose slots are missing in
 * older dispatches.
 */
static void
check_missing(const Finder *finder, int missing)
{
	const DispatchType *type = finder->asked.search->type;

	for (int i = 0; i < finder->asked.filter.count; i++)
	{
		int slot = finder->asked.filter.conditions[i].slot;
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
	const DispatchType *type = finder->asked.search->type;
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
 * Checks the names that are asked for; 22023.
 */
static void
check_names(const DispatchSearch *search)
{
	if (search->status != NULL)
		dispatch_lifecycle_check_name("status", search->status);
	if (search->job_id != NULL)
		dispatch_member_check_id("job_id", search->job_id);
	if (search->participant_id != NULL)
		dispatch_member_check_id("participant_id", search->participant_id);
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
	memset(finder->nulls, 'n', DISPATCH_PARAMETERS);
	finder->asked.search = search;
	check_names(search);
	if (search->type != NULL)
		dispatch_filter_parse(search->type, search->filter, &finder->asked.filter);
	else
	{
		dispatch_check_object("filter", search->filter);
		if (JB_ROOT_COUNT(search->filter) > 0)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("a filter needs a dispatch type"),
							errdetail("Attributes belong to a type.")));
	}
	if (finder->asked.filter.count > 0)
		check_filled(finder);
	if (search->type != NULL && search->status != NULL)
	{
		status = dispatch_lifecycle_find(search->type->lifecycle, search->status);
		finder->asked.final = status >= 0 && search->type->lifecycle->statuses[status].final;
		if (status < 0 || (finder->asked.final && search->open_only))
			return false;
	}
	finder->asked.open = search->open_only || (status >= 0 && !finder->asked.final);
	list_paths(finder);
	bind(finder);
	return !finder->asked.filter.nothing;
}

/*
 * Runs the statement that does something with a path; how many rows it has.
 */
static uint64
run(Finder *finder, const DispatchPath *path, DispatchWay way)
{
	Oid types[DISPATCH_PARAMETERS] = { UUIDOID, UUIDOID, INT8OID,  TEXTOID, TEXTARRAYOID,
									   TEXTOID, TEXTOID, JSONBOID, INT8OID };

	for (int slot = 0; slot < DISPATCH_MAX_INDEXED; slot++)
		types[DISPATCH_FIRST_PARAMETER(slot) - 1] = types[DISPATCH_LAST_PARAMETER(slot) - 1] =
			BYTEAOID;
	return dispatch_query_text(dispatch_path_statement(&finder->asked, path, way),
							   DISPATCH_PARAMETERS, types, finder->values, finder->nulls);
}

static int64
run_count(Finder *finder, const DispatchPath *path, DispatchWay way)
{
	bool isnull;

	(void) run(finder, path, way);
	return DatumGetInt64(dispatch_result(0, 1, &isnull));
}

/*
 * The path that is the shortest, where one of several has at most so many rows; NULL where
 * none has.
 */
static const DispatchPath *
find_short(Finder *finder, int64 most)
{
	const DispatchPath *best = NULL;
	int64 fewest = most + 1;

	for (int i = 0; i < finder->npaths && fewest > 0; i++)
	{
		int64 rows;

		set_value(finder, 9, Int64GetDatum(fewest));
		rows = run_count(finder, &finder->paths[i], DISPATCH_WAY_LOOK);
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
static const DispatchPath *
find_shortest(Finder *finder)
{
	const DispatchPath *path = NULL;

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
	static const DispatchPath by_id = { DISPATCH_PATH_ID, 0, true };
	uint64 wanted = (uint64) finder->asked.search->max_rows;
	bool walked = false;

	set_value(finder, 9, Int64GetDatum(LONG_WALK));
	for (int i = 0; i < finder->npaths; i++)
		if (finder->paths[i].ordered)
		{
			if (run(finder, &finder->paths[i], DISPATCH_WAY_WALK) == wanted)
				return true;
			walked = true;
		}
	return !walked && run(finder, &by_id, DISPATCH_WAY_WALK) == wanted;
}

/*
 * Finds a page where several things are asked for, or a range.
 */
static uint64
choose_page(Finder *finder)
{
	const DispatchPath *path = find_short(finder, SHORT_PATH);

	if (path == NULL && walk(finder))
		return (uint64) finder->asked.search->max_rows;
	return run(finder, path != NULL ? path : find_shortest(finder), DISPATCH_WAY_PAGE);
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
	if (finder.npaths == 1 && finder.paths[0].ordered)
		return run(&finder, &finder.paths[0], DISPATCH_WAY_PAGE);
	return choose_page(&finder);
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

	if (!prepare(&finder, search))
		return 0;
	set_value(&finder, 2, UUIDPGetDatum(&first));
	return run_count(&finder, find_shortest(&finder), DISPATCH_WAY_COUNT);
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

	if (type != NULL)
		values[0] = UUIDPGetDatum(&type->id);
	return dispatch_query(DISPATCH_COUNT_STATUSES, values, nulls);
}
