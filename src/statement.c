/*
 * statement.c
 *	  Statements run as saved plans: those of sql.c, each prepared on first use in a
 *	  session, and SELECTs that are put together, kept by their text.
 */
#include "postgres.h"

#include "statement.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "compat.h"
#include "plan.h"

static SPIPlanPtr plans[DISPATCH_STATEMENTS];

/*
 * SPI_connect() that raises.
 */
void
dispatch_connect(void)
{
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

/*
 * The plan of a statement, prepared and kept where this is its first use.
 */
static pg_noinline SPIPlanPtr
plan_of(DispatchStatement statement)
{
	if (plans[statement] == NULL)
	{
		const DispatchStatementText *text = &dispatch_statements[statement];
		int nargs = 0;
		SPIPlanPtr plan;

		while (nargs < DISPATCH_STATEMENT_ARGUMENTS && OidIsValid(text->types[nargs]))
			nargs++;
		/* One plan for all arguments: to plan again and again would cost more than it could gain. */
		plan = SPI_prepare_cursor(text->text, nargs, (Oid *) text->types, CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "could not prepare \"%s\": %s", text->text,
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "could not keep the plan of \"%s\"", text->text);
		plans[statement] = plan;
	}
	return plans[statement];
}

/*
 * Raises what was caught again, without the line of its context that shows the
 * text of the statement: that is nothing to the caller of a function.
 */
static void
rethrow_without(const char *text, MemoryContext context)
{
	ErrorData *error;
	char *shown;
	char *begin;
	char *end;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	shown = error->context != NULL ? strstr(error->context, text) : NULL;
	if (shown == NULL)
		PG_RE_THROW();
	for (begin = shown; begin > error->context && begin[-1] != '\n'; begin--)
		;
	end = strchr(shown, '\n');
	if (end != NULL)
		memmove(begin, end + 1, strlen(end + 1) + 1);
	else if (begin > error->context)
		begin[-1] = '\0';
	else
		error->context = NULL;
	FlushErrorState();
	ReThrowError(error);
}

/*
 * Runs a plan between SPI_connect() and SPI_finish(). nulls is as SPI takes it, NULL for
 * none. Where it only reads, with the caller's snapshot, else with a new one.
 */
static uint64
run_plan(SPIPlanPtr plan, const DispatchStatementText *statement, Datum *values, const char *nulls,
		 bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	DispatchPlanned outer = dispatch_planned;
	volatile int result = 0;

	dispatch_planned = (DispatchPlanned){ statement->text, statement->planning };
	PG_TRY();
	{
		result = SPI_execute_plan(plan, values, nulls, read_only, 0);
	}
	PG_CATCH();
	{
		dispatch_planned = outer;
		rethrow_without(statement->text, context);
	}
	PG_END_TRY();
	dispatch_planned = outer;
	if (result != statement->result)
		elog(ERROR, "\"%s\" gave %s", statement->text, SPI_result_code_string(result));
	return SPI_processed;
}

/*
 * Runs a statement with a new snapshot, between SPI_connect() and SPI_finish().
 * nulls is as SPI takes it, NULL for none. Returns the number of rows; those
 * that it returned are read by dispatch_result().
 */
uint64
dispatch_execute(DispatchStatement statement, Datum *values, const char *nulls)
{
	return run_plan(plan_of(statement), &dispatch_statements[statement], values, nulls, false);
}

/*
 * The same for a statement that only reads, with the caller's snapshot.
 */
uint64
dispatch_query(DispatchStatement statement, Datum *values, const char *nulls)
{
	return run_plan(plan_of(statement), &dispatch_statements[statement], values, nulls, true);
}

/*
 * Plans of statements that are put together, by a hash of their text.
 */
#define MOST_TEXTS 256

typedef struct TextPlan
{
	uint64 key;
	char *text; /* NULL: there is no plan yet */
	SPIPlanPtr plan;
} TextPlan;

static HTAB *text_plans = NULL;

/*
 * Forgets all of these plans, where there are many, or two of one hash.
 */
static void
forget_texts(void)
{
	HASH_SEQ_STATUS status;
	TextPlan *entry;

	hash_seq_init(&status, text_plans);
	while ((entry = hash_seq_search(&status)) != NULL)
		if (entry->text != NULL)
		{
			(void) SPI_freeplan(entry->plan);
			pfree(entry->text);
		}
	hash_destroy(text_plans);
	text_plans = NULL;
}

/*
 * The place of a text among the plans, made where there is none.
 */
static TextPlan *
find_text(const char *text)
{
	uint64 key = DatumGetUInt64(hash_any_extended((const unsigned char *) text, strlen(text), 0));
	HASHCTL control = { .keysize = sizeof(uint64), .entrysize = sizeof(TextPlan) };
	TextPlan *entry = NULL;
	bool found = false;

	if (text_plans != NULL)
		entry = hash_search(text_plans, &key, HASH_FIND, &found);
	if (found && (entry->text == NULL || strcmp(entry->text, text) == 0))
		return entry;
	if (text_plans != NULL && (found || hash_get_num_entries(text_plans) >= MOST_TEXTS))
		forget_texts();
	if (text_plans == NULL)
		text_plans = hash_create("dispatch plans", 32, &control, HASH_ELEM | HASH_BLOBS);
	entry = hash_search(text_plans, &key, HASH_ENTER, &found);
	entry->text = NULL;
	return entry;
}

/*
 * Runs a SELECT that was put together, as dispatch_query() does. Its plan is kept, as
 * one for all arguments.
 */
uint64
dispatch_query_text(const char *text, int nargs, const Oid *types, Datum *values, const char *nulls)
{
	DispatchStatementText statement = { .result = SPI_OK_SELECT,
										.text = text,
										.planning = DISPATCH_IN_ORDER };
	TextPlan *entry = find_text(text);

	if (entry->text == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(text, nargs, (Oid *) types, CURSOR_OPT_GENERIC_PLAN);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\": %s", text, SPI_result_code_string(SPI_result));
		entry->plan = plan;
		entry->text = MemoryContextStrdup(TopMemoryContext, text);
	}
	return run_plan(entry->plan, &statement, values, nulls, true);
}

/*
 * A column, from 1, of a row, from 0, of the last result; lives until SPI_finish().
 */
Datum
dispatch_result(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}
