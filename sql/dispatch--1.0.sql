\echo Use "CREATE EXTENSION dispatch" to load this file. \quit

-- The schema is made here and not by the control file, so that an existing
-- schema of somebody else's is never taken over.
CREATE SCHEMA dispatch;

COMMENT ON SCHEMA dispatch IS 'logistics dispatch: types, dispatches, jobs, participants, events, callbacks';

--
-- Ids
--

-- Volatile: every call gives another id.
CREATE FUNCTION dispatch.uuidv7() RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_uuidv7';

COMMENT ON FUNCTION dispatch.uuidv7() IS 'a time-ordered id (UUID version 7, RFC 9562)';

--
-- Tables
--
-- No foreign keys, no sequences: functions write children under the lock of
-- their dispatch, and ids are made in C. doc/architecture.md says why.
--

CREATE TABLE dispatch.types (
    id                    uuid        NOT NULL,
    name                  text        COLLATE "C" NOT NULL,
    lifecycle             jsonb       NOT NULL,
    additional_attributes boolean     NOT NULL,
    attributes            jsonb       NOT NULL DEFAULT '[]',
    revision              integer     NOT NULL DEFAULT 0,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT types_pkey PRIMARY KEY (id),
    CONSTRAINT types_name_key UNIQUE (name)
);

-- The keys of a type in the slots begin with the random half of its id.
CREATE UNIQUE INDEX types_key_idx ON dispatch.types (pg_catalog.substr(pg_catalog.uuid_send(id), 9));

COMMENT ON INDEX dispatch.types_key_idx IS 'what the keys of a type in the slots begin with';

COMMENT ON TABLE dispatch.types IS 'dispatch types, each with its attributes as one document';
COMMENT ON COLUMN dispatch.types.lifecycle IS 'initial status, final statuses, transitions';
COMMENT ON COLUMN dispatch.types.additional_attributes IS 'whether custom data may have members that no attribute describes';
COMMENT ON COLUMN dispatch.types.attributes IS 'attribute definitions as given, in the order of their creation';
COMMENT ON COLUMN dispatch.types.revision IS 'how many times attributes were added';

CREATE TABLE dispatch.type_events (
    type_id    uuid        NOT NULL,
    sequence   bigint      NOT NULL,
    type       text        COLLATE "C" NOT NULL,
    data       jsonb       NOT NULL,
    event_meta jsonb,
    caller     text        NOT NULL,
    at         timestamptz NOT NULL,
    CONSTRAINT type_events_pkey PRIMARY KEY (type_id, sequence)
);

COMMENT ON TABLE dispatch.type_events IS 'what happened to each dispatch type';

CREATE TABLE dispatch.backfills (
    type_id  uuid    NOT NULL,
    revision integer NOT NULL,
    slots    integer NOT NULL,
    after_id uuid,
    CONSTRAINT backfills_pkey PRIMARY KEY (type_id)
);

COMMENT ON TABLE dispatch.backfills IS 'types of which older dispatches are to be indexed by attributes that were added';
COMMENT ON COLUMN dispatch.backfills.revision IS 'of the type, when the last of the attributes were added';
COMMENT ON COLUMN dispatch.backfills.slots IS 'the slots that are to be filled: bit 0 is slot1';
COMMENT ON COLUMN dispatch.backfills.after_id IS 'up to which id that is done; NULL: not begun';

-- fillfactor: a change of a dispatch rewrites its row in place (HOT).
CREATE TABLE dispatch.dispatches (
    id            uuid        NOT NULL DEFAULT dispatch.uuidv7(),
    type_id       uuid        NOT NULL,
    version       bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    closed_at     timestamptz,
    seal          bigint,
    type_revision integer,
    dispatch_ref  text        COLLATE "C",
    status        text        COLLATE "C" NOT NULL,
    sub_status    text        COLLATE "C",
    custom_data   jsonb       NOT NULL DEFAULT '{}',
    extra         jsonb,
    slot1         bytea,
    slot2         bytea,
    slot3         bytea,
    slot4         bytea,
    slot5         bytea,
    slot6         bytea,
    slot7         bytea,
    slot8         bytea,
    final_status  text        COLLATE "C",
    CONSTRAINT dispatches_pkey PRIMARY KEY (id),
    CONSTRAINT dispatches_dispatch_ref_key UNIQUE (dispatch_ref)
) WITH (fillfactor = 80);

-- The status is left out of the index, so that a change of status stays HOT.
CREATE INDEX dispatches_open_idx ON dispatch.dispatches (type_id, id) WHERE closed_at IS NULL;

-- Beside the primary key: whether one of very many dispatches is open is seen without its row.
CREATE INDEX dispatches_open_id_idx ON dispatch.dispatches (id, type_id) WHERE closed_at IS NULL;

CREATE INDEX dispatches_closed_idx ON dispatch.dispatches (closed_at) WHERE closed_at IS NOT NULL;

-- By a column of its own: with the status in any index, partial or not, no change of it would be HOT.
CREATE INDEX dispatches_final_idx ON dispatch.dispatches (type_id, final_status, id) WHERE final_status IS NOT NULL;

CREATE INDEX dispatches_slot1_idx ON dispatch.dispatches (slot1, id) WHERE slot1 IS NOT NULL;
CREATE INDEX dispatches_slot2_idx ON dispatch.dispatches (slot2, id) WHERE slot2 IS NOT NULL;
CREATE INDEX dispatches_slot3_idx ON dispatch.dispatches (slot3, id) WHERE slot3 IS NOT NULL;
CREATE INDEX dispatches_slot4_idx ON dispatch.dispatches (slot4, id) WHERE slot4 IS NOT NULL;
CREATE INDEX dispatches_slot5_idx ON dispatch.dispatches (slot5, id) WHERE slot5 IS NOT NULL;
CREATE INDEX dispatches_slot6_idx ON dispatch.dispatches (slot6, id) WHERE slot6 IS NOT NULL;
CREATE INDEX dispatches_slot7_idx ON dispatch.dispatches (slot7, id) WHERE slot7 IS NOT NULL;
CREATE INDEX dispatches_slot8_idx ON dispatch.dispatches (slot8, id) WHERE slot8 IS NOT NULL;

COMMENT ON INDEX dispatch.dispatches_closed_idx IS 'what can be purged, oldest first';
COMMENT ON INDEX dispatch.dispatches_open_idx IS 'the dispatches of a type that are open';
COMMENT ON INDEX dispatch.dispatches_open_id_idx IS 'which dispatches are open';
COMMENT ON INDEX dispatch.dispatches_final_idx IS 'the dispatches of a type that are closed, by status';
COMMENT ON INDEX dispatch.dispatches_slot1_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot2_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot3_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot4_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot5_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot6_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot7_idx IS 'the values of indexed attributes';
COMMENT ON INDEX dispatch.dispatches_slot8_idx IS 'the values of indexed attributes';
COMMENT ON TABLE dispatch.dispatches IS 'dispatches: one row each; rows written by any way are validated';
COMMENT ON COLUMN dispatch.dispatches.version IS 'counts the changes, from 1';
COMMENT ON COLUMN dispatch.dispatches.closed_at IS 'when a final status was reached; derived from the status';
COMMENT ON COLUMN dispatch.dispatches.seal IS 'hash over a row that was validated: type, revision, custom data, slots, status, closing time';
COMMENT ON COLUMN dispatch.dispatches.type_revision IS 'revision of the type under which the custom data was validated';
COMMENT ON COLUMN dispatch.dispatches.extra IS 'members of the create request that the service only keeps and returns';
COMMENT ON COLUMN dispatch.dispatches.final_status IS 'the status of what is closed; derived from it';
COMMENT ON COLUMN dispatch.dispatches.slot1 IS 'the value of the type''s indexed attribute number 1, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot2 IS 'the value of the type''s indexed attribute number 2, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot3 IS 'the value of the type''s indexed attribute number 3, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot4 IS 'the value of the type''s indexed attribute number 4, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot5 IS 'the value of the type''s indexed attribute number 5, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot6 IS 'the value of the type''s indexed attribute number 6, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot7 IS 'the value of the type''s indexed attribute number 7, as a key; derived from custom_data';
COMMENT ON COLUMN dispatch.dispatches.slot8 IS 'the value of the type''s indexed attribute number 8, as a key; derived from custom_data';

CREATE TABLE dispatch.members (
    dispatch_id uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    added_at    timestamptz NOT NULL,
    ordinal     integer     NOT NULL,
    kind        "char"      NOT NULL,
    state       "char"      NOT NULL,
    member_id   text        COLLATE "C" NOT NULL,
    CONSTRAINT members_pkey PRIMARY KEY (dispatch_id, kind, member_id)
);

CREATE INDEX members_member_idx ON dispatch.members (member_id, kind, dispatch_id);

COMMENT ON INDEX dispatch.members_member_idx IS 'the dispatches of a job or participant';
COMMENT ON TABLE dispatch.members IS 'jobs and participants of dispatches';
COMMENT ON COLUMN dispatch.members.sequence IS 'the event that added the member';
COMMENT ON COLUMN dispatch.members.ordinal IS 'the place in the call that added the member';
COMMENT ON COLUMN dispatch.members.kind IS 'j: job, p: participant';
COMMENT ON COLUMN dispatch.members.state IS 'c: CONFIRMED, p: PENDING, until the callback of the event that added it is answered';

CREATE TABLE dispatch.event_log (
    dispatch_id      uuid        NOT NULL,
    sequence         bigint      NOT NULL,
    at               timestamptz NOT NULL,
    type             text        COLLATE "C" NOT NULL,
    caller           text        NOT NULL,
    data             jsonb       NOT NULL,
    event_meta       jsonb,
    callback_id      uuid,
    callback_ref     text        COLLATE "C",
    callback_method  text        COLLATE "C",
    callback_host    text        COLLATE "C",
    callback_url     text        COLLATE "C",
    callback_headers jsonb,
    callback_accept  integer[],
    CONSTRAINT event_log_pkey PRIMARY KEY (dispatch_id, sequence)
);

COMMENT ON TABLE dispatch.event_log IS 'what happened to each dispatch, with the callback that the operation carried; immutable';
COMMENT ON COLUMN dispatch.event_log.sequence IS 'the version of the dispatch that the event made';
COMMENT ON COLUMN dispatch.event_log.callback_ref IS 'the dispatch_ref that the callback tells';
COMMENT ON COLUMN dispatch.event_log.callback_url IS 'may hold a token: not for readers';
COMMENT ON COLUMN dispatch.event_log.callback_headers IS 'may hold a token: not for readers';
COMMENT ON COLUMN dispatch.event_log.callback_accept IS 'of a callback whose answer is waited for: the status codes that accept, none for 2xx';

-- Each change of a row is a new entry in its indexes: the key leaves room for the claim's.
CREATE TABLE dispatch.queue (
    callback_id uuid        NOT NULL,
    dispatch_id uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    next_at     timestamptz NOT NULL,
    origin      integer     NOT NULL,
    attempt     integer     NOT NULL DEFAULT 0,
    unused      integer     NOT NULL DEFAULT 0,
    leased_at   timestamptz,
    host        text        COLLATE "C" NOT NULL,
    accept      integer[],
    outcome     text        COLLATE "C",
    reason      text,
    CONSTRAINT queue_pkey PRIMARY KEY (callback_id) WITH (fillfactor = 50)
);

CREATE INDEX queue_due_idx ON dispatch.queue (origin, next_at);

CREATE INDEX queue_leased_idx ON dispatch.queue (host, leased_at) WHERE leased_at IS NOT NULL;

CREATE INDEX queue_aside_idx ON dispatch.queue (host, callback_id) WHERE next_at = 'infinity';

CREATE INDEX queue_decided_idx ON dispatch.queue (origin, next_at) WHERE outcome IS NOT NULL;

COMMENT ON INDEX dispatch.queue_due_idx IS 'what is due';
COMMENT ON INDEX dispatch.queue_leased_idx IS 'what is leased of a host';
COMMENT ON INDEX dispatch.queue_aside_idx IS 'what is set aside of a host';
COMMENT ON INDEX dispatch.queue_decided_idx IS 'answers that are to be applied';
COMMENT ON TABLE dispatch.queue IS 'callbacks that are still to be sent; a row goes when its callback ends';
COMMENT ON COLUMN dispatch.queue.next_at IS 'when it falls due: the next attempt, or the end of the lease; infinity: when its host has room';
COMMENT ON COLUMN dispatch.queue.origin IS 'hash of the cluster and database that queued it: a restored copy does not send';
COMMENT ON COLUMN dispatch.queue.attempt IS 'how many times it was claimed; what is claimed is known by it';
COMMENT ON COLUMN dispatch.queue.unused IS 'how many claims were given back unused';
COMMENT ON COLUMN dispatch.queue.leased_at IS 'since when a listener has it; NULL: none has it';
COMMENT ON COLUMN dispatch.queue.accept IS 'where the answer is waited for: the status codes that accept, none for 2xx';
COMMENT ON COLUMN dispatch.queue.outcome IS 'how a callback that is waited for ended: DELIVERED, DEAD or CANCELLED; the row goes when that was applied';
COMMENT ON COLUMN dispatch.queue.reason IS 'with an outcome: why the members are rejected; NULL: they are confirmed';

CREATE TABLE dispatch.host_states (
    failing_since timestamptz,
    next_try      timestamptz,
    failures      integer     NOT NULL DEFAULT 0,
    trials        integer     NOT NULL DEFAULT 0,
    aside         boolean     NOT NULL DEFAULT false,
    paused        boolean     NOT NULL DEFAULT false,
    host          text        COLLATE "C" NOT NULL,
    CONSTRAINT host_states_pkey PRIMARY KEY (host)
);

CREATE INDEX host_states_aside_idx ON dispatch.host_states (host) WHERE aside;

COMMENT ON INDEX dispatch.host_states_aside_idx IS 'the hosts of which callbacks are set aside';
COMMENT ON TABLE dispatch.host_states IS 'hosts of which there is more to know than that callbacks go there';
COMMENT ON COLUMN dispatch.host_states.failing_since IS 'when it failed for the first time since it answered last; NULL: it does not fail';
COMMENT ON COLUMN dispatch.host_states.next_try IS 'before that nothing is sent there, and then one callback to see whether it answers again; NULL: no limit';
COMMENT ON COLUMN dispatch.host_states.failures IS 'how many attempts failed since it answered last';
COMMENT ON COLUMN dispatch.host_states.trials IS 'how many times sending was stopped since it answered last';
COMMENT ON COLUMN dispatch.host_states.aside IS 'whether callbacks are set aside, since it has no room for them';
COMMENT ON COLUMN dispatch.host_states.paused IS 'whether pause_host() was called';

CREATE TABLE dispatch.attempts (
    dispatch_id uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    callback_id uuid        NOT NULL,
    at          timestamptz NOT NULL,
    attempt     integer     NOT NULL,
    tries       integer     NOT NULL,
    status      integer,
    state       text        COLLATE "C",
    duration    interval,
    error       text,
    excerpt     text,
    CONSTRAINT attempts_pkey PRIMARY KEY (dispatch_id, sequence, attempt)
);

CREATE INDEX attempts_dead_idx ON dispatch.attempts (callback_id) WHERE state = 'DEAD';

COMMENT ON INDEX dispatch.attempts_dead_idx IS 'dead callbacks, which can be sent again';

-- Success is not in it: it would cost each delivery an entry.
CREATE INDEX attempts_failed_idx ON dispatch.attempts (at) WHERE state IS NULL;

COMMENT ON INDEX dispatch.attempts_failed_idx IS 'what is removed after dispatch.attempts_retention, oldest first';
COMMENT ON TABLE dispatch.attempts IS 'what came of each attempt to send a callback';
COMMENT ON COLUMN dispatch.attempts.tries IS 'attempts used up so far, this one included';
COMMENT ON COLUMN dispatch.attempts.status IS 'HTTP status of the answer; NULL when there was none';
COMMENT ON COLUMN dispatch.attempts.excerpt IS 'how the answer began; may repeat the URL or headers: not for readers';
COMMENT ON COLUMN dispatch.attempts.state IS 'DELIVERED or DEAD when this attempt ended the callback';

CREATE TABLE dispatch.requests (
    caller      text        COLLATE "C" NOT NULL,
    operation   text        COLLATE "C" NOT NULL,
    request_id  text        COLLATE "C" NOT NULL,
    dispatch_id uuid        NOT NULL,
    version     bigint      NOT NULL,
    digest      bigint      NOT NULL,
    at          timestamptz NOT NULL,
    CONSTRAINT requests_pkey PRIMARY KEY (caller, operation, request_id)
);

CREATE INDEX requests_dispatch_idx ON dispatch.requests (dispatch_id);

COMMENT ON INDEX dispatch.requests_dispatch_idx IS 'the requests of a dispatch, which go with it';
COMMENT ON TABLE dispatch.requests IS 'calls that were made with a request_id, and what they returned';
COMMENT ON COLUMN dispatch.requests.operation IS 'the function that was called';
COMMENT ON COLUMN dispatch.requests.version IS 'what the call returned; of a create its dispatch_id is';
COMMENT ON COLUMN dispatch.requests.digest IS 'hash of the arguments';

-- One statement a table: several calls in one SELECT fail.
SELECT pg_catalog.pg_extension_config_dump('dispatch.types', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.type_events', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.backfills', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.dispatches', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.members', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.event_log', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.queue', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.host_states', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.attempts', '');
SELECT pg_catalog.pg_extension_config_dump('dispatch.requests', '');

--
-- Views, for reading with plain SQL
--

CREATE VIEW dispatch.attributes AS
SELECT t.id AS type_id,
       t.name AS type_name,
       a.definition ->> 'name' AS name,
       a.definition ->> 'dataType' AS data_type,
       a.definition ->> 'description' AS description,
       NULLIF(a.definition -> 'tags', 'null') AS tags,
       COALESCE((a.definition -> 'validation' -> 'required')::text = 'true', false) AS required,
       COALESCE((a.definition -> 'indexed')::text = 'true', false) AS indexed,
       CASE WHEN a.definition -> 'defaultValue' = '{}' AND a.definition ->> 'dataType' <> 'object' THEN NULL
            ELSE NULLIF(a.definition -> 'defaultValue', 'null') END AS default_value,
       NULLIF(a.definition -> 'validation', 'null') AS validation,
       a.position
  FROM dispatch.types AS t
 CROSS JOIN LATERAL pg_catalog.jsonb_array_elements(t.attributes)
       WITH ORDINALITY AS a(definition, position);

COMMENT ON VIEW dispatch.attributes IS 'the attributes of dispatch types';

CREATE VIEW dispatch.jobs AS
SELECT m.dispatch_id,
       m.member_id AS job_id,
       CASE m.state WHEN 'c' THEN 'CONFIRMED' WHEN 'p' THEN 'PENDING' END AS state,
       m.added_at,
       m.sequence,
       m.ordinal
  FROM dispatch.members AS m
 WHERE m.kind = 'j';

COMMENT ON VIEW dispatch.jobs IS 'the jobs of dispatches';

CREATE VIEW dispatch.participants AS
SELECT m.dispatch_id,
       m.member_id AS participant_id,
       CASE m.state WHEN 'c' THEN 'CONFIRMED' WHEN 'p' THEN 'PENDING' END AS state,
       m.added_at,
       m.sequence,
       m.ordinal
  FROM dispatch.members AS m
 WHERE m.kind = 'p';

COMMENT ON VIEW dispatch.participants IS 'the participants of dispatches';

CREATE VIEW dispatch.events AS
SELECT e.dispatch_id, e.sequence, e.type, e.data, e.event_meta, e.caller, e.at, e.callback_id
  FROM dispatch.event_log AS e;

COMMENT ON VIEW dispatch.events IS 'the events of dispatches, without the URLs and headers of their callbacks';

CREATE VIEW dispatch.callbacks AS
SELECT e.callback_id,
       e.dispatch_id,
       e.sequence,
       e.callback_host AS host,
       CASE WHEN q.callback_id IS NOT NULL THEN 'PENDING' ELSE l.state END AS state,
       COALESCE(q.attempt - q.unused, l.tries, 0) AS attempts,
       l.status AS last_status,
       l.error AS last_error,
       l.at AS last_at,
       l.duration AS last_duration,
       q.next_at,
       q.leased_at IS NOT NULL AS leased
  FROM dispatch.event_log AS e
  LEFT JOIN dispatch.queue AS q ON q.callback_id = e.callback_id
  LEFT JOIN LATERAL (
       SELECT a.state, a.tries, a.status, a.error, a.at, a.duration
         FROM dispatch.attempts AS a
        WHERE a.dispatch_id = e.dispatch_id
          AND a.sequence = e.sequence
        ORDER BY a.attempt DESC
        LIMIT 1) AS l ON true
 WHERE e.callback_id IS NOT NULL;

COMMENT ON VIEW dispatch.callbacks IS 'callbacks and what became of them, without their URLs and headers';

-- What is set aside has no time of its own: it is as old as its event.
CREATE VIEW dispatch.hosts AS
SELECT COALESCE(q.host, s.host) AS host,
       COALESCE(q.pending, 0) AS pending,
       LEAST(q.oldest_due, a.at) AS oldest_due,
       COALESCE(q.leased, 0) AS leased,
       s.failing_since,
       COALESCE(s.failures, 0) AS failures,
       s.next_try,
       COALESCE(s.paused, false) AS paused
  FROM (SELECT q.host, pg_catalog.count(*) AS pending,
               pg_catalog.min(q.next_at) FILTER (WHERE q.next_at <= pg_catalog.now()) AS oldest_due,
               pg_catalog.count(q.leased_at) AS leased
          FROM dispatch.queue AS q
         GROUP BY q.host) AS q
  FULL JOIN dispatch.host_states AS s ON s.host = q.host
  LEFT JOIN LATERAL (
       SELECT e.at
         FROM (SELECT o.dispatch_id, o.sequence
                 FROM dispatch.queue AS o
                WHERE o.host = s.host
                  AND o.next_at = 'infinity'
                ORDER BY o.callback_id
                LIMIT 1) AS o
         JOIN dispatch.event_log AS e ON e.dispatch_id = o.dispatch_id AND e.sequence = o.sequence) AS a ON true;

COMMENT ON VIEW dispatch.hosts IS 'the hosts that callbacks wait for, and those that fail or are paused';

--
-- Triggers
--

-- Runs as whoever writes; only the load of the type's definition switches user, in C.
CREATE FUNCTION dispatch.check_dispatch() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'dispatch_check_dispatch';

COMMENT ON FUNCTION dispatch.check_dispatch() IS 'validates and seals a row of dispatches, however it is written';

CREATE TRIGGER dispatches_check
    BEFORE INSERT OR UPDATE OF type_id, dispatch_ref, status, sub_status, closed_at, custom_data, extra, type_revision, seal,
           slot1, slot2, slot3, slot4, slot5, slot6, slot7, slot8, final_status
    ON dispatch.dispatches
    FOR EACH ROW EXECUTE FUNCTION dispatch.check_dispatch();

COMMENT ON TRIGGER dispatches_check ON dispatch.dispatches IS 'validates and seals the row';

-- SECURITY DEFINER: whoever may delete dispatches need have no right on what goes with them.
CREATE FUNCTION dispatch.dispatches_deleted() RETURNS trigger
    LANGUAGE c
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_dispatches_deleted';

COMMENT ON FUNCTION dispatch.dispatches_deleted() IS 'removes what belongs to dispatches that were deleted';

CREATE TRIGGER dispatches_deleted
    AFTER DELETE ON dispatch.dispatches
    REFERENCING OLD TABLE AS deleted
    FOR EACH STATEMENT EXECUTE FUNCTION dispatch.dispatches_deleted();

COMMENT ON TRIGGER dispatches_deleted ON dispatch.dispatches IS 'removes what belongs to the dispatches';

CREATE FUNCTION dispatch.type_changed() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'dispatch_type_changed';

COMMENT ON FUNCTION dispatch.type_changed() IS 'tells every session that its cached types are out of date';

-- ALWAYS, and for each row: logical replication fires nothing else. On INSERT
-- too: a type whose creation is rolled back must not stay cached.
CREATE TRIGGER types_changed
    AFTER INSERT OR UPDATE OR DELETE ON dispatch.types
    FOR EACH ROW EXECUTE FUNCTION dispatch.type_changed();
ALTER TABLE dispatch.types ENABLE ALWAYS TRIGGER types_changed;

COMMENT ON TRIGGER types_changed ON dispatch.types IS 'invalidates the cached types of every session';

CREATE TRIGGER types_truncated
    AFTER TRUNCATE ON dispatch.types
    FOR EACH STATEMENT EXECUTE FUNCTION dispatch.type_changed();
ALTER TABLE dispatch.types ENABLE ALWAYS TRIGGER types_truncated;

COMMENT ON TRIGGER types_truncated ON dispatch.types IS 'invalidates the cached types of every session';

CREATE FUNCTION dispatch.callback_queued() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'dispatch_callback_queued';

COMMENT ON FUNCTION dispatch.callback_queued() IS 'wakes the listeners when the transaction commits';

CREATE TRIGGER queue_signal
    AFTER INSERT ON dispatch.queue
    FOR EACH STATEMENT EXECUTE FUNCTION dispatch.callback_queued();

COMMENT ON TRIGGER queue_signal ON dispatch.queue IS 'wakes the listeners when the transaction commits';

--
-- Types and attributes
--
-- SECURITY DEFINER from here on, where not said otherwise: callers have rights
-- on the functions and not on the tables. The search_path is pinned, so that
-- nothing of the caller's is found by name.
--

CREATE FUNCTION dispatch.create_type(
    name text,
    lifecycle jsonb DEFAULT NULL,
    additional_attributes boolean DEFAULT false,
    event_meta jsonb DEFAULT NULL)
    RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_create_type';

COMMENT ON FUNCTION dispatch.create_type(text, jsonb, boolean, jsonb) IS 'creates a dispatch type';

CREATE FUNCTION dispatch.create_attributes(
    dispatch_type uuid,
    attributes jsonb,
    event_meta jsonb DEFAULT NULL)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_create_attributes';

COMMENT ON FUNCTION dispatch.create_attributes(uuid, jsonb, jsonb) IS 'adds attributes to a dispatch type, given by id; returns how many';

CREATE FUNCTION dispatch.create_attributes(
    dispatch_type text,
    attributes jsonb,
    event_meta jsonb DEFAULT NULL)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_create_attributes';

COMMENT ON FUNCTION dispatch.create_attributes(text, jsonb, jsonb) IS 'adds attributes to a dispatch type, given by name or id; returns how many';

CREATE FUNCTION dispatch.get_attributes(dispatch_type uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_get_attributes';

COMMENT ON FUNCTION dispatch.get_attributes(uuid) IS 'the attributes of a dispatch type, given by id';

CREATE FUNCTION dispatch.get_attributes(dispatch_type text) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_get_attributes';

COMMENT ON FUNCTION dispatch.get_attributes(text) IS 'the attributes of a dispatch type, given by name or id';

CREATE FUNCTION dispatch.get_type(dispatch_type uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_get_type';

COMMENT ON FUNCTION dispatch.get_type(uuid) IS 'a dispatch type, given by id';

CREATE FUNCTION dispatch.get_type(dispatch_type text) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_get_type';

COMMENT ON FUNCTION dispatch.get_type(text) IS 'a dispatch type, given by name or id';

CREATE FUNCTION dispatch.list_types() RETURNS SETOF jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_list_types';

COMMENT ON FUNCTION dispatch.list_types() IS 'all dispatch types, by name';

CREATE FUNCTION dispatch.type_history(
    dispatch_type uuid,
    OUT sequence bigint, OUT type text, OUT data jsonb, OUT event_meta jsonb, OUT caller text, OUT at timestamptz)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_type_history';

COMMENT ON FUNCTION dispatch.type_history(uuid) IS 'what happened to a dispatch type, given by id, oldest first';

CREATE FUNCTION dispatch.type_history(
    dispatch_type text,
    OUT sequence bigint, OUT type text, OUT data jsonb, OUT event_meta jsonb, OUT caller text, OUT at timestamptz)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_type_history';

COMMENT ON FUNCTION dispatch.type_history(text) IS 'what happened to a dispatch type, given by name or id, oldest first';

--
-- Validation
--
-- Runs as the invoker; only the load of a type's definition switches user, in C.
--

CREATE FUNCTION dispatch.validate(
    dispatch_type uuid,
    custom_data jsonb,
    OUT attribute text, OUT rule text, OUT message text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_validate';

COMMENT ON FUNCTION dispatch.validate(uuid, jsonb) IS 'everything in custom data that breaks the attributes of a type, given by id';

CREATE FUNCTION dispatch.validate(
    dispatch_type text,
    custom_data jsonb,
    OUT attribute text, OUT rule text, OUT message text)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_validate';

COMMENT ON FUNCTION dispatch.validate(text, jsonb) IS 'everything in custom data that breaks the attributes of a type, given by name or id';

CREATE FUNCTION dispatch.is_valid(dispatch_type uuid, custom_data jsonb) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_is_valid';

COMMENT ON FUNCTION dispatch.is_valid(uuid, jsonb) IS 'whether custom data fits the attributes of a type, given by id';

CREATE FUNCTION dispatch.is_valid(dispatch_type text, custom_data jsonb) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_is_valid';

COMMENT ON FUNCTION dispatch.is_valid(text, jsonb) IS 'whether custom data fits the attributes of a type, given by name or id';

-- For tables of users' own: runs as whoever writes, and needs no rights of theirs.
CREATE FUNCTION dispatch.validate_custom_data() RETURNS trigger
    LANGUAGE c
    AS 'MODULE_PATHNAME', 'dispatch_validate_custom_data';

COMMENT ON FUNCTION dispatch.validate_custom_data() IS 'checks a jsonb column of a table of your own: validate_custom_data(type, column)';

CREATE FUNCTION dispatch.cache_stats(
    OUT types bigint, OUT bytes bigint, OUT hits bigint, OUT builds bigint, OUT invalidations bigint, OUT evictions bigint)
    RETURNS record
    LANGUAGE c VOLATILE PARALLEL RESTRICTED
    AS 'MODULE_PATHNAME', 'dispatch_cache_stats';

COMMENT ON FUNCTION dispatch.cache_stats() IS 'the compiled types that this session keeps, and how often they served';

-- For our own statements: an update that patches and validates in one go.
CREATE FUNCTION dispatch.merge_patch(target jsonb, patch jsonb) RETURNS jsonb
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_merge_patch';

COMMENT ON FUNCTION dispatch.merge_patch(jsonb, jsonb) IS 'JSON merge patch (RFC 7396)';

--
-- Dispatches
--

CREATE FUNCTION dispatch.create_dispatch(
    dispatch_type uuid,
    dispatch_ref text DEFAULT NULL,
    jobs text[] DEFAULT '{}',
    participants text[] DEFAULT '{}',
    custom_data jsonb DEFAULT '{}',
    callback jsonb DEFAULT NULL,
    event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL,
    extra jsonb DEFAULT NULL)
    RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_create_dispatch';

COMMENT ON FUNCTION dispatch.create_dispatch(uuid, text, text[], text[], jsonb, jsonb, jsonb, text, jsonb) IS 'creates a dispatch of a type given by id; returns its id';

CREATE FUNCTION dispatch.create_dispatch(
    dispatch_type text,
    dispatch_ref text DEFAULT NULL,
    jobs text[] DEFAULT '{}',
    participants text[] DEFAULT '{}',
    custom_data jsonb DEFAULT '{}',
    callback jsonb DEFAULT NULL,
    event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL,
    extra jsonb DEFAULT NULL)
    RETURNS uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_create_dispatch';

COMMENT ON FUNCTION dispatch.create_dispatch(text, text, text[], text[], jsonb, jsonb, jsonb, text, jsonb) IS 'creates a dispatch of a type given by name or id; returns its id';

CREATE FUNCTION dispatch.add_job(dispatch_id uuid, job_id text, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_add_job';

COMMENT ON FUNCTION dispatch.add_job(uuid, text, jsonb, jsonb, text, bigint) IS 'adds a job to a dispatch; returns the new version';

CREATE FUNCTION dispatch.add_jobs(dispatch_id uuid, jobs text[], callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_add_jobs';

COMMENT ON FUNCTION dispatch.add_jobs(uuid, text[], jsonb, jsonb, text, bigint) IS 'adds jobs to a dispatch, all or none; returns the new version';

CREATE FUNCTION dispatch.add_participant(dispatch_id uuid, participant_id text, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_add_participant';

COMMENT ON FUNCTION dispatch.add_participant(uuid, text, jsonb, jsonb, text, bigint) IS 'adds a participant to a dispatch; returns the new version';

CREATE FUNCTION dispatch.add_participants(dispatch_id uuid, participants text[], callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_add_participants';

COMMENT ON FUNCTION dispatch.add_participants(uuid, text[], jsonb, jsonb, text, bigint) IS 'adds participants to a dispatch, all or none; returns the new version';

CREATE FUNCTION dispatch.remove_job(dispatch_id uuid, job_id text, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_remove_job';

COMMENT ON FUNCTION dispatch.remove_job(uuid, text, jsonb, jsonb, text, bigint) IS 'removes a job from a dispatch; returns the new version';

CREATE FUNCTION dispatch.remove_jobs(dispatch_id uuid, jobs text[], callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_remove_jobs';

COMMENT ON FUNCTION dispatch.remove_jobs(uuid, text[], jsonb, jsonb, text, bigint) IS 'removes jobs from a dispatch, all or none; returns the new version';

CREATE FUNCTION dispatch.remove_participant(dispatch_id uuid, participant_id text, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_remove_participant';

COMMENT ON FUNCTION dispatch.remove_participant(uuid, text, jsonb, jsonb, text, bigint) IS 'removes a participant from a dispatch; returns the new version';

CREATE FUNCTION dispatch.remove_participants(dispatch_id uuid, participants text[], callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_remove_participants';

COMMENT ON FUNCTION dispatch.remove_participants(uuid, text[], jsonb, jsonb, text, bigint) IS 'removes participants from a dispatch, all or none; returns the new version';

CREATE FUNCTION dispatch.update_status(dispatch_id uuid, status text, sub_status text DEFAULT NULL, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_update_status';

COMMENT ON FUNCTION dispatch.update_status(uuid, text, text, jsonb, jsonb, text, bigint) IS 'moves a dispatch to a status and sets its sub-status; returns the new version';

CREATE FUNCTION dispatch.update_sub_status(dispatch_id uuid, sub_status text, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_update_sub_status';

COMMENT ON FUNCTION dispatch.update_sub_status(uuid, text, jsonb, jsonb, text, bigint) IS 'sets the sub-status of a dispatch; returns the new version';

CREATE FUNCTION dispatch.update_custom_data(dispatch_id uuid, patch jsonb, callback jsonb DEFAULT NULL, event_meta jsonb DEFAULT NULL,
    request_id text DEFAULT NULL, expected_version bigint DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_update_custom_data';

COMMENT ON FUNCTION dispatch.update_custom_data(uuid, jsonb, jsonb, jsonb, text, bigint) IS 'applies a JSON merge patch (RFC 7396) to the custom data of a dispatch; returns the new version';

CREATE FUNCTION dispatch.get_dispatch(dispatch_id uuid) RETURNS jsonb
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_get_dispatch';

COMMENT ON FUNCTION dispatch.get_dispatch(uuid) IS 'a dispatch with its jobs and participants';

CREATE FUNCTION dispatch.dispatch_id(dispatch_ref text) RETURNS uuid
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_dispatch_id';

COMMENT ON FUNCTION dispatch.dispatch_id(text) IS 'the id of the dispatch with this reference';

CREATE FUNCTION dispatch.history(
    dispatch_id uuid,
    OUT sequence bigint, OUT type text, OUT data jsonb, OUT event_meta jsonb, OUT caller text, OUT at timestamptz)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_history';

COMMENT ON FUNCTION dispatch.history(uuid) IS 'what happened to a dispatch, oldest first';

--
-- Search
--

CREATE FUNCTION dispatch.find_dispatches(
    dispatch_type uuid,
    filter jsonb DEFAULT '{}',
    status text DEFAULT NULL,
    after uuid DEFAULT NULL,
    max_rows integer DEFAULT 100,
    job_id text DEFAULT NULL,
    participant_id text DEFAULT NULL,
    open_only boolean DEFAULT false)
    RETURNS SETOF uuid
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_find_dispatches';

COMMENT ON FUNCTION dispatch.find_dispatches(uuid, jsonb, text, uuid, integer, text, text, boolean) IS 'finds dispatches, of a type given by id or of any, in the order of their ids';

CREATE FUNCTION dispatch.find_dispatches(
    dispatch_type text,
    filter jsonb DEFAULT '{}',
    status text DEFAULT NULL,
    after uuid DEFAULT NULL,
    max_rows integer DEFAULT 100,
    job_id text DEFAULT NULL,
    participant_id text DEFAULT NULL,
    open_only boolean DEFAULT false)
    RETURNS SETOF uuid
    LANGUAGE c STABLE PARALLEL RESTRICTED ROWS 100
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_find_dispatches';

COMMENT ON FUNCTION dispatch.find_dispatches(text, jsonb, text, uuid, integer, text, text, boolean) IS 'finds dispatches, of a type given by name or id or of any, in the order of their ids';

CREATE FUNCTION dispatch.count_dispatches(
    dispatch_type uuid,
    filter jsonb DEFAULT '{}',
    status text DEFAULT NULL,
    job_id text DEFAULT NULL,
    participant_id text DEFAULT NULL,
    open_only boolean DEFAULT false)
    RETURNS bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_count_dispatches';

COMMENT ON FUNCTION dispatch.count_dispatches(uuid, jsonb, text, text, text, boolean) IS 'how many dispatches there are to find, of a type given by id or of any';

CREATE FUNCTION dispatch.count_dispatches(
    dispatch_type text,
    filter jsonb DEFAULT '{}',
    status text DEFAULT NULL,
    job_id text DEFAULT NULL,
    participant_id text DEFAULT NULL,
    open_only boolean DEFAULT false)
    RETURNS bigint
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_count_dispatches';

COMMENT ON FUNCTION dispatch.count_dispatches(text, jsonb, text, text, text, boolean) IS 'how many dispatches there are to find, of a type given by name or id or of any';

CREATE FUNCTION dispatch.dispatch_status_counts(
    dispatch_type text DEFAULT NULL, open_only boolean DEFAULT false,
    OUT type_name text, OUT status text, OUT closed boolean, OUT dispatches bigint)
    RETURNS SETOF record
    LANGUAGE c STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_status_counts';

COMMENT ON FUNCTION dispatch.dispatch_status_counts(text, boolean) IS 'how many dispatches of a type, or of each, are in each status';

-- For our own statements: compares values that are too long to be whole in a slot.
CREATE FUNCTION dispatch.fits(custom_data jsonb, filter jsonb) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_fits';

COMMENT ON FUNCTION dispatch.fits(jsonb, jsonb) IS 'whether custom data fits a filter of find_dispatches()';

CREATE FUNCTION dispatch.backfill_index(dispatch_type text, max_rows integer DEFAULT 10000) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_backfill_index';

COMMENT ON FUNCTION dispatch.backfill_index(text, integer) IS 'indexes dispatches that are older than an indexed attribute, so many at a time; 0 when all is done';

-- Runs as the invoker, whose right to execute the operation's function it
-- checks; only the operation itself runs as the owner, in C.
CREATE FUNCTION dispatch.request(operation text, params jsonb DEFAULT '{}', body jsonb DEFAULT '{}')
    RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME', 'dispatch_request';

COMMENT ON FUNCTION dispatch.request(text, jsonb, jsonb) IS 'runs an operation by its documented name, with its documented request body';

--
-- Callbacks, for listeners
--

CREATE FUNCTION dispatch.claim_callbacks(
    max_rows integer DEFAULT 100,
    lease interval DEFAULT '60 s',
    arm boolean DEFAULT true,
    OUT callback_id uuid, OUT attempt integer, OUT method text, OUT url text, OUT headers jsonb, OUT body text, OUT confirm boolean)
    RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_claim_callbacks';

COMMENT ON FUNCTION dispatch.claim_callbacks(integer, interval, boolean) IS 'leases callbacks that are due to the listener that calls';

CREATE FUNCTION dispatch.finish_callbacks(
    callback_ids uuid[],
    attempts integer[],
    status_codes integer[],
    errors text[],
    retry_after interval[],
    durations interval[] DEFAULT NULL,
    excerpts text[] DEFAULT NULL)
    RETURNS SETOF uuid
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_finish_callbacks';

COMMENT ON FUNCTION dispatch.finish_callbacks(uuid[], integer[], integer[], text[], interval[], interval[], text[]) IS 'records what came of attempts; returns the ids whose lease had passed to another attempt';

CREATE FUNCTION dispatch.renew_callbacks(callback_ids uuid[], attempts integer[], lease interval)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_renew_callbacks';

COMMENT ON FUNCTION dispatch.renew_callbacks(uuid[], integer[], interval) IS 'extends leases; a lease of 0 gives the callbacks back at once';

CREATE FUNCTION dispatch.retry_callbacks(
    callback_ids uuid[] DEFAULT NULL, host text DEFAULT NULL, dead_since timestamptz DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_retry_callbacks';

COMMENT ON FUNCTION dispatch.retry_callbacks(uuid[], text, timestamptz) IS 'dead callbacks are due again, with all their attempts';

CREATE FUNCTION dispatch.cancel_callbacks(callback_ids uuid[]) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_cancel_callbacks';

COMMENT ON FUNCTION dispatch.cancel_callbacks(uuid[]) IS 'pending callbacks are not sent';

CREATE FUNCTION dispatch.pause_host(host text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_pause_host';

COMMENT ON FUNCTION dispatch.pause_host(text) IS 'nothing more is claimed for a host';

CREATE FUNCTION dispatch.resume_host(host text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_resume_host';

COMMENT ON FUNCTION dispatch.resume_host(text) IS 'a host that was paused, or that failed, is sent to again';

CREATE FUNCTION dispatch.adopt() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_adopt';

COMMENT ON FUNCTION dispatch.adopt() IS 'makes the callbacks of a restored database its own, so that it sends them; returns how many';

--
-- For administrators
--

CREATE FUNCTION dispatch.purge(older_than interval, max_rows integer DEFAULT 10000) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_purge';

COMMENT ON FUNCTION dispatch.purge(interval, integer) IS 'removes dispatches in a final status whose last change is older; returns how many';

CREATE FUNCTION dispatch.is_sealed(
    type_id uuid, type_revision integer, custom_data jsonb, status text, closed_at timestamptz, seal bigint,
    slots bytea[] DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c IMMUTABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME', 'dispatch_is_sealed';

COMMENT ON FUNCTION dispatch.is_sealed(uuid, integer, jsonb, text, timestamptz, bigint, bytea[]) IS 'whether the seal of a row of dispatches fits the row';

CREATE FUNCTION dispatch.check_integrity(OUT problem text, OUT detail text) RETURNS SETOF record
    LANGUAGE sql STABLE PARALLEL RESTRICTED
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
SELECT 'dispatch without its type', format('dispatch %s, type %s', d.id, d.type_id)
  FROM dispatch.dispatches AS d
 WHERE NOT EXISTS (SELECT FROM dispatch.types AS t WHERE t.id = d.type_id)
UNION ALL
SELECT 'dispatch whose seal does not fit', format('dispatch %s', d.id)
  FROM dispatch.dispatches AS d
 WHERE NOT dispatch.is_sealed(d.type_id, d.type_revision, d.custom_data, d.status, d.closed_at, d.seal,
                              ARRAY[d.slot1, d.slot2, d.slot3, d.slot4, d.slot5, d.slot6, d.slot7, d.slot8])
UNION ALL
SELECT 'dispatch in a status that its type lacks', format('dispatch %s, status %s', d.id, d.status)
  FROM dispatch.dispatches AS d
  JOIN dispatch.types AS t ON t.id = d.type_id
 WHERE (t.lifecycle -> 'transitions' ? d.status OR t.lifecycle -> 'final' ? d.status) IS NOT TRUE
UNION ALL
SELECT 'dispatch whose closed_at does not fit its status', format('dispatch %s, status %s', d.id, d.status)
  FROM dispatch.dispatches AS d
  JOIN dispatch.types AS t ON t.id = d.type_id
 WHERE (t.lifecycle -> 'final' ? d.status) IS DISTINCT FROM (d.closed_at IS NOT NULL)
UNION ALL
SELECT 'dispatch whose final_status does not fit its status', format('dispatch %s, status %s', d.id, d.status)
  FROM dispatch.dispatches AS d
 WHERE d.final_status IS DISTINCT FROM CASE WHEN d.closed_at IS NOT NULL THEN d.status END
UNION ALL
SELECT 'dispatch whose version is not that of its events', format('dispatch %s, version %s, %s events, the last %s', d.id, d.version, COALESCE(e.events, 0), COALESCE(e.last, 0))
  FROM dispatch.dispatches AS d
  LEFT JOIN (SELECT e.dispatch_id, count(*) AS events, max(e.sequence) AS last
               FROM dispatch.event_log AS e
              GROUP BY e.dispatch_id) AS e ON e.dispatch_id = d.id
 WHERE (d.version, d.version) IS DISTINCT FROM (e.events, e.last)
UNION ALL
SELECT DISTINCT 'member without its dispatch', format('dispatch %s', m.dispatch_id)
  FROM dispatch.members AS m
 WHERE NOT EXISTS (SELECT FROM dispatch.dispatches AS d WHERE d.id = m.dispatch_id)
UNION ALL
SELECT DISTINCT 'pending member of a closed dispatch', format('dispatch %s', m.dispatch_id)
  FROM dispatch.members AS m
  JOIN dispatch.dispatches AS d ON d.id = m.dispatch_id
 WHERE m.state = 'p' AND d.closed_at IS NOT NULL
UNION ALL
SELECT DISTINCT 'event without its dispatch', format('dispatch %s', e.dispatch_id)
  FROM dispatch.event_log AS e
 WHERE NOT EXISTS (SELECT FROM dispatch.dispatches AS d WHERE d.id = e.dispatch_id)
UNION ALL
SELECT 'callback without its event', format('callback %s, dispatch %s, event %s', q.callback_id, q.dispatch_id, q.sequence)
  FROM dispatch.queue AS q
 WHERE NOT EXISTS (SELECT FROM dispatch.event_log AS e
                    WHERE e.dispatch_id = q.dispatch_id AND e.sequence = q.sequence AND e.callback_id = q.callback_id)
UNION ALL
SELECT 'attempt without its event', format('callback %s, dispatch %s, event %s', a.callback_id, a.dispatch_id, a.sequence)
  FROM dispatch.attempts AS a
 WHERE NOT EXISTS (SELECT FROM dispatch.event_log AS e
                    WHERE e.dispatch_id = a.dispatch_id AND e.sequence = a.sequence AND e.callback_id = a.callback_id)
UNION ALL
SELECT 'callback that is neither queued nor ended', format('callback %s, dispatch %s, event %s', c.callback_id, c.dispatch_id, c.sequence)
  FROM dispatch.callbacks AS c
 WHERE c.state IS NULL
UNION ALL
SELECT 'callback that is queued and ended', format('callback %s', q.callback_id)
  FROM dispatch.queue AS q
 WHERE EXISTS (SELECT FROM dispatch.attempts AS a
                WHERE a.dispatch_id = q.dispatch_id AND a.sequence = q.sequence AND a.state IS NOT NULL)
UNION ALL
SELECT DISTINCT 'callback that waits for a host of which nobody knows', format('host %s', q.host)
  FROM dispatch.queue AS q
 WHERE q.next_at = 'infinity'
   AND NOT EXISTS (SELECT FROM dispatch.host_states AS h WHERE h.host = q.host AND h.aside)
UNION ALL
SELECT 'request without its dispatch', format('caller %s, request %s, dispatch %s', r.caller, r.request_id, r.dispatch_id)
  FROM dispatch.requests AS r
 WHERE NOT EXISTS (SELECT FROM dispatch.dispatches AS d WHERE d.id = r.dispatch_id)
UNION ALL
SELECT 'type whose revision is not that of its events', format('type %s, revision %s, %s events', t.name, t.revision, COALESCE(e.events, 0))
  FROM dispatch.types AS t
  LEFT JOIN (SELECT e.type_id, count(*) AS events
               FROM dispatch.type_events AS e
              GROUP BY e.type_id) AS e ON e.type_id = t.id
 WHERE t.revision + 1 IS DISTINCT FROM e.events
UNION ALL
SELECT DISTINCT 'event without its type', format('type %s', e.type_id)
  FROM dispatch.type_events AS e
 WHERE NOT EXISTS (SELECT FROM dispatch.types AS t WHERE t.id = e.type_id)
$$;

COMMENT ON FUNCTION dispatch.check_integrity() IS 'rows that do not belong together; none is the rule';

-- With the caller's own rights: it grants no more than the caller could.
CREATE FUNCTION dispatch.grant_access(role regrole, access text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'dispatch_grant_access';

COMMENT ON FUNCTION dispatch.grant_access(regrole, text) IS 'grants what read, write, admin or listen needs';

-- Nothing for PUBLIC. Types get their rights with their tables and views.
REVOKE ALL ON SCHEMA dispatch FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA dispatch FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dispatch FROM PUBLIC;
