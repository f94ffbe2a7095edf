/*
 * member.c
 *	  Jobs and participants: the members of a dispatch.
 */
#include "postgres.h"

#include "member.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "error.h"
#include "statement.h"

#define ID_MAX_LENGTH 64

static const char *
kind_name(DispatchMemberKind kind)
{
	return kind == DISPATCH_JOB ? "job" : "participant";
}

static const char *
plural_name(DispatchMemberKind kind)
{
	return kind == DISPATCH_JOB ? "jobs" : "participants";
}

/*
 * One member; its id is not checked yet.
 */
void
dispatch_member_one(DispatchMembers *members, DispatchMemberKind kind, char *id)
{
	members->kind = kind;
	members->count = 1;
	members->ids = palloc(sizeof(char *));
	members->ids[0] = id;
}

/*
 * The members of an array of texts, in the current context; the ids are not
 * checked yet. 22023 where it has NULLs or more than one dimension.
 */
void
dispatch_members_from_array(DispatchMembers *members, DispatchMemberKind kind, ArrayType *array)
{
	Datum *texts;
	bool *nulls;

	if (ARR_NDIM(array) > 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must be an array of one dimension", plural_name(kind))));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &members->count);
	members->kind = kind;
	members->ids = palloc(members->count * sizeof(char *) + 1);
	for (int i = 0; i < members->count; i++)
	{
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("%s must not contain nulls", plural_name(kind))));
		members->ids[i] = TextDatumGetCString(texts[i]);
	}
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/*
 * Checks the length of an id; argument is what it was given as. 22023.
 */
void
dispatch_member_check_id(const char *argument, const char *id)
{
	dispatch_check_length(argument, id, 1, ID_MAX_LENGTH);
}

/*
 * Checks ids: their length (22023), that none is named twice (23505), and that
 * there are any (22023) where there must be.
 */
void
dispatch_members_check(const DispatchMembers *members, bool may_be_empty)
{
	char *argument = psprintf("%s_id", kind_name(members->kind));
	char **sorted;

	if (members->count == 0 && !may_be_empty)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("%s must not be empty", plural_name(members->kind))));
	for (int i = 0; i < members->count; i++)
		dispatch_member_check_id(argument, members->ids[i]);
	if (members->count < 2)
		return;
	sorted = palloc(members->count * sizeof(char *));
	memcpy(sorted, members->ids, members->count * sizeof(char *));
	qsort(sorted, members->count, sizeof(char *), compare_ids);
	for (int i = 1; i < members->count; i++)
		if (strcmp(sorted[i - 1], sorted[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNIQUE_VIOLATION),
					 errmsg("%s \"%s\" is named twice", kind_name(members->kind), sorted[i])));
}

/*
 * The member that the detail of the server's message names, which holds
 * "<dispatch>, <kind>, <member>)" whatever the language: the longest that fits,
 * since an id may hold a bracket. NULL where none does.
 */
static const char *
find_duplicate(const char *dispatch, const DispatchMembers *members, const char *detail)
{
	const char *prefix = psprintf("%s, %c, ", dispatch, members->kind);
	const char *key = strstr(detail, prefix);
	const char *duplicate = NULL;
	size_t longest = 0;

	for (int i = 0; key != NULL && i < members->count; i++)
	{
		const char *id = members->ids[i];
		size_t length = strlen(id);

		if (length > longest && strncmp(key + strlen(prefix), id, length) == 0 &&
			key[strlen(prefix) + length] == ')')
		{
			duplicate = id;
			longest = length;
		}
	}
	return duplicate;
}

/*
 * 23505: a member is there already.
 */
static void
error_duplicate(const pg_uuid_t *dispatch_id, const DispatchMembers *members, const char *detail)
{
	char *dispatch = dispatch_uuid_text(dispatch_id);
	const char *duplicate = find_duplicate(dispatch, members, detail);

	ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
					duplicate != NULL ? errmsg("%s \"%s\" is already part of dispatch \"%s\"",
											   kind_name(members->kind), duplicate, dispatch)
									  : errmsg("a %s is already part of dispatch \"%s\"",
											   kind_name(members->kind), dispatch),
					err_generic_string(PG_DIAG_SCHEMA_NAME, "dispatch"),
					err_generic_string(PG_DIAG_TABLE_NAME, "members"),
					err_generic_string(PG_DIAG_CONSTRAINT_NAME, "members_pkey")));
}

/*
 * Adds members to the arrays of kinds and ids that the statement takes.
 */
static int
append(const DispatchMembers *members, Datum *kinds, Datum *ids, int count)
{
	for (int i = 0; i < members->count; i++)
	{
		kinds[count] = CharGetDatum(members->kind);
		ids[count++] = CStringGetTextDatum(members->ids[i]);
	}
	return count;
}

/*
 * Adds checked members to a dispatch that the caller has locked, all by one
 * statement; participants may be NULL. 23505 where one is there already.
 */
void
dispatch_members_add(const pg_uuid_t *dispatch_id, int64 sequence, TimestampTz at,
					 DispatchMemberState state, const DispatchMembers *jobs,
					 const DispatchMembers *participants)
{
	int total = jobs->count + (participants != NULL ? participants->count : 0);
	Datum *kinds = palloc(total * sizeof(Datum) + 1);
	Datum *ids = palloc(total * sizeof(Datum) + 1);
	MemoryContext caller = CurrentMemoryContext;
	Datum values[6];
	int count;

	if (total == 0)
		return;
	count = append(jobs, kinds, ids, 0);
	if (participants != NULL)
		count = append(participants, kinds, ids, count);
	values[0] = UUIDPGetDatum(dispatch_id);
	values[1] = Int64GetDatum(sequence);
	values[2] = TimestampTzGetDatum(at);
	values[3] = PointerGetDatum(construct_array(kinds, count, CHAROID, 1, true, TYPALIGN_CHAR));
	values[4] = PointerGetDatum(construct_array(ids, count, TEXTOID, -1, false, TYPALIGN_INT));
	values[5] = CharGetDatum(state);
	PG_TRY();
	{
		(void) dispatch_execute(DISPATCH_INSERT_MEMBERS, values, NULL);
	}
	PG_CATCH();
	{
		const char *detail;

		if (!dispatch_caught_duplicate("members_pkey", caller, &detail))
			PG_RE_THROW();
		error_duplicate(dispatch_id, jobs, detail);
	}
	PG_END_TRY();
}

/*
 * P0002: a member that was to be removed is not there; those that were removed
 * are the last result.
 */
static void
error_missing(const pg_uuid_t *dispatch_id, const DispatchMembers *members, uint64 removed)
{
	char **found = palloc(removed * sizeof(char *) + 1);
	int i = 0;
	bool isnull;

	for (uint64 row = 0; row < removed; row++)
		found[row] = TextDatumGetCString(dispatch_result(row, 1, &isnull));
	qsort(found, removed, sizeof(char *), compare_ids);
	while (i < members->count - 1 &&
		   bsearch(&members->ids[i], found, removed, sizeof(char *), compare_ids) != NULL)
		i++;
	ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
					errmsg("%s \"%s\" is not part of dispatch \"%s\"", kind_name(members->kind),
						   members->ids[i], dispatch_uuid_text(dispatch_id))));
}

/*
 * Removes checked members from a dispatch that the caller has locked, all by
 * one statement. P0002 where one is not there.
 */
void
dispatch_members_remove(const pg_uuid_t *dispatch_id, const DispatchMembers *members)
{
	Datum *ids = palloc(members->count * sizeof(Datum));
	Datum values[3];
	uint64 removed;

	for (int i = 0; i < members->count; i++)
		ids[i] = CStringGetTextDatum(members->ids[i]);
	values[0] = UUIDPGetDatum(dispatch_id);
	values[1] = CharGetDatum(members->kind);
	values[2] =
		PointerGetDatum(construct_array(ids, members->count, TEXTOID, -1, false, TYPALIGN_INT));
	removed = dispatch_execute(DISPATCH_DELETE_MEMBERS, values, NULL);
	if (removed < (uint64) members->count)
		error_missing(dispatch_id, members, removed);
}

/*
 * Writes the ids of members into an event, under "jobs" or "participants".
 */
void
dispatch_members_build(DispatchBuilder *builder, const DispatchMembers *members)
{
	dispatch_build_begin_array(builder, plural_name(members->kind));
	for (int i = 0; i < members->count; i++)
		dispatch_build_element(builder, members->ids[i]);
	dispatch_build_end_array(builder);
}
