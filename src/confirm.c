/*
 * confirm.c
 *	  Members that wait for an answer: confirmed or rejected by it.
 *
 * What the answer to a confirm callback is, its queue row says: its outcome, and the
 * reason where the members are rejected. It is applied under the lock of the
 * dispatch, at once where that can be had; where somebody's open transaction
 * has it, nobody waits: the row stays in the queue, and a later call applies it.
 * Only members that still wait for that very callback are concerned: those that
 * its event added, and that are pending.
 *
 * What fails with one answer, a trigger of a user's for example, must not keep what
 * else was claimed or finished by the same call: that answer is left for later.
 */
#include "postgres.h"

#include "confirm.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "builder.h"
#include "compat.h"
#include "error.h"
#include "member.h"
#include "outbox.h"
#include "statement.h"

/* How many answers are applied in one call, and when one is looked at again that could not be,
 * since its dispatch was locked, or since it failed. */
#define ANSWERS_MAX 1000
#define LOCKED_USECS (1 * USECS_PER_SEC)
#define FAILED_USECS USECS_PER_MINUTE

#define CLOSED_REASON "the dispatch was closed"

/* The columns of DISPATCH_FIND_DECIDED. */
enum
{
	DECIDED_CALLBACK_ID = 1,
	DECIDED_DISPATCH_ID,
	DECIDED_SEQUENCE,
	DECIDED_KIND,
	DECIDED_REASON,
	DECIDED_CLOSED /* NULL: we do not have the lock */
};

typedef enum AnswerState
{
	ANSWER_DUE,
	ANSWER_LOCKED, /* somebody else has the lock of the dispatch */
	ANSWER_FAILED
} AnswerState;

/* An answer that is to be applied. */
typedef struct Answer
{
	pg_uuid_t callback_id;
	pg_uuid_t dispatch_id;
	int64 sequence; /* of the event that added the members */
	DispatchMemberKind kind;
	char *reason; /* NULL: they are confirmed */
	AnswerState state;
} Answer;

/*
 * Records that members were rejected, as an event of its own. They are rows of
 * the last result, from first up to end; kind and id are its columns.
 */
static void
record_rejection(const pg_uuid_t *dispatch_id, int64 sequence, TimestampTz at, const char *reason,
				 DispatchMembers *members)
{
	DispatchBuilder data;
	DispatchEvent event = { .dispatch_id = dispatch_id, .sequence = sequence, .at = at };

	dispatch_build_begin(&data);
	dispatch_members_build(&data, members);
	dispatch_build_text(&data, "reason", reason);
	event.type =
		members->kind == DISPATCH_JOB ? "dispatch.job.rejected" : "dispatch.participant.rejected";
	event.data = dispatch_build_end(&data);
	dispatch_record_event(&event);
}

/*
 * The members of one kind among the rows of the last result (kind, id).
 */
static DispatchMembers
removed_members(uint64 rows, DispatchMemberKind kind)
{
	DispatchMembers members = { .kind = kind, .count = 0 };
	bool isnull;

	members.ids = palloc(rows * sizeof(char *) + 1);
	for (uint64 row = 0; row < rows; row++)
		if (DatumGetChar(dispatch_result(row, 1, &isnull)) == (char) kind)
			members.ids[members.count++] = TextDatumGetCString(dispatch_result(row, 2, &isnull));
	return members;
}

/*
 * Rejects all members that are pending of a dispatch that was closed, whose lock the
 * caller has: an event for jobs and one for participants, from a sequence on. What
 * would still ask for them is not sent. Returns how many events that were.
 */
int
dispatch_confirm_reject_pending(const pg_uuid_t *dispatch_id, int64 sequence, TimestampTz at)
{
	Datum values[2] = { UUIDPGetDatum(dispatch_id), TimestampTzGetDatum(at) };
	uint64 removed = dispatch_execute(DISPATCH_DELETE_PENDING, values, NULL);
	DispatchMembers kinds[2];
	int events = 0;

	if (removed == 0)
		return 0;
	kinds[0] = removed_members(removed, DISPATCH_JOB);
	kinds[1] = removed_members(removed, DISPATCH_PARTICIPANT);
	for (int i = 0; i < 2; i++)
		if (kinds[i].count > 0)
			record_rejection(dispatch_id, sequence + events++, at, CLOSED_REASON, &kinds[i]);
	(void) dispatch_execute(DISPATCH_CANCEL_ANSWERS, values, NULL);
	return events;
}

/*
 * Rejects the members of one callback, where there are any that wait for it.
 */
static void
reject(const Answer *answer, TimestampTz now)
{
	Datum values[3] = { UUIDPGetDatum(&answer->dispatch_id), Int64GetDatum(answer->sequence),
						CharGetDatum(answer->kind) };
	uint64 removed = dispatch_execute(DISPATCH_DELETE_UNCONFIRMED, values, NULL);
	DispatchMembers members;
	int64 version;
	TimestampTz at;
	bool isnull;

	if (removed == 0)
		return;
	members = removed_members(removed, answer->kind);
	values[1] = TimestampTzGetDatum(now);
	(void) dispatch_execute(DISPATCH_TOUCH_ANY, values, NULL);
	version = DatumGetInt64(dispatch_result(0, 1, &isnull));
	at = DatumGetTimestampTz(dispatch_result(0, 2, &isnull));
	record_rejection(&answer->dispatch_id, version, at, answer->reason, &members);
}

/*
 * Confirms the members of one callback that still wait for it.
 */
static void
confirm(const Answer *answer)
{
	Datum values[3] = { UUIDPGetDatum(&answer->dispatch_id), Int64GetDatum(answer->sequence),
						CharGetDatum(answer->kind) };

	(void) dispatch_execute(DISPATCH_CONFIRM_MEMBERS, values, NULL);
}

/*
 * A row of DISPATCH_FIND_DECIDED. A dispatch that was closed by an UPDATE of the owner's
 * may have members that wait: those are rejected, whatever the answer.
 */
static Answer
read_answer(uint64 row)
{
	Answer answer = { .state = ANSWER_DUE };
	Datum reason;
	bool closed;
	bool isnull;

	answer.callback_id = *DatumGetUUIDP(dispatch_result(row, DECIDED_CALLBACK_ID, &isnull));
	answer.dispatch_id = *DatumGetUUIDP(dispatch_result(row, DECIDED_DISPATCH_ID, &isnull));
	answer.sequence = DatumGetInt64(dispatch_result(row, DECIDED_SEQUENCE, &isnull));
	answer.kind = (DispatchMemberKind) DatumGetChar(dispatch_result(row, DECIDED_KIND, &isnull));
	reason = dispatch_result(row, DECIDED_REASON, &isnull);
	answer.reason = isnull ? NULL : TextDatumGetCString(reason);
	closed = DatumGetBool(dispatch_result(row, DECIDED_CLOSED, &isnull));
	if (isnull)
		answer.state = ANSWER_LOCKED;
	else if (closed && answer.reason == NULL)
		answer.reason = CLOSED_REASON;
	return answer;
}

/*
 * The callbacks of answers in one state, as an array; there are count answers.
 */
static Datum
callbacks_of(const Answer *answers, uint64 count, AnswerState state)
{
	Datum *ids = palloc(count * sizeof(Datum));
	int n = 0;

	for (uint64 i = 0; i < count; i++)
		if (answers[i].state == state)
			ids[n++] = UUIDPGetDatum(&answers[i].callback_id);
	return PointerGetDatum(construct_array(ids, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

/*
 * Leaves those answers for later that are in one state, if there are any.
 */
static void
postpone(const Answer *answers, uint64 count, AnswerState state, TimestampTz until)
{
	Datum values[2] = { callbacks_of(answers, count, state), TimestampTzGetDatum(until) };

	if (ARR_NDIM(DatumGetArrayTypeP(values[0])) > 0)
		(void) dispatch_execute(DISPATCH_POSTPONE, values, NULL);
}

/*
 * What has failed: that the statement is to end passes, all else is a warning where only one
 * answer was tried. Called while the error is handled.
 */
static void
note_failure(const Answer *answers, uint64 count, MemoryContext context)
{
	ErrorData *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		PG_RE_THROW();
	FlushErrorState();
	RollbackAndReleaseCurrentSubTransaction();
	if (count == 1)
		ereport(WARNING, (errcode(error->sqlerrcode),
						  errmsg("the answer to callback \"%s\" could not be applied: %s",
								 dispatch_uuid_text(&answers->callback_id), error->message)));
	FreeErrorData(error);
}

/*
 * Applies answers in a subtransaction; whether that was possible.
 */
static bool
try_apply(const Answer *answers, uint64 count, TimestampTz now)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool applied = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		for (uint64 i = 0; i < count; i++)
		{
			if (answers[i].state != ANSWER_DUE)
				continue;
			if (answers[i].reason == NULL)
				confirm(&answers[i]);
			else
				reject(&answers[i], now);
		}
		ReleaseCurrentSubTransaction();
		applied = true;
	}
	PG_CATCH();
	{
		note_failure(answers, count, context);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return applied;
}

/*
 * Applies answers, all together; where that fails, those that do not.
 */
static void
apply(Answer *answers, uint64 count, TimestampTz now)
{
	if (try_apply(answers, count, now))
		return;
	if (count == 1)
	{
		answers->state = ANSWER_FAILED;
		return;
	}
	apply(answers, count / 2, now);
	apply(answers + count / 2, count - count / 2, now);
}

/*
 * Applies answers that were given, of callbacks of this origin, and ends their
 * callbacks; those whose dispatch is locked by somebody, and those that fail, are
 * left for a while. To be called between SPI_connect() and SPI_finish().
 */
void
dispatch_confirm_apply(int32 origin, TimestampTz now)
{
	Datum values[3] = { TimestampTzGetDatum(now), Int32GetDatum(origin),
						Int32GetDatum(ANSWERS_MAX) };
	uint64 count = dispatch_execute(DISPATCH_FIND_DECIDED, values, NULL);
	Answer *answers;

	if (count == 0)
		return;
	answers = palloc(count * sizeof(Answer));
	for (uint64 i = 0; i < count; i++)
		answers[i] = read_answer(i);
	apply(answers, count, now);
	values[0] = callbacks_of(answers, count, ANSWER_DUE);
	(void) dispatch_execute(DISPATCH_END_DECIDED, values, NULL);
	postpone(answers, count, ANSWER_LOCKED, now + LOCKED_USECS);
	postpone(answers, count, ANSWER_FAILED, now + FAILED_USECS);
}
