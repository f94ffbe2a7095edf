/*
 * sql.c
 *	  The SQL statements that operations run: one table of them.
 *
 * Rows go through the ordinary executor, so users' own triggers and logical
 * replication work. Every name is qualified; statements that may run under a
 * caller's search_path qualify their operators too.
 */
#include "postgres.h"

#include "sql.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

/* SQL is laid out clause by clause. */
/* clang-format off */

#define MEMBERS_OF_EVENT \
		"m.dispatch_id = $1" \
		"   AND m.ctid = ANY (ARRAY(" \
		"       SELECT one.ctid" \
		"         FROM dispatch.event_log AS e" \
		"        CROSS JOIN LATERAL pg_catalog.jsonb_array_elements_text(" \
		"              e.data -> CASE $3 WHEN 'j' THEN 'jobs' ELSE 'participants' END) AS named(id)" \
		"        CROSS JOIN LATERAL (" \
		"              SELECT o.ctid" \
		"                FROM dispatch.members AS o" \
		"               WHERE o.dispatch_id = $1" \
		"                 AND o.kind = $3" \
		"                 AND o.member_id = named.id" \
		"                 AND o.sequence = $2" \
		"                 AND o.state = 'p'" \
		"               LIMIT 1) AS one" \
		"        WHERE e.dispatch_id = $1" \
		"          AND e.sequence = $2))"
/* How long nothing is sent to a host that fails: as before a retry, but never for very long. */
#define HOST_PAUSE(trials) \
		"pg_catalog.make_interval(secs => (0.5 + pg_catalog.random() / 2)" \
		"       * LEAST($4 * pg_catalog.power(2, LEAST(" trials ", 16)), $5, 300))"
/*
 * Ends the callbacks in "held" without an attempt; those that are waited for stay in the
 * queue until that was applied.
 */
#define END_HELD(state, reason, now) \
		" ended AS (" \
		"DELETE FROM dispatch.queue AS q" \
		" WHERE q.callback_id = ANY (ARRAY(" \
		"       SELECT h.callback_id FROM held AS h WHERE h.accept IS NULL)))," \
		" decided AS (" \
		"UPDATE dispatch.queue AS q" \
		"   SET attempt = q.attempt + 1, unused = q.unused + 1, leased_at = NULL, next_at = " now "," \
		"       outcome = '" state "', reason = " reason \
		" WHERE q.callback_id = ANY (ARRAY(" \
		"       SELECT h.callback_id FROM held AS h WHERE h.accept IS NOT NULL)))" \
		"INSERT INTO dispatch.attempts" \
		"       (dispatch_id, sequence, callback_id, at, attempt, tries, state, error)" \
		"SELECT h.dispatch_id, h.sequence, h.callback_id, " now ", h.attempt + 1, h.attempt - h.unused," \
		"       CASE WHEN h.accept IS NULL THEN '" state "' END, " reason \
		"  FROM held AS h"
#define RETRY(named) \
		"WITH dead AS MATERIALIZED (" \
		"SELECT a.dispatch_id, a.sequence, a.attempt, a.callback_id, e.host" \
		"  FROM dispatch.attempts AS a" \
		" CROSS JOIN LATERAL (" \
		"       SELECT l.callback_host AS host" \
		"         FROM dispatch.event_log AS l" \
		"        WHERE l.dispatch_id = a.dispatch_id" \
		"          AND l.sequence = a.sequence" \
		"          AND l.callback_accept IS NULL" \
		"        LIMIT 1) AS e" \
		" WHERE a.state = 'DEAD'" \
		named \
		"   AND ($2 IS NULL OR e.host = $2)" \
		"   AND ($3 IS NULL OR a.at >= $3)" \
		"   FOR UPDATE OF a)," \
		" alive AS (" \
		"UPDATE dispatch.attempts AS a" \
		"   SET state = NULL" \
		"  FROM dead AS d" \
		" WHERE a.dispatch_id = d.dispatch_id" \
		"   AND a.sequence = d.sequence" \
		"   AND a.attempt = d.attempt)" \
		"INSERT INTO dispatch.queue" \
		"       (callback_id, dispatch_id, sequence, next_at, origin, attempt, unused, host)" \
		"SELECT d.callback_id, d.dispatch_id, d.sequence, $4, $5, d.attempt, d.attempt, d.host" \
		"  FROM dead AS d"
/* Said so that no plan goes through all that is leased, by its index: rows are looked up by their ids. */
#define IS_LEASED "COALESCE(q.leased_at, '-infinity') > '-infinity'"
#define NO_ANSWER_IN(tries) "'no conclusive answer in ' || (" tries ") || ' attempts'"
#define FIRST_ID "'00000000-0000-0000-0000-000000000000'::pg_catalog.uuid"
#define EVENT_COLUMNS "e.sequence, e.type, e.data, e.event_meta, e.caller, e.at"

const DispatchStatementText dispatch_statements[DISPATCH_STATEMENTS] = {
	/* Types. */
	[DISPATCH_LIST_TYPES] = { SPI_OK_SELECT,
		"SELECT t.id, t.name, t.revision, t.additional_attributes, t.lifecycle,"
		"       t.created_at, t.updated_at"
		"  FROM dispatch.types AS t"
		" WHERE $1 IS NULL OR t.id = $1"
		" ORDER BY t.name",
		{ UUIDOID } },
	[DISPATCH_INSERT_TYPE] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.types"
		"       (id, name, lifecycle, additional_attributes, created_at, updated_at)"
		"VALUES ($1, $2, $3, $4, $5, $5)",
		{ UUIDOID, TEXTOID, JSONBOID, BOOLOID, TIMESTAMPTZOID } },
	[DISPATCH_LOCK_TYPE] = { SPI_OK_SELECT,
		"SELECT t.name, t.attributes"
		"  FROM dispatch.types AS t"
		" WHERE t.id = $1"
		"   FOR NO KEY UPDATE",
		{ UUIDOID } },
	[DISPATCH_UPDATE_ATTRIBUTES] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.types AS t"
		"   SET attributes = t.attributes || $2, revision = t.revision + 1, updated_at = $3"
		" WHERE t.id = $1"
		" RETURNING t.revision",
		{ UUIDOID, JSONBOID, TIMESTAMPTZOID } },
	/*
	 * Only where dispatches of the type may hold values of the attributes already: other
	 * members are allowed, and there are dispatches, or others than this transaction, which
	 * may be making some, know the type.
	 */
	[DISPATCH_ADD_BACKFILL] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.backfills AS b (type_id, revision, slots)"
		"SELECT t.id, t.revision, $2"
		"  FROM dispatch.types AS t"
		" WHERE t.id = $1"
		"   AND t.additional_attributes"
		"   AND (NOT EXISTS (SELECT"
		"         FROM dispatch.type_events AS e"
		"        WHERE e.type_id = $1"
		"          AND e.sequence = 1"
		"          AND e.xmin = pg_catalog.xid(pg_catalog.pg_current_xact_id()))"
		"    OR EXISTS (SELECT"
		"         FROM dispatch.dispatches AS d"
		"        WHERE d.type_id = $1"
		"          AND d.closed_at IS NULL)"
		"    OR EXISTS (SELECT"
		"         FROM dispatch.dispatches AS d"
		"        WHERE d.type_id = $1"
		"          AND d.final_status IS NOT NULL))"
		"    ON CONFLICT ON CONSTRAINT backfills_pkey"
		"    DO UPDATE SET revision = excluded.revision, slots = b.slots | $2, after_id = NULL",
		{ UUIDOID, INT4OID } },
	[DISPATCH_FIND_BACKFILL] = { SPI_OK_SELECT,
		"SELECT t.revision, b.slots"
		"  FROM dispatch.types AS t"
		"  LEFT JOIN dispatch.backfills AS b ON b.type_id = t.id"
		" WHERE t.id = $1",
		{ UUIDOID } },
	[DISPATCH_LOCK_BACKFILL] = { SPI_OK_SELECT,
		"SELECT b.revision, b.after_id"
		"  FROM dispatch.backfills AS b"
		" WHERE b.type_id = $1"
		"   FOR UPDATE",
		{ UUIDOID } },
	/* What is newer than the attributes has its slots. The trigger fills them. */
	[DISPATCH_BACKFILL] = { SPI_OK_SELECT,
		"WITH looked AS MATERIALIZED ("
		"SELECT d.id, d.type_id"
		"  FROM dispatch.dispatches AS d"
		" WHERE d.id >= $3"
		" ORDER BY d.id"
		" LIMIT $4),"
		" filled AS ("
		"UPDATE dispatch.dispatches AS d"
		"   SET slot1 = d.slot1"
		" WHERE d.id = ANY (ARRAY(SELECT l.id FROM looked AS l WHERE l.type_id = $1))"
		"   AND d.type_revision < $2)"
		"SELECT pg_catalog.count(*), (pg_catalog.array_agg(l.id ORDER BY l.id DESC))[1]"
		"  FROM looked AS l",
		{ UUIDOID, INT4OID, UUIDOID, INT8OID } },
	[DISPATCH_MOVE_BACKFILL] = { SPI_OK_UPDATE,
		"UPDATE dispatch.backfills AS b"
		"   SET after_id = $2"
		" WHERE b.type_id = $1",
		{ UUIDOID, UUIDOID } },
	[DISPATCH_END_BACKFILL] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.backfills AS b"
		" WHERE b.type_id = $1",
		{ UUIDOID } },
	/* Each count in the order of the index that it is to go by, as searches are: see find.c. */
	[DISPATCH_COUNT_STATUSES] = { SPI_OK_SELECT,
		"SELECT t.name, s.status, s.closed, s.dispatches"
		"  FROM dispatch.types AS t"
		" CROSS JOIN LATERAL ("
		"       SELECT o.status, false AS closed, pg_catalog.count(*) AS dispatches"
		"         FROM (SELECT d.status"
		"                 FROM dispatch.dispatches AS d"
		"                WHERE (d.type_id, d.id) >= (t.id, " FIRST_ID ")"
		"                  AND d.type_id <= t.id"
		"                  AND d.closed_at IS NULL"
		"                ORDER BY d.type_id, d.id"
		"               OFFSET 0) AS o"
		"        GROUP BY o.status"
		"        UNION ALL"
		"       SELECT c.final_status, true, pg_catalog.count(*)"
		"         FROM (SELECT d.final_status"
		"                 FROM dispatch.dispatches AS d"
		"                WHERE (d.type_id, d.final_status, d.id) >= (t.id, '', " FIRST_ID ")"
		"                  AND d.type_id <= t.id"
		"                  AND d.final_status IS NOT NULL"
		"                  AND NOT $2"
		"                ORDER BY d.type_id, d.final_status, d.id"
		"               OFFSET 0) AS c"
		"        GROUP BY c.final_status) AS s"
		" WHERE $1 IS NULL"
		"    OR t.id = $1"
		" ORDER BY t.name, s.closed, s.status",
		{ UUIDOID, BOOLOID },
		DISPATCH_IN_ORDER },
	[DISPATCH_INSERT_TYPE_EVENT] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.type_events"
		"       (type_id, sequence, at, type, caller, data, event_meta)"
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		{ UUIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID } },
	[DISPATCH_READ_TYPE_EVENTS] = { SPI_OK_SELECT,
		"SELECT " EVENT_COLUMNS
		"  FROM dispatch.type_events AS e"
		" WHERE e.type_id = $1"
		" ORDER BY e.sequence",
		{ UUIDOID } },

	/*
	 * Dispatches. Their changes lock the row; a final status keeps them away,
	 * and so does another version than $3, where that is given.
	 * The time was taken before the lock: it must not go back.
	 */
	[DISPATCH_INSERT_DISPATCH] = { SPI_OK_INSERT_RETURNING,
		"INSERT INTO dispatch.dispatches AS d"
		"       (id, type_id, dispatch_ref, custom_data, extra, created_at, updated_at)"
		"VALUES ($1, $2, $3, $4, $5, $6, $6)"
		" RETURNING d.status, d.custom_data",
		{ UUIDOID, UUIDOID, TEXTOID, JSONBOID, JSONBOID, TIMESTAMPTZOID } },
	[DISPATCH_TOUCH] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = d.version + 1, updated_at = GREATEST(d.updated_at, $2)"
		" WHERE d.id = $1"
		"   AND d.closed_at IS NULL"
		"   AND ($3 IS NULL OR d.version = $3)"
		" RETURNING d.version, d.updated_at, d.dispatch_ref",
		{ UUIDOID, TIMESTAMPTZOID, INT8OID } },
	/* Closed or not: what was left open there has its end. */
	[DISPATCH_TOUCH_ANY] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = d.version + 1, updated_at = GREATEST(d.updated_at, $2)"
		" WHERE d.id = $1"
		" RETURNING d.version, d.updated_at",
		{ UUIDOID, TIMESTAMPTZOID } },
	[DISPATCH_UPDATE_STATUS] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = d.version + 1, updated_at = GREATEST(d.updated_at, $2),"
		"       status = $4, sub_status = $5"
		"  FROM (SELECT o.id, o.status"
		"          FROM dispatch.dispatches AS o"
		"         WHERE o.id = $1"
		"           FOR NO KEY UPDATE) AS o"
		" WHERE d.id = $1"
		"   AND o.id = d.id"
		"   AND d.closed_at IS NULL"
		"   AND ($3 IS NULL OR d.version = $3)"
		" RETURNING d.version, d.updated_at, d.dispatch_ref, o.status, d.closed_at IS NOT NULL",
		{ UUIDOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID } },
	[DISPATCH_UPDATE_SUB_STATUS] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = d.version + 1, updated_at = GREATEST(d.updated_at, $2), sub_status = $4"
		" WHERE d.id = $1"
		"   AND d.closed_at IS NULL"
		"   AND ($3 IS NULL OR d.version = $3)"
		" RETURNING d.version, d.updated_at, d.dispatch_ref, d.status",
		{ UUIDOID, TIMESTAMPTZOID, INT8OID, TEXTOID } },
	[DISPATCH_SET_VERSION] = { SPI_OK_UPDATE,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = $2"
		" WHERE d.id = $1",
		{ UUIDOID, INT8OID } },
	/* Without a seal the row is validated even where the patch changes nothing. */
	[DISPATCH_UPDATE_CUSTOM_DATA] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.dispatches AS d"
		"   SET version = d.version + 1, updated_at = GREATEST(d.updated_at, $2), seal = NULL,"
		"       custom_data = dispatch.merge_patch(d.custom_data, $4)"
		" WHERE d.id = $1"
		"   AND d.closed_at IS NULL"
		"   AND ($3 IS NULL OR d.version = $3)"
		" RETURNING d.version, d.updated_at, d.dispatch_ref, d.custom_data",
		{ UUIDOID, TIMESTAMPTZOID, INT8OID, JSONBOID } },
	[DISPATCH_LOCK] = { SPI_OK_SELECT,
		"SELECT d.id"
		"  FROM dispatch.dispatches AS d"
		" WHERE d.id = $1"
		"   FOR NO KEY UPDATE",
		{ UUIDOID } },
	[DISPATCH_FIND_STATUS] = { SPI_OK_SELECT,
		"SELECT d.status, d.version, d.closed_at IS NOT NULL"
		"  FROM dispatch.dispatches AS d"
		" WHERE d.id = $1",
		{ UUIDOID } },
	[DISPATCH_FIND_BY_REF] = { SPI_OK_SELECT,
		"SELECT d.id"
		"  FROM dispatch.dispatches AS d"
		" WHERE d.dispatch_ref = $1",
		{ TEXTOID } },
	[DISPATCH_READ_DISPATCH] = { SPI_OK_SELECT,
		"SELECT d.id, d.dispatch_ref, d.type_id, t.name, d.status, d.sub_status, d.custom_data,"
		"       d.version, d.created_at, d.updated_at, d.extra"
		"  FROM dispatch.dispatches AS d"
		"  LEFT JOIN dispatch.types AS t ON t.id = d.type_id"
		" WHERE d.id = $1",
		{ UUIDOID } },

	/*
	 * Members, all of a call by one statement. Each is looked up by its key, one by one: the
	 * planner, which cannot know how many there are, might go through all that the dispatch has.
	 */
	[DISPATCH_READ_MEMBERS] = { SPI_OK_SELECT,
		"SELECT m.kind, m.member_id, m.state"
		"  FROM dispatch.members AS m"
		" WHERE m.dispatch_id = $1"
		" ORDER BY m.sequence, m.ordinal",
		{ UUIDOID } },
	[DISPATCH_INSERT_MEMBERS] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.members"
		"       (dispatch_id, sequence, added_at, kind, member_id, ordinal, state)"
		"SELECT $1, $2, $3, m.kind, m.member_id, m.ordinal, $6"
		"  FROM ROWS FROM (pg_catalog.unnest($4), pg_catalog.unnest($5))"
		"       WITH ORDINALITY AS m(kind, member_id, ordinal)",
		{ UUIDOID, INT8OID, TIMESTAMPTZOID, CHARARRAYOID, TEXTARRAYOID, CHAROID } },
	[DISPATCH_DELETE_MEMBERS] = { SPI_OK_DELETE_RETURNING,
		"DELETE FROM dispatch.members AS m"
		" WHERE m.dispatch_id = $1"
		"   AND m.ctid = ANY (ARRAY("
		"       SELECT one.ctid"
		"         FROM pg_catalog.unnest($3) AS named(id)"
		"        CROSS JOIN LATERAL ("
		"              SELECT o.ctid"
		"                FROM dispatch.members AS o"
		"               WHERE o.dispatch_id = $1"
		"                 AND o.kind = $2"
		"                 AND o.member_id = named.id"
		"               LIMIT 1) AS one))"
		" RETURNING m.member_id",
		{ UUIDOID, CHAROID, TEXTARRAYOID } },
	/* Members that wait for an answer: all of a dispatch, or those of one callback's event. */
	[DISPATCH_DELETE_PENDING] = { SPI_OK_SELECT,
		"WITH gone AS ("
		"DELETE FROM dispatch.members AS m"
		" WHERE m.dispatch_id = $1"
		"   AND m.state = 'p'"
		" RETURNING m.kind, m.member_id, m.sequence, m.ordinal)"
		"SELECT g.kind, g.member_id"
		"  FROM gone AS g"
		" ORDER BY g.sequence, g.ordinal",
		{ UUIDOID } },
	[DISPATCH_DELETE_UNCONFIRMED] = { SPI_OK_SELECT,
		"WITH gone AS ("
		"DELETE FROM dispatch.members AS m"
		" WHERE " MEMBERS_OF_EVENT
		" RETURNING m.kind, m.member_id, m.ordinal)"
		"SELECT g.kind, g.member_id"
		"  FROM gone AS g"
		" ORDER BY g.ordinal",
		{ UUIDOID, INT8OID, CHAROID } },
	[DISPATCH_CONFIRM_MEMBERS] = { SPI_OK_UPDATE,
		"UPDATE dispatch.members AS m"
		"   SET state = 'c'"
		" WHERE " MEMBERS_OF_EVENT,
		{ UUIDOID, INT8OID, CHAROID } },

	/* Events, and the callbacks that leave with them. */
	[DISPATCH_READ_EVENTS] = { SPI_OK_SELECT,
		"SELECT " EVENT_COLUMNS
		"  FROM dispatch.event_log AS e"
		" WHERE e.dispatch_id = $1"
		" ORDER BY e.sequence",
		{ UUIDOID } },
	[DISPATCH_INSERT_EVENT] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.event_log"
		"       (dispatch_id, sequence, at, type, caller, data, event_meta)"
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
		{ UUIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID } },
	[DISPATCH_INSERT_EVENT_WITH_CALLBACK] = { SPI_OK_INSERT,
		"WITH event AS ("
		"INSERT INTO dispatch.event_log"
		"       (dispatch_id, sequence, at, type, caller, data, event_meta, callback_id, callback_method,"
		"        callback_host, callback_url, callback_headers, callback_accept, callback_ref)"
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $14, $16))"
		"INSERT INTO dispatch.queue (callback_id, dispatch_id, sequence, next_at, host, origin, accept)"
		"VALUES ($8, $1, $2, $15, $10, $13, $14)",
		{ UUIDOID, INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, UUIDOID, TEXTOID,
		  TEXTOID, TEXTOID, JSONBOID, INT4OID, INT4ARRAYOID, TIMESTAMPTZOID, TEXTOID } },

	/* Calls that are made again. */
	[DISPATCH_FIND_REQUEST] = { SPI_OK_SELECT,
		"SELECT r.dispatch_id, r.version, r.digest"
		"  FROM dispatch.requests AS r"
		" WHERE r.caller = $1"
		"   AND r.operation = $2"
		"   AND r.request_id = $3",
		{ TEXTOID, TEXTOID, TEXTOID } },
	[DISPATCH_INSERT_REQUEST] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.requests"
		"       (caller, operation, request_id, dispatch_id, version, digest, at)"
		"VALUES ($1, $2, $3, $4, $5, $6, $7)"
		"    ON CONFLICT ON CONSTRAINT requests_pkey DO NOTHING",
		{ TEXTOID, TEXTOID, TEXTOID, UUIDOID, INT8OID, INT8OID, TIMESTAMPTZOID } },

	/*
	 * A copy that was restored does not send what its origin queued, until it was
	 * adopted.
	 */
	[DISPATCH_ADOPT] = { SPI_OK_UPDATE,
		"UPDATE dispatch.queue AS q"
		"   SET origin = $1, leased_at = NULL,"
		"       next_at = CASE WHEN q.leased_at IS NOT NULL THEN $2 ELSE q.next_at END"
		" WHERE q.origin <> $1",
		{ INT4OID, TIMESTAMPTZOID } },
	[DISPATCH_CHECK_QUEUE] = { SPI_OK_SELECT,
		"SELECT EXISTS (SELECT FROM dispatch.queue AS q WHERE q.origin < $1)"
		"    OR EXISTS (SELECT FROM dispatch.queue AS q WHERE q.origin > $1),"
		"       EXISTS (SELECT FROM dispatch.host_states AS s WHERE s.aside),"
		"       EXISTS (SELECT FROM dispatch.queue AS q"
		"                WHERE q.origin = $1 AND q.next_at <= $2 AND q.outcome IS NOT NULL)",
		{ INT4OID, TIMESTAMPTZOID } },

	/*
	 * A claim, step by step: what is due, locked; how much room its hosts have;
	 * leases that have passed; what is set aside, and taken from there; what is
	 * leased. Rows are known by their places, since they are locked.
	 */
	[DISPATCH_FIND_DUE] = { SPI_OK_SELECT,
		"SELECT q.ctid, q.host, q.next_at, q.attempt - q.unused, q.leased_at IS NOT NULL"
		"  FROM dispatch.queue AS q"
		" WHERE q.origin = $1"
		"   AND q.next_at BETWEEN $2 AND $3"
		"   AND q.outcome IS NULL"
		" ORDER BY q.next_at"
		" LIMIT $4"
		"   FOR UPDATE SKIP LOCKED",
		{ INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID } },
	[DISPATCH_COUNT_LEASED] = { SPI_OK_SELECT,
		"SELECT h.ordinal, c.leased, c.oldest,"
		"       CASE WHEN s.paused OR s.next_try > $3 THEN 0 WHEN s.next_try IS NOT NULL THEN 1 ELSE $4 END"
		"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))"
		"       WITH ORDINALITY AS h(host, since, ordinal)"
		" CROSS JOIN LATERAL ("
		"       SELECT pg_catalog.count(*) AS leased, pg_catalog.min(l.leased_at) AS oldest"
		"         FROM (SELECT q.leased_at"
		"                 FROM dispatch.queue AS q"
		"                WHERE q.host = h.host"
		"                  AND q.leased_at >= h.since"
		"                  AND q.next_at > $3"
		"                ORDER BY q.leased_at"
		"                LIMIT $4) AS l) AS c"
		"  LEFT JOIN LATERAL ("
		"       SELECT k.paused, k.next_try"
		"         FROM dispatch.host_states AS k"
		"        WHERE k.host = h.host"
		"        LIMIT 1) AS s ON true",
		{ TEXTARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID, INT8OID } },
	[DISPATCH_END_LEASES] = { SPI_OK_INSERT,
		"WITH expired AS MATERIALIZED ("
		"SELECT q.*, q.attempt - q.unused AS tries, q.attempt - q.unused >= $3 AS dead"
		"  FROM dispatch.queue AS q"
		" WHERE q.ctid = ANY ($1)),"
		" ended AS ("
		"DELETE FROM dispatch.queue AS q"
		" WHERE q.ctid = ANY ($1)"
		"   AND q.attempt - q.unused >= $3"
		"   AND q.accept IS NULL),"
		" decided AS ("
		"UPDATE dispatch.queue AS q"
		"   SET leased_at = NULL, next_at = $2, outcome = 'DEAD',"
		"       reason = " NO_ANSWER_IN("q.attempt - q.unused")
		" WHERE q.ctid = ANY ($1)"
		"   AND q.attempt - q.unused >= $3"
		"   AND q.accept IS NOT NULL)"
		"INSERT INTO dispatch.attempts"
		"       (dispatch_id, sequence, callback_id, at, attempt, tries, state, error)"
		"SELECT e.dispatch_id, e.sequence, e.callback_id, $2, e.attempt, e.tries,"
		"       CASE WHEN e.dead AND e.accept IS NULL THEN 'DEAD' END,"
		"       'the lease passed without an outcome'"
		"  FROM expired AS e",
		{ TIDARRAYOID, TIMESTAMPTZOID, INT4OID } },
	[DISPATCH_SET_ASIDE] = { SPI_OK_INSERT,
		"WITH aside AS ("
		"UPDATE dispatch.queue AS q"
		"   SET next_at = 'infinity', leased_at = NULL"
		" WHERE q.ctid = ANY ($1))"
		"INSERT INTO dispatch.host_states AS s (host, aside)"
		"SELECT DISTINCT h.host, true"
		"  FROM pg_catalog.unnest($2) AS h(host)"
		" ORDER BY h.host"
		"    ON CONFLICT ON CONSTRAINT host_states_pkey DO UPDATE SET aside = true WHERE NOT s.aside",
		{ TIDARRAYOID, TEXTARRAYOID } },
	[DISPATCH_LIST_HOSTS] = { SPI_OK_SELECT,
		"SELECT h.host"
		"  FROM dispatch.host_states AS h"
		" WHERE h.host > $1"
		"   AND h.aside"
		"   AND NOT h.paused"
		"   AND (h.next_try IS NULL OR h.next_try <= $3)"
		" ORDER BY h.host"
		" LIMIT $2",
		{ TEXTOID, INT8OID, TIMESTAMPTZOID } },
	[DISPATCH_FIND_ASIDE] = { SPI_OK_SELECT,
		"SELECT q.ctid, q.callback_id"
		"  FROM dispatch.queue AS q"
		" WHERE q.host = $1"
		"   AND q.next_at = 'infinity'"
		"   AND q.callback_id >= $2"
		" ORDER BY q.callback_id"
		" LIMIT $3"
		"   FOR UPDATE SKIP LOCKED",
		{ TEXTOID, UUIDOID, INT8OID } },
	[DISPATCH_END_ASIDE] = { SPI_OK_UPDATE,
		"UPDATE dispatch.host_states AS h"
		"   SET aside = false"
		" WHERE h.host = $1"
		"   AND NOT EXISTS ("
		"       SELECT FROM dispatch.queue AS q"
		"        WHERE q.host = $1"
		"          AND q.next_at = 'infinity')",
		{ TEXTOID } },
	[DISPATCH_FORGET_HOST] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.host_states AS h"
		" WHERE h.host = $1"
		"   AND NOT h.aside"
		"   AND NOT h.paused"
		"   AND h.failing_since IS NULL",
		{ TEXTOID } },
	[DISPATCH_FORGET_HOSTS] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.host_states AS h"
		" WHERE h.ctid = ANY (ARRAY("
		"       SELECT o.ctid"
		"         FROM dispatch.host_states AS o"
		"        WHERE NOT o.aside"
		"          AND NOT o.paused"
		"          AND o.failing_since < $1"
		"          AND (o.next_try IS NULL OR o.next_try < $1)"
		"        LIMIT $2"
		"          FOR UPDATE SKIP LOCKED))",
		{ TIMESTAMPTZOID, INT8OID } },
	[DISPATCH_PAUSE_HOST] = { SPI_OK_INSERT,
		"INSERT INTO dispatch.host_states AS s (host, paused)"
		"VALUES ($1, true)"
		"    ON CONFLICT ON CONSTRAINT host_states_pkey DO UPDATE SET paused = true",
		{ TEXTOID } },
	[DISPATCH_RESUME_HOST] = { SPI_OK_UPDATE,
		"UPDATE dispatch.host_states AS s"
		"   SET paused = false, failing_since = NULL, next_try = NULL, failures = 0, trials = 0"
		" WHERE s.host = $1",
		{ TEXTOID } },
	[DISPATCH_TAKE] = { SPI_OK_UPDATE_RETURNING,
		"UPDATE dispatch.queue AS q"
		"   SET attempt = q.attempt + 1, leased_at = $2, next_at = $3"
		"  FROM dispatch.event_log AS e"
		" WHERE q.ctid = ANY ($1)"
		"   AND e.dispatch_id = q.dispatch_id"
		"   AND e.sequence = q.sequence"
		" RETURNING q.callback_id, q.attempt, e.callback_method, e.callback_url, e.callback_headers,"
		"           e.type, e.at, e.data, e.event_meta, e.dispatch_id, e.sequence, e.callback_ref,"
		"           q.accept IS NOT NULL",
		{ TIDARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID } },
	/*
	 * Callbacks of which all were delivered, and where nobody waits for an answer: nearly all, as a
	 * rule, by a statement that does no more than it must. Where somebody waits it does nothing, since
	 * DISPATCH_FINISH is to lock all of them in the order of their ids. $1 has none twice. Returns one
	 * row: whether somebody waits, the ids that it ignored, and of the hosts those of which something
	 * is known.
	 */
	[DISPATCH_FINISH_DELIVERED] = { SPI_OK_SELECT,
		"WITH asked AS MATERIALIZED ("
		"SELECT EXISTS (SELECT FROM dispatch.queue AS q"
		"                WHERE q.callback_id = ANY ($1) AND q.accept IS NOT NULL) AS confirm),"
		" delivered AS ("
		"DELETE FROM dispatch.queue AS q"
		" USING (SELECT o.*"
		"          FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
		"                          pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6))"
		"               AS o(callback_id, attempt, status, error, duration, excerpt)"
		"         ORDER BY o.callback_id"
		"        OFFSET 0) AS a"
		" WHERE q.callback_id = a.callback_id"
		"   AND q.attempt = a.attempt"
		"   AND " IS_LEASED
		"   AND NOT (SELECT k.confirm FROM asked AS k)"
		" RETURNING q.dispatch_id, q.sequence, q.callback_id, q.attempt, q.attempt - q.unused AS tries,"
		"           q.host, a.status, a.error, a.duration, a.excerpt),"
		" kept AS ("
		"INSERT INTO dispatch.attempts"
		"       (dispatch_id, sequence, callback_id, at, attempt, tries, status, state, duration,"
		"        error, excerpt)"
		"SELECT d.dispatch_id, d.sequence, d.callback_id, $7, d.attempt, d.tries, d.status, 'DELIVERED',"
		"       d.duration, pg_catalog.left(d.error, 500), pg_catalog.left(d.excerpt, 500)"
		"  FROM delivered AS d)"
		"SELECT k.confirm,"
		"       CASE WHEN o.delivered < pg_catalog.cardinality($1)"
		"            THEN ARRAY(SELECT g.id"
		"                         FROM pg_catalog.unnest($1) AS g(id)"
		"                        WHERE g.id NOT IN (SELECT d.callback_id FROM delivered AS d)) END,"
		"       ARRAY(SELECT s.host FROM dispatch.host_states AS s WHERE s.host = ANY (o.hosts))"
		"  FROM asked AS k"
		" CROSS JOIN (SELECT pg_catalog.count(*) AS delivered, pg_catalog.array_agg(DISTINCT d.host) AS hosts"
		"               FROM delivered AS d) AS o",
		{ UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INTERVALARRAYOID, TEXTARRAYOID,
		  TIMESTAMPTZOID } },
	/*
	 * An outcome counts for the attempt that holds the lease. 2xx delivers, 410
	 * and the last try end it, the rest waits: as long as Retry-After says, else
	 * exponentially, with full jitter. Where the answer is waited for, any status
	 * code is one but 408, 429 and 5xx, unless it is named as acceptable: the row then
	 * stays, with its outcome, until that was applied. A host that did not answer any
	 * attempt of the batch fails. Returns what was ignored, and the hosts of which there is
	 * something to note.
	 */
	[DISPATCH_FINISH] = { SPI_OK_SELECT,
		"WITH answer AS MATERIALIZED ("
		"SELECT DISTINCT ON (a.callback_id, a.attempt) a.*"
		"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
		"                  pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
		"                  pg_catalog.unnest($7))"
		"       AS a(callback_id, attempt, status, error, retry_after, duration, excerpt)),"
		" held AS MATERIALIZED ("
		"SELECT q.callback_id, q.dispatch_id, q.sequence, q.attempt, q.attempt - q.unused AS tries,"
		"       q.accept, q.host"
		"  FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY ($1)"
		"   AND " IS_LEASED
		" ORDER BY q.callback_id"
		"   FOR UPDATE),"
		" outcome AS MATERIALIZED ("
		"SELECT h.*, a.status, a.error, a.retry_after, a.duration, a.excerpt, y.accepted,"
		"       CASE WHEN y.accepted OR h.accept IS NOT NULL AND NOT y.again THEN 'DELIVERED'"
		"            WHEN NOT y.again OR h.tries >= $9 THEN 'DEAD' END AS state"
		"  FROM held AS h"
		"  JOIN answer AS a USING (callback_id, attempt)"
		" CROSS JOIN LATERAL ("
		"       SELECT CASE WHEN pg_catalog.cardinality(h.accept) > 0"
		"                   THEN COALESCE(a.status = ANY (h.accept), false)"
		"                   ELSE COALESCE(a.status BETWEEN 200 AND 299, false) END AS accepted,"
		"              CASE WHEN h.accept IS NULL THEN a.status IS DISTINCT FROM 410"
		"                   ELSE COALESCE(a.status IN (408, 429) OR a.status >= 500, true) END AS again"
		"       ) AS y),"
		" ended AS ("
		"DELETE FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY (ARRAY("
		"       SELECT o.callback_id FROM outcome AS o"
		"        WHERE o.state IS NOT NULL AND o.accept IS NULL))),"
		" decided AS ("
		"UPDATE dispatch.queue AS q"
		"   SET leased_at = NULL, next_at = $8, outcome = o.state,"
		"       reason = CASE WHEN o.accepted THEN NULL"
		"                     WHEN o.state = 'DELIVERED' THEN 'answered ' || o.status"
		"                     ELSE " NO_ANSWER_IN("o.tries") " END"
		"  FROM outcome AS o"
		" WHERE q.callback_id = ANY ($1)"
		"   AND q.callback_id = o.callback_id"
		"   AND o.accept IS NOT NULL"
		"   AND o.state IS NOT NULL),"
		" waiting AS ("
		"UPDATE dispatch.queue AS q"
		"   SET leased_at = NULL,"
		"       next_at = $8 + CASE WHEN o.retry_after IS NOT NULL"
		"       THEN LEAST(GREATEST(o.retry_after, '0'), pg_catalog.make_interval(secs => $11))"
		"       ELSE pg_catalog.make_interval(secs => pg_catalog.random()"
		"            * LEAST($10 * pg_catalog.power(2, LEAST(o.tries - 1, 64)), $11)) END"
		"  FROM outcome AS o"
		" WHERE q.callback_id = ANY ($1)"
		"   AND q.callback_id = o.callback_id"
		"   AND o.state IS NULL),"
		" hosts AS MATERIALIZED ("
		"SELECT a.host,"
		"       CASE WHEN pg_catalog.bool_or(a.answered) THEN 0 ELSE pg_catalog.count(*)::integer END AS failures"
		"  FROM (SELECT o.host, COALESCE(o.status < 500 AND o.status NOT IN (408, 429), false) AS answered"
		"          FROM outcome AS o) AS a"
		" GROUP BY a.host),"
		" kept AS ("
		"INSERT INTO dispatch.attempts"
		"       (dispatch_id, sequence, callback_id, at, attempt, tries, status, state, duration,"
		"        error, excerpt)"
		"SELECT o.dispatch_id, o.sequence, o.callback_id, $8, o.attempt, o.tries, o.status,"
		"       CASE WHEN o.accept IS NULL THEN o.state END,"
		"       o.duration, pg_catalog.left(o.error, 500), pg_catalog.left(o.excerpt, 500)"
		"  FROM outcome AS o)"
		"SELECT DISTINCT a.callback_id, NULL::pg_catalog.text, NULL::integer"
		"  FROM answer AS a"
		" WHERE NOT EXISTS ("
		"       SELECT FROM outcome AS o"
		"        WHERE o.callback_id = a.callback_id"
		"          AND o.attempt = a.attempt)"
		" UNION ALL "
		"SELECT NULL::pg_catalog.uuid, h.host, h.failures"
		"  FROM hosts AS h"
		" WHERE h.failures > 0"
		"    OR EXISTS (SELECT FROM dispatch.host_states AS s WHERE s.host = h.host)",
		{ UUIDARRAYOID, INT4ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, INTERVALARRAYOID,
		  INTERVALARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID, INT4OID, FLOAT8OID, FLOAT8OID },
		DISPATCH_BY_HASH },
	/*
	 * Hosts, and how often each failed in a row; 0: it answered. After some failures nothing
	 * is sent there for a while, and late outcomes of what was sent before do not make that
	 * longer. All are locked first, in one order, whatever is done with each.
	 */
	[DISPATCH_NOTE_HOSTS] = { SPI_OK_INSERT,
		"WITH held AS MATERIALIZED ("
		"SELECT s.host"
		"  FROM dispatch.host_states AS s"
		" WHERE s.host = ANY ($1)"
		" ORDER BY s.host"
		"   FOR UPDATE),"
		" noted AS MATERIALIZED ("
		"SELECT n.host, n.failures"
		"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS n(host, failures)"
		" WHERE (SELECT pg_catalog.count(*) FROM held AS h) IS NOT NULL),"
		" recovered AS ("
		"UPDATE dispatch.host_states AS s"
		"   SET failing_since = NULL, next_try = NULL, failures = 0, trials = 0"
		" WHERE s.host = ANY (ARRAY(SELECT n.host FROM noted AS n WHERE n.failures = 0))"
		"   AND s.failing_since IS NOT NULL"
		"   AND (s.aside OR s.paused)),"
		" forgotten AS ("
		"DELETE FROM dispatch.host_states AS s"
		" WHERE s.host = ANY (ARRAY(SELECT n.host FROM noted AS n WHERE n.failures = 0))"
		"   AND NOT s.aside"
		"   AND NOT s.paused)"
		"INSERT INTO dispatch.host_states AS s (host, failing_since, failures, trials, next_try)"
		"SELECT n.host, $3, n.failures, CASE WHEN n.failures >= $6 THEN 1 ELSE 0 END,"
		"       CASE WHEN n.failures >= $6 THEN $3 + " HOST_PAUSE("0") " END"
		"  FROM noted AS n"
		" WHERE n.failures > 0"
		"   AND $6 > 0"
		" ORDER BY n.host"
		"    ON CONFLICT ON CONSTRAINT host_states_pkey DO UPDATE"
		"   SET failing_since = COALESCE(s.failing_since, $3),"
		"       failures = s.failures + excluded.failures,"
		"       trials = s.trials + CASE WHEN s.failures + excluded.failures >= $6 THEN 1 ELSE 0 END,"
		"       next_try = CASE WHEN s.failures + excluded.failures >= $6"
		"                       THEN $3 + " HOST_PAUSE("s.trials") " END"
		" WHERE s.next_try IS NULL OR s.next_try <= $3",
		{ TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZOID, FLOAT8OID, FLOAT8OID, INT4OID } },
	/* A lease that ends now gives the callback back: the claim was not used. */
	[DISPATCH_RENEW] = { SPI_OK_UPDATE,
		"WITH held AS MATERIALIZED ("
		"SELECT q.callback_id, q.attempt"
		"  FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY ($1)"
		"   AND " IS_LEASED
		" ORDER BY q.callback_id"
		"   FOR UPDATE)"
		"UPDATE dispatch.queue AS q"
		"   SET next_at = $3, leased_at = CASE WHEN $3 > $4 THEN q.leased_at END,"
		"       unused = q.unused + CASE WHEN $3 > $4 THEN 0 ELSE 1 END"
		"  FROM held AS h"
		"  JOIN ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS a(callback_id, attempt)"
		"       USING (callback_id, attempt)"
		" WHERE q.callback_id = ANY ($1)"
		"   AND q.callback_id = h.callback_id",
		{ UUIDARRAYOID, INT4ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID },
		DISPATCH_BY_HASH },

	[DISPATCH_FIND_OLD_ATTEMPT] = { SPI_OK_SELECT,
		"SELECT a.at"
		"  FROM dispatch.attempts AS a"
		" WHERE a.state IS NULL"
		"   AND a.at < $1"
		" LIMIT 1",
		{ TIMESTAMPTZOID } },
	[DISPATCH_TRIM_ATTEMPTS] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.attempts AS a"
		" WHERE a.ctid = ANY (ARRAY("
		"       SELECT o.ctid"
		"         FROM dispatch.attempts AS o"
		"        WHERE o.state IS NULL"
		"          AND o.at < $1"
		"        ORDER BY o.at"
		"        LIMIT $2"
		"          FOR UPDATE SKIP LOCKED))",
		{ TIMESTAMPTZOID, INT8OID } },

	/*
	 * Answers that were given: those of dispatches whose lock can be had at once
	 * are applied, the others later.
	 */
	[DISPATCH_FIND_DECIDED] = { SPI_OK_SELECT,
		"WITH decided AS MATERIALIZED ("
		"SELECT q.callback_id, q.dispatch_id, q.sequence, q.reason"
		"  FROM dispatch.queue AS q"
		" WHERE q.outcome IS NOT NULL"
		"   AND q.origin = $2"
		"   AND q.next_at <= $1"
		" ORDER BY q.next_at"
		" LIMIT $3"
		"   FOR UPDATE SKIP LOCKED),"
		" locked AS MATERIALIZED ("
		"SELECT d.id, d.closed_at IS NOT NULL AS closed"
		"  FROM dispatch.dispatches AS d"
		" WHERE d.id = ANY (ARRAY(SELECT c.dispatch_id FROM decided AS c))"
		" ORDER BY d.id"
		"   FOR NO KEY UPDATE SKIP LOCKED)"
		"SELECT c.callback_id, c.dispatch_id, c.sequence,"
		"       CASE WHEN e.type LIKE 'dispatch.job.%' THEN 'j' ELSE 'p' END::\"char\","
		"       c.reason, (SELECT l.closed FROM locked AS l WHERE l.id = c.dispatch_id)"
		"  FROM decided AS c"
		" CROSS JOIN LATERAL ("
		"       SELECT l.type"
		"         FROM dispatch.event_log AS l"
		"        WHERE l.dispatch_id = c.dispatch_id"
		"          AND l.sequence = c.sequence"
		"        LIMIT 1) AS e"
		" ORDER BY c.dispatch_id, c.sequence",
		{ TIMESTAMPTZOID, INT4OID, INT4OID } },
	[DISPATCH_END_DECIDED] = { SPI_OK_UPDATE,
		"WITH ended AS ("
		"DELETE FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY ($1)"
		" RETURNING q.dispatch_id, q.sequence, q.attempt, q.outcome)"
		"UPDATE dispatch.attempts AS a"
		"   SET state = e.outcome"
		"  FROM ended AS e"
		" WHERE a.dispatch_id = e.dispatch_id"
		"   AND a.sequence = e.sequence"
		"   AND a.attempt = e.attempt",
		{ UUIDARRAYOID } },
	[DISPATCH_POSTPONE] = { SPI_OK_UPDATE,
		"UPDATE dispatch.queue AS q"
		"   SET next_at = $2"
		" WHERE q.callback_id = ANY ($1)",
		{ UUIDARRAYOID, TIMESTAMPTZOID } },
	/* Nobody need be asked any more. What is being sent is answered in vain. */
	[DISPATCH_CANCEL_ANSWERS] = { SPI_OK_INSERT,
		"WITH cancelled AS ("
		"DELETE FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY (ARRAY("
		"       SELECT e.callback_id"
		"         FROM dispatch.event_log AS e"
		"        WHERE e.dispatch_id = $1"
		"          AND e.callback_accept IS NOT NULL))"
		"   AND q.leased_at IS NULL"
		"   AND q.outcome IS NULL"
		" RETURNING q.*)"
		"INSERT INTO dispatch.attempts"
		"       (dispatch_id, sequence, callback_id, at, attempt, tries, state, error)"
		"SELECT c.dispatch_id, c.sequence, c.callback_id, $2, c.attempt + 1,"
		"       c.attempt - c.unused, 'CANCELLED', 'the dispatch was closed'"
		"  FROM cancelled AS c",
		{ UUIDOID, TIMESTAMPTZOID } },

	/* Dead callbacks that are sent again: all that fit, and of those that are named. */
	[DISPATCH_RETRY] = { SPI_OK_INSERT, RETRY(""),
		{ UUIDARRAYOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID } },
	[DISPATCH_RETRY_NAMED] = { SPI_OK_INSERT, RETRY("   AND a.callback_id = ANY ($1)"),
		{ UUIDARRAYOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID } },
	[DISPATCH_CANCEL] = { SPI_OK_INSERT,
		"WITH held AS MATERIALIZED ("
		"SELECT q.*"
		"  FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY ($1)"
		"   AND (q.leased_at IS NULL OR q.next_at <= $2)"
		"   AND q.outcome IS NULL"
		" ORDER BY q.callback_id"
		"   FOR UPDATE),"
		END_HELD("CANCELLED", "'the callback was cancelled'", "$2"),
		{ UUIDARRAYOID, TIMESTAMPTZOID } },
	/*
	 * Callbacks of hosts that do not answer are set aside and use up no attempts. Those
	 * that wait for longer than all their attempts would take are dead.
	 */
	[DISPATCH_FIND_LOST] = { SPI_OK_SELECT,
		"SELECT s.host"
		"  FROM dispatch.host_states AS s"
		" WHERE s.aside"
		"   AND NOT s.paused"
		"   AND s.failing_since < $1"
		" LIMIT 1",
		{ TIMESTAMPTZOID } },
	[DISPATCH_END_LOST] = { SPI_OK_INSERT,
		"WITH held AS MATERIALIZED ("
		"SELECT q.*"
		"  FROM dispatch.host_states AS s"
		" CROSS JOIN LATERAL ("
		"       SELECT o.*"
		"         FROM dispatch.queue AS o"
		"        WHERE o.host = s.host"
		"          AND o.next_at = 'infinity'"
		"          AND o.callback_id < $2"
		"        ORDER BY o.callback_id"
		"        LIMIT $3"
		"          FOR UPDATE SKIP LOCKED) AS q"
		" WHERE s.aside"
		"   AND NOT s.paused"
		"   AND s.failing_since < $1"
		" LIMIT $3),"
		END_HELD("DEAD", "'the host has not answered for too long'", "$4"),
		{ TIMESTAMPTZOID, UUIDOID, INT8OID, TIMESTAMPTZOID } },

	/*
	 * Dispatches that are removed, and what goes with them. What is not
	 * delivered keeps its dispatch: a dead callback may be sent again. OFFSET 0
	 * keeps the planner from joins, which read all before the first is found.
	 */
	[DISPATCH_PURGE] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.dispatches AS d"
		" WHERE d.id = ANY (ARRAY("
		"       SELECT o.id"
		"         FROM dispatch.dispatches AS o"
		"        WHERE o.closed_at < $1"
		"          AND NOT EXISTS ("
		"              SELECT FROM dispatch.event_log AS e"
		"               WHERE e.dispatch_id = o.id"
		"                 AND e.callback_id IS NOT NULL"
		"                 AND NOT EXISTS ("
		"                     SELECT FROM dispatch.attempts AS a"
		"                      WHERE a.dispatch_id = e.dispatch_id"
		"                        AND a.sequence = e.sequence"
		"                        AND a.state <> 'DEAD'"
		"                     OFFSET 0)"
		"              OFFSET 0)"
		"        ORDER BY o.closed_at"
		"        LIMIT $2"
		"          FOR UPDATE SKIP LOCKED))",
		{ TIMESTAMPTZOID, INT4OID } },
	[DISPATCH_DELETE_MEMBERS_OF] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.members AS m WHERE m.dispatch_id = ANY ($1)",
		{ UUIDARRAYOID } },
	[DISPATCH_DELETE_EVENTS_OF] = { SPI_OK_DELETE,
		"WITH gone AS ("
		"DELETE FROM dispatch.event_log AS e"
		" WHERE e.dispatch_id = ANY ($1)"
		" RETURNING e.callback_id)"
		"DELETE FROM dispatch.queue AS q"
		" WHERE q.callback_id = ANY (ARRAY("
		"       SELECT g.callback_id FROM gone AS g WHERE g.callback_id IS NOT NULL))",
		{ UUIDARRAYOID } },
	[DISPATCH_DELETE_ATTEMPTS_OF] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.attempts AS a WHERE a.dispatch_id = ANY ($1)",
		{ UUIDARRAYOID } },
	[DISPATCH_DELETE_REQUESTS_OF] = { SPI_OK_DELETE,
		"DELETE FROM dispatch.requests AS r WHERE r.dispatch_id = ANY ($1)",
		{ UUIDARRAYOID } },

	/* Functions and relations by their names, as GRANT takes them, and whether a role has them. */
	[DISPATCH_FIND_OBJECTS] = { SPI_OK_SELECT,
		"SELECT (SELECT pg_catalog.string_agg(p.oid::pg_catalog.regprocedure::text, ', ')"
		"          FROM pg_catalog.pg_proc AS p"
		"         WHERE p.pronamespace = n.oid"
		"           AND p.proname = ANY ($1)),"
		"       (SELECT pg_catalog.string_agg(c.oid::pg_catalog.regclass::text, ', ')"
		"          FROM pg_catalog.pg_class AS c"
		"         WHERE c.relnamespace = n.oid"
		"           AND c.relname = ANY ($1)"
		"           AND c.relkind IN ('r', 'v'))"
		"  FROM pg_catalog.pg_namespace AS n"
		" WHERE n.nspname = 'dispatch'",
		{ TEXTARRAYOID } },
	[DISPATCH_CHECK_RIGHTS] = { SPI_OK_SELECT,
		"SELECT pg_catalog.has_schema_privilege($2, n.oid, 'USAGE')"
		"   AND NOT EXISTS ("
		"       SELECT FROM pg_catalog.pg_proc AS p"
		"        WHERE p.pronamespace = n.oid"
		"          AND p.proname = ANY ($1)"
		"          AND NOT pg_catalog.has_function_privilege($2, p.oid, 'EXECUTE'))"
		"   AND NOT EXISTS ("
		"       SELECT FROM pg_catalog.pg_class AS c"
		"        WHERE c.relnamespace = n.oid"
		"          AND c.relname = ANY ($1)"
		"          AND c.relkind IN ('r', 'v')"
		"          AND NOT pg_catalog.has_table_privilege($2, c.oid, 'SELECT'))"
		"  FROM pg_catalog.pg_namespace AS n"
		" WHERE n.nspname = 'dispatch'",
		{ TEXTARRAYOID, OIDOID } },
};
/* clang-format on */
