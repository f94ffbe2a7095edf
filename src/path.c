/*
 * path.c
 *	  What leads to the dispatches that are searched for, as statements.
 *
 * Each statement is written such that one index alone gives the order that it
 * asks for: equality as a comparison of rows, since an = drops its column from the
 * order. find.c says why, and plans them with sorting, sequential and bitmap scans
 * switched off.
 */
#include "postgres.h"

#include "path.h"

#include "lib/stringinfo.h"

#include "compat.h"

/*
 * Writes the rows of a path from the id $2 on.
 */
static void
write_path(StringInfo text, const DispatchPath *path)
{
	int slot = path->slot + 1;
	int first = DISPATCH_FIRST_PARAMETER(path->slot);
	int last = DISPATCH_LAST_PARAMETER(path->slot);

	switch (path->kind)
	{
		case DISPATCH_PATH_JOB:
		case DISPATCH_PATH_PARTICIPANT:
			appendStringInfo(text,
							 "(m.member_id, m.kind, m.dispatch_id) >= ($%d, '%c', $2)"
							 " AND (m.member_id, m.kind) <= ($%d, '%c')",
							 path->kind == DISPATCH_PATH_JOB ? 6 : 7,
							 path->kind == DISPATCH_PATH_JOB ? 'j' : 'p',
							 path->kind == DISPATCH_PATH_JOB ? 6 : 7,
							 path->kind == DISPATCH_PATH_JOB ? 'j' : 'p');
			break;
		case DISPATCH_PATH_SLOT:
			if (path->ordered)
				appendStringInfo(text, "(d.slot%d, d.id) >= ($%d, $2) AND d.slot%d < $%d", slot,
								 first, slot, last);
			else
				appendStringInfo(text, "d.slot%d >= $%d AND d.slot%d < $%d AND d.id >= $2", slot,
								 first, slot, last);
			break;
		case DISPATCH_PATH_FINAL:
			appendStringInfoString(text, "(d.type_id, d.final_status, d.id) >= ($1, $4, $2)"
										 " AND (d.type_id, d.final_status) <= ($1, $4)"
										 " AND d.final_status IS NOT NULL");
			break;
		case DISPATCH_PATH_OPEN:
			appendStringInfoString(text, "(d.type_id, d.id) >= ($1, $2) AND d.type_id <= $1"
										 " AND d.closed_at IS NULL");
			break;
		case DISPATCH_PATH_ID:
			appendStringInfoString(text, "d.id >= $2");
			break;
		case DISPATCH_PATH_TYPES:
			break;
	}
}

/*
 * Writes the columns by which a path is ordered, of the table of that name.
 */
static void
write_order(StringInfo text, const DispatchPath *path, const char *table)
{
	switch (path->kind)
	{
		case DISPATCH_PATH_JOB:
		case DISPATCH_PATH_PARTICIPANT:
			appendStringInfo(text, "%s.member_id, %s.kind, %s.dispatch_id", table, table, table);
			break;
		case DISPATCH_PATH_SLOT:
			appendStringInfo(text, "%s.slot%d, %s.id", table, path->slot + 1, table);
			break;
		case DISPATCH_PATH_FINAL:
			appendStringInfo(text, "%s.type_id, %s.final_status, %s.id", table, table, table);
			break;
		case DISPATCH_PATH_OPEN:
			appendStringInfo(text, "%s.type_id, %s.id", table, table);
			break;
		case DISPATCH_PATH_ID:
			appendStringInfo(text, "%s.id", table);
			break;
		case DISPATCH_PATH_TYPES:
			break;
	}
}

/*
 * What is asked for besides what the path leads to: conditions on a dispatch, each
 * after an AND. A subquery with a LIMIT is not pulled up into a
 * join, whose order would be the planner's.
 */
static char *
rest_of(const DispatchAsked *asked, const DispatchPath *path)
{
	const DispatchSearch *search = asked->search;
	StringInfoData text;

	initStringInfo(&text);
	if (search->type != NULL && asked->filter.count == 0 && path->kind != DISPATCH_PATH_FINAL &&
		path->kind != DISPATCH_PATH_OPEN && path->kind != DISPATCH_PATH_TYPES)
		appendStringInfoString(&text, " AND d.type_id = $1");
	if (search->status != NULL && path->kind != DISPATCH_PATH_FINAL)
		appendStringInfoString(&text, " AND d.status = $4");
	if (asked->open && path->kind != DISPATCH_PATH_OPEN)
		appendStringInfoString(&text, " AND d.closed_at IS NULL");
	for (int i = 0; i < asked->filter.count; i++)
	{
		int slot = asked->filter.conditions[i].slot;

		if (path->kind != DISPATCH_PATH_SLOT || slot != path->slot)
			appendStringInfo(&text, " AND d.slot%d >= $%d AND d.slot%d < $%d", slot + 1,
							 DISPATCH_FIRST_PARAMETER(slot), slot + 1,
							 DISPATCH_LAST_PARAMETER(slot));
	}
	if (search->job_id != NULL && path->kind != DISPATCH_PATH_JOB)
		appendStringInfoString(&text, " AND (SELECT true FROM dispatch.members AS j"
									  " WHERE j.dispatch_id = d.id AND j.kind = 'j'"
									  " AND j.member_id = $6 LIMIT 1)");
	if (search->participant_id != NULL && path->kind != DISPATCH_PATH_PARTICIPANT)
		appendStringInfoString(&text, " AND (SELECT true FROM dispatch.members AS p"
									  " WHERE p.dispatch_id = d.id AND p.kind = 'p'"
									  " AND p.member_id = $7 LIMIT 1)");
	if (asked->filter.inexact)
		appendStringInfoString(&text, " AND dispatch.fits(d.custom_data, $8)");
	return text.data;
}

static bool
by_member(const DispatchPath *path)
{
	return path->kind == DISPATCH_PATH_JOB || path->kind == DISPATCH_PATH_PARTICIPANT;
}

/*
 * A condition: that the rest holds for a row of a path. That of a member is looked up: what is
 * open in the index of that, which alone has that order, since most of a member's
 * dispatches are closed, and not in memory.
 */
static const char *
condition_of(const DispatchAsked *asked, const DispatchPath *path, const char *rest)
{
	if (!by_member(path))
		return psprintf("(true%s)", rest);
	if (!asked->open)
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
write_rows(StringInfo text, const DispatchAsked *asked, const DispatchPath *path, const char *rest,
		   bool fits)
{
	const char *table = by_member(path) ? "m" : "d";
	const char *holds = condition_of(asked, path, rest);

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
write_types(StringInfo text, const DispatchAsked *asked)
{
	const DispatchSearch *search = asked->search;
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
 * The statement that does something with a path, in the current context.
 */
char *
dispatch_path_statement(const DispatchAsked *asked, const DispatchPath *path, DispatchWay way)
{
	const char *id = by_member(path) ? "dispatch_id" : "id";
	StringInfoData text;

	initStringInfo(&text);
	if (way == DISPATCH_WAY_PAGE || way == DISPATCH_WAY_WALK)
		appendStringInfo(&text, "SELECT r.%s FROM (", id);
	else
		appendStringInfoString(&text, "SELECT pg_catalog.count(*) FROM (");
	if (path->kind == DISPATCH_PATH_TYPES)
		write_types(&text, asked);
	else
		write_rows(&text, asked, path, way == DISPATCH_WAY_LOOK ? "" : rest_of(asked, path),
				   way == DISPATCH_WAY_WALK);
	appendStringInfoString(
		&text, way == DISPATCH_WAY_LOOK || way == DISPATCH_WAY_WALK ? " LIMIT $9" : " OFFSET 0");
	appendStringInfoString(&text, ") AS r");
	if (way == DISPATCH_WAY_WALK)
		appendStringInfoString(&text, " WHERE r.fits");
	if (way == DISPATCH_WAY_PAGE || way == DISPATCH_WAY_WALK)
	{
		appendStringInfoString(&text, " ORDER BY ");
		if (path->kind == DISPATCH_PATH_TYPES || !path->ordered)
			appendStringInfo(&text, "r.%s", id);
		else
			write_order(&text, path, "r");
		appendStringInfoString(&text, " LIMIT $3");
	}
	return text.data;
}
