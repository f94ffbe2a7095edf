/*
 * lifecycle.c
 *	  Statuses and the transitions between them.
 */
#include "postgres.h"

#include "lifecycle.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "compat.h"
#include "document.h"
#include "error.h"

#define NAME_MAX_LENGTH 64

/* More than anybody needs, few enough to compare them one by one. */
#define STATUSES_MAX 1000

#define DEFAULT_LIFECYCLE                                                                          \
	"{\"initial\": \"INITIATED\", \"final\": [\"CLOSED\"], \"transitions\": {"                     \
	"\"INITIATED\": [\"ASSIGNED\", \"IN_PROGRESS\", \"PENDING_CLOSURE\", \"CLOSED\"], "            \
	"\"ASSIGNED\": [\"IN_PROGRESS\", \"PENDING_CLOSURE\", \"CLOSED\"], "                           \
	"\"IN_PROGRESS\": [\"PENDING_CLOSURE\", \"CLOSED\"], "                                         \
	"\"PENDING_CLOSURE\": [\"CLOSED\"]}}"

/* The members of a lifecycle document. */
typedef struct LifecycleMembers
{
	DispatchValue initial;
	DispatchValue final;
	DispatchValue transitions;
} LifecycleMembers;

/*
 * The lifecycle of a type that brings none of its own.
 */
Jsonb *
dispatch_lifecycle_default(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(DEFAULT_LIFECYCLE)));
}

/*
 * Checks a status name: a capital, then up to 63 capitals, digits and
 * underscores. 22023 where it is malformed; what says what it is for.
 */
void
dispatch_lifecycle_check_name(const char *what, const char *status)
{
	size_t length = strspn(status, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	if (length < 1 || length > NAME_MAX_LENGTH || status[length] != '\0' || status[0] < 'A' ||
		status[0] > 'Z')
		dispatch_error_malformed(
			what, "\"%s\" must be a capital followed by up to %d capitals, digits and underscores.",
			dispatch_cut(status), NAME_MAX_LENGTH - 1);
}

/*
 * The place of a status, or -1.
 */
int
dispatch_lifecycle_find(const DispatchLifecycle *lifecycle, const char *status)
{
	for (int i = 0; i < lifecycle->count; i++)
		if (strcmp(lifecycle->statuses[i].name, status) == 0)
			return i;
	return -1;
}

/*
 * Whether a dispatch may go from a status to another. Staying is allowed where
 * the status is not final.
 */
bool
dispatch_lifecycle_allows(const DispatchLifecycle *lifecycle, int from, int to)
{
	const DispatchStatus *status = &lifecycle->statuses[from];

	if (status->final)
		return false;
	if (from == to)
		return true;
	for (int i = 0; i < status->ntargets; i++)
		if (status->targets[i] == to)
			return true;
	return false;
}

/*
 * The statuses that may follow one, for messages.
 */
char *
dispatch_lifecycle_targets(const DispatchLifecycle *lifecycle, int from)
{
	const DispatchStatus *status = &lifecycle->statuses[from];
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < status->ntargets; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "",
						 lifecycle->statuses[status->targets[i]].name);
	return list.data;
}

static char *
read_name(const DispatchValue *value, const char *where)
{
	char *name;

	if (value->kind != DISPATCH_STRING)
		dispatch_error_malformed("lifecycle", "%s must be a status name, but is of type %s.", where,
								 dispatch_kind_name(value->kind));
	name = dispatch_value_string(value);
	dispatch_lifecycle_check_name("status name in lifecycle", name);
	return name;
}

static int
add_status(DispatchLifecycle *lifecycle, char *name)
{
	int place = dispatch_lifecycle_find(lifecycle, name);

	if (place >= 0)
		return place;
	memset(&lifecycle->statuses[lifecycle->count], 0, sizeof(DispatchStatus));
	lifecycle->statuses[lifecycle->count].name = name;
	return lifecycle->count++;
}

/*
 * Finds the members of the document; 22023 for one that is missing, of the
 * wrong type, or unknown.
 */
static LifecycleMembers
read_members(const Jsonb *document)
{
	LifecycleMembers members;
	DispatchValue root = dispatch_root(document);
	DispatchWalk walk;
	DispatchKey key;
	DispatchValue value;
	struct
	{
		const char *name;
		DispatchKind kind;
		DispatchValue *value;
	} known[] = { { "initial", DISPATCH_STRING, &members.initial },
				  { "final", DISPATCH_ARRAY, &members.final },
				  { "transitions", DISPATCH_OBJECT, &members.transitions } };

	if (root.kind != DISPATCH_OBJECT)
		dispatch_error_malformed("lifecycle", "It must be an object, but is of type %s.",
								 dispatch_kind_name(root.kind));
	for (int i = 0; i < (int) lengthof(known); i++)
	{
		if (!dispatch_find(root.as.container, known[i].name, known[i].value))
			dispatch_error_malformed("lifecycle", "It has no \"%s\".", known[i].name);
		if (known[i].value->kind != known[i].kind)
			dispatch_error_malformed("lifecycle", "\"%s\" must be of type %s, but is of type %s.",
									 known[i].name, dispatch_kind_name(known[i].kind),
									 dispatch_kind_name(known[i].value->kind));
	}
	walk = dispatch_walk(root.as.container);
	while (dispatch_walk_member(&walk, &key, &value))
	{
		char *name = pnstrdup(key.data, key.length);
		int i = 0;

		while (i < (int) lengthof(known) && strcmp(name, known[i].name) != 0)
			i++;
		if (i == (int) lengthof(known))
			dispatch_error_malformed("lifecycle",
									 "It has an unknown member, \"%s\"; known are initial, final "
									 "and transitions.",
									 dispatch_cut(name));
	}
	return members;
}

/*
 * Reads the names: those with transitions and those that are final are known.
 */
static void
read_statuses(DispatchLifecycle *lifecycle, const LifecycleMembers *members)
{
	DispatchWalk transitions = dispatch_walk(members->transitions.as.container);
	DispatchWalk final = dispatch_walk(members->final.as.container);
	DispatchKey key;
	DispatchValue value;

	if (transitions.count + final.count > STATUSES_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a lifecycle may have %d statuses", STATUSES_MAX)));
	lifecycle->statuses = palloc((transitions.count + final.count) * sizeof(DispatchStatus) + 1);
	while (dispatch_walk_member(&transitions, &key, &value))
	{
		char *name = pnstrdup(key.data, key.length);

		CHECK_FOR_INTERRUPTS();
		dispatch_lifecycle_check_name("status name in lifecycle", name);
		(void) add_status(lifecycle, name);
	}
	while (dispatch_walk_element(&final, &value))
	{
		DispatchStatus *status =
			&lifecycle->statuses[add_status(lifecycle, read_name(&value, "A final status"))];

		CHECK_FOR_INTERRUPTS();
		if (status->final)
			dispatch_error_malformed("lifecycle", "Final status \"%s\" is named twice.",
									 status->name);
		status->final = true;
	}
}

/*
 * The place of a status that must be known.
 */
static int
known_status(const DispatchLifecycle *lifecycle, const DispatchValue *value, const char *where)
{
	char *name = read_name(value, where);
	int place = dispatch_lifecycle_find(lifecycle, name);

	if (place < 0)
		dispatch_error_malformed("lifecycle",
								 "%s, \"%s\", is unknown: it is not final and has no transitions.",
								 where, name);
	return place;
}

static void
read_transitions(DispatchLifecycle *lifecycle, const LifecycleMembers *members)
{
	DispatchWalk walk = dispatch_walk(members->transitions.as.container);
	DispatchKey key;
	DispatchValue targets;

	while (dispatch_walk_member(&walk, &key, &targets))
	{
		char *name = pnstrdup(key.data, key.length);
		DispatchStatus *status = &lifecycle->statuses[dispatch_lifecycle_find(lifecycle, name)];
		DispatchWalk list;
		DispatchValue target;

		if (targets.kind != DISPATCH_ARRAY)
			dispatch_error_malformed("lifecycle", "The transitions of \"%s\" must be an array.",
									 name);
		list = dispatch_walk(targets.as.container);
		if (status->final && list.count > 0)
			dispatch_error_malformed("lifecycle", "Final status \"%s\" has transitions.", name);
		status->targets = palloc(list.count * sizeof(int) + 1);
		while (dispatch_walk_element(&list, &target))
		{
			CHECK_FOR_INTERRUPTS();
			status->targets[status->ntargets++] =
				known_status(lifecycle, &target, psprintf("A transition of \"%s\"", name));
		}
	}
}

/*
 * Marks what can be reached from the marked statuses, along the transitions or
 * against them, until nothing is added.
 */
static void
spread(const DispatchLifecycle *lifecycle, bool *marked, bool backwards)
{
	bool added = true;

	while (added)
	{
		added = false;
		CHECK_FOR_INTERRUPTS();
		for (int from = 0; from < lifecycle->count; from++)
			for (int i = 0; i < lifecycle->statuses[from].ntargets; i++)
			{
				int to = lifecycle->statuses[from].targets[i];
				int source = backwards ? to : from;
				int sink = backwards ? from : to;

				if (marked[source] && !marked[sink])
					marked[sink] = added = true;
			}
	}
}

/*
 * Requires that from every status that can be reached a final one can be.
 */
static void
check_ends(const DispatchLifecycle *lifecycle)
{
	bool *reached = palloc0(lifecycle->count * sizeof(bool));
	bool *ends = palloc0(lifecycle->count * sizeof(bool));

	reached[lifecycle->initial] = true;
	spread(lifecycle, reached, false);
	for (int i = 0; i < lifecycle->count; i++)
		ends[i] = lifecycle->statuses[i].final;
	spread(lifecycle, ends, true);
	for (int i = 0; i < lifecycle->count; i++)
		if (reached[i] && !ends[i])
			dispatch_error_malformed("lifecycle", "No final status can be reached from \"%s\".",
									 lifecycle->statuses[i].name);
}

/*
 * Reads a lifecycle, {"initial", "final": [], "transitions": {"A": ["B"]}},
 * into the current context. 22023 where it is malformed.
 */
DispatchLifecycle *
dispatch_lifecycle_parse(const Jsonb *document)
{
	DispatchLifecycle *lifecycle = palloc0(sizeof(DispatchLifecycle));
	LifecycleMembers members = read_members(document);

	read_statuses(lifecycle, &members);
	lifecycle->initial = known_status(lifecycle, &members.initial, "The initial status");
	read_transitions(lifecycle, &members);
	check_ends(lifecycle);
	return lifecycle;
}
