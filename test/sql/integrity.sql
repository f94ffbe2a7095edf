-- check_integrity(): each problem that it reports; and what an owner's DELETE takes along.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

-- A lived-in database: types that got attributes later, dispatches in every state, callbacks in every state, requests, purged ones.
SELECT dispatch.create_type('plain') AS plain \gset
SELECT dispatch.create_type('custom', '{"initial": "NEW", "final": ["DONE"], "transitions": {"NEW": ["DONE"]}}') AS custom \gset
SELECT dispatch.create_type('unused') AS unused \gset
SELECT dispatch.create_attributes('plain', '[{"name": "zone", "dataType": "string"}]');
CREATE FUNCTION pg_temp.live(suffix text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    id uuid;
BEGIN
    id := dispatch.create_dispatch('plain', 'open-' || suffix, '{j1,j2}', '{p1,p2}', '{"zone": "north"}', '{"url": "http://example.com/"}', request_id => suffix);
    PERFORM dispatch.add_jobs(id, '{j3,j4}', request_id => suffix), dispatch.remove_job(id, 'j1'), dispatch.update_status(id, 'ASSIGNED', 'x', '{"url": "http://example.com/"}');
    PERFORM dispatch.update_sub_status(id, 'y', '{"url": "http://example.com/"}'), dispatch.update_custom_data(id, '{"zone": "south"}');
    id := dispatch.create_dispatch('plain', 'closed-' || suffix, '{j1}', callback => '{"url": "http://example.com/"}', extra => '{"a": 1}');
    PERFORM dispatch.update_status(id, 'CLOSED', request_id => suffix);
    id := dispatch.create_dispatch('custom', 'done-' || suffix);
    PERFORM dispatch.update_status(id, 'DONE', callback => '{"url": "http://example.com/"}');
    PERFORM dispatch.create_dispatch('custom', 'new-' || suffix);
END $$;
SELECT pg_temp.live('1');
-- Two each are delivered, dead, to be tried again, leased; one is given back, one waits.
CREATE FUNCTION pg_temp.answer(status integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM (SELECT * FROM dispatch.claim_callbacks(2)) AS c LEFT JOIN LATERAL dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], ARRAY[status], '{NULL}', '{"1 h"}') AS i ON true;
$$;
SELECT pg_temp.live('2');
SELECT pg_temp.answer(200), pg_temp.answer(410), pg_temp.answer(500), (SELECT count(*) FROM dispatch.claim_callbacks(2)), (SELECT sum(dispatch.renew_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '0')) FROM dispatch.claim_callbacks(1) AS c);
SELECT dispatch.create_attributes('plain', '[{"name": "must", "dataType": "string", "validation": {"required": true}}, {"name": "may", "dataType": "number", "defaultValue": 1}]');
\set SHOW_CONTEXT never
SELECT pg_temp.live('3');
\set SHOW_CONTEXT errors
\echo :SQLSTATE
SELECT dispatch.create_dispatch('plain', 'later', custom_data => '{"must": "x"}') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('open-1'), 'after'), dispatch.update_sub_status(dispatch.dispatch_id('open-1'), 'after');
BEGIN;
SELECT dispatch.update_status(dispatch.create_dispatch('custom', 'purged', '{j}', request_id => 'purged'), 'DONE');
UPDATE dispatch.dispatches SET closed_at = '2020-01-01' WHERE dispatch_ref = 'purged';
SELECT dispatch.purge('1 year');
SAVEPOINT s;
SELECT dispatch.create_dispatch('custom', 'rolled back', '{j}', request_id => 'rolled back') IS NOT NULL;
ROLLBACK TO s;
COMMIT;
SELECT state, leased, count(*) FROM dispatch.callbacks GROUP BY state, leased ORDER BY state, leased;
-- A row that the owner wrote to, with the triggers on.
UPDATE dispatch.dispatches SET sub_status = 'by hand', custom_data = '{"zone": "east", "must": "y"}' WHERE dispatch_ref = 'later';

--
-- Section 2: none is the rule
--
SELECT * FROM dispatch.check_integrity();
BEGIN READ ONLY;
SELECT count(*) FROM dispatch.check_integrity();
COMMIT;

--
-- Each problem, made by a direct write with the triggers off, reported, and undone
--
CREATE TEMP TABLE reported (problem text, made_by text);
-- What a statement makes of it; ids are those of this run and not shown.
CREATE FUNCTION pg_temp.breaks(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    problems text[];
    problem text;
BEGIN
    BEGIN
        SET LOCAL session_replication_role = replica;
        EXECUTE statement;
        SET LOCAL session_replication_role = origin;
        SELECT array_agg(p ORDER BY p) INTO problems FROM (
            SELECT c.problem || ': ' || regexp_replace(rtrim(replace(c.detail, 'caller ' || current_user, 'caller <me>')), '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'g') AS p FROM dispatch.check_integrity() AS c) AS c;
        RAISE EXCEPTION USING ERRCODE = 'ZZ000';
    EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
        NULL;
    END;
    INSERT INTO reported SELECT DISTINCT split_part(p, ':', 1), statement FROM unnest(problems) AS p;
    RETURN QUERY SELECT unnest(problems);
END $$;
-- Types
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.types WHERE name = 'custom'$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.types WHERE name = 'unused'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.types SET revision = revision + 1 WHERE name = 'plain'$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.type_events WHERE type_id = (SELECT id FROM dispatch.types WHERE name = 'unused')$$);
SELECT * FROM pg_temp.breaks($$INSERT INTO dispatch.type_events SELECT type_id, 99, type, data, event_meta, caller, at FROM dispatch.type_events WHERE sequence = 3$$);
-- A lifecycle that says nothing has none of the statuses.
SELECT count(*) FROM pg_temp.breaks($$UPDATE dispatch.types SET lifecycle = '{}'$$) AS p WHERE p LIKE 'dispatch in a status that its type lacks: %';
-- Rows of dispatches
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET type_id = '00000000-0000-7000-8000-000000000000' WHERE dispatch_ref = 'new-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET custom_data = custom_data || '{"zone": "west"}' WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET type_revision = type_revision + 1 WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET seal = NULL WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET seal = seal # 1 WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET type_revision = NULL WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET status = 'NOWHERE' WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET status = 'CLOSED' WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET closed_at = now() WHERE dispatch_ref = 'open-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET closed_at = NULL WHERE dispatch_ref = 'closed-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET closed_at = closed_at - interval '1 h' WHERE dispatch_ref = 'closed-1'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.dispatches SET version = version + 1 WHERE dispatch_ref = 'new-1'$$);
SELECT * FROM pg_temp.breaks($$INSERT INTO dispatch.dispatches (type_id, status, dispatch_ref) SELECT id, 'NEW', 'without-all' FROM dispatch.types WHERE name = 'custom'$$);
-- What belongs to a dispatch
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'closed-2'$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.members SET dispatch_id = '00000000-0000-7000-8000-000000000000' WHERE dispatch_id = dispatch.dispatch_id('open-1')$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.members SET state = 'p' WHERE dispatch_id = dispatch.dispatch_id('closed-1')$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.event_log WHERE dispatch_id = dispatch.dispatch_id('new-1')$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.event_log WHERE dispatch_id = dispatch.dispatch_id('open-1') AND sequence = 2$$);
SELECT * FROM pg_temp.breaks($$INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data) SELECT id, 5, now(), 'dispatch.job.added', 'me', '{}' FROM dispatch.dispatches WHERE dispatch_ref = 'new-1'$$);
SELECT * FROM pg_temp.breaks($$INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data) VALUES ('00000000-0000-7000-8000-000000000000', 1, now(), 'dispatch.created', 'me', '{}')$$);
-- Callbacks
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.event_log WHERE dispatch_id = dispatch.dispatch_id('done-2') AND sequence = 2$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.event_log SET callback_id = NULL WHERE callback_id = (SELECT min(callback_id::text)::uuid FROM dispatch.callbacks WHERE state = 'DEAD')$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.queue WHERE callback_id = (SELECT max(callback_id::text)::uuid FROM dispatch.queue)$$);
SELECT * FROM pg_temp.breaks($$DELETE FROM dispatch.attempts WHERE state = 'DELIVERED' AND sequence = 1$$);
SELECT * FROM pg_temp.breaks($$INSERT INTO dispatch.queue (callback_id, dispatch_id, sequence, next_at, origin, host) SELECT callback_id, dispatch_id, sequence, now(), 0, host FROM dispatch.callbacks WHERE state = 'DELIVERED' AND sequence = 1$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.queue SET sequence = 77 WHERE callback_id = (SELECT max(callback_id::text)::uuid FROM dispatch.queue)$$);
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.queue SET next_at = 'infinity' WHERE callback_id = (SELECT max(callback_id::text)::uuid FROM dispatch.queue)$$);
-- Requests
SELECT * FROM pg_temp.breaks($$UPDATE dispatch.requests SET dispatch_id = '00000000-0000-7000-8000-000000000000', caller = 'me' WHERE request_id = '2' AND operation = 'create_dispatch'$$);
-- Nothing at all
SELECT problem, count(*) FROM (SELECT split_part(p, ':', 1) AS problem FROM pg_temp.breaks($$TRUNCATE dispatch.dispatches$$) AS p) AS b GROUP BY problem ORDER BY problem;
SELECT problem, count(*) FROM (SELECT split_part(p, ':', 1) AS problem FROM pg_temp.breaks($$TRUNCATE dispatch.event_log$$) AS p) AS b GROUP BY problem ORDER BY problem;
SELECT problem, count(*) FROM (SELECT split_part(p, ':', 1) AS problem FROM pg_temp.breaks($$TRUNCATE dispatch.types$$) AS p) AS b GROUP BY problem ORDER BY problem;
SELECT problem, count(*) FROM (SELECT split_part(p, ':', 1) AS problem FROM pg_temp.breaks($$TRUNCATE dispatch.queue$$) AS p) AS b GROUP BY problem ORDER BY problem;
-- Every problem that it knows was among them.
SELECT p[1] AS never_reported FROM pg_proc, LATERAL regexp_matches(prosrc, '^SELECT (?:DISTINCT )?''([^'']+)''', 'gn') AS p WHERE oid = 'dispatch.check_integrity'::regproc AND p[1] NOT IN (SELECT problem FROM reported);
SELECT count(DISTINCT problem) FROM reported;
-- And all is well again.
SELECT * FROM dispatch.check_integrity();

--
-- A DELETE by the owner takes along what belongs to the dispatches
--
CREATE FUNCTION pg_temp.rows() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT count(*) FROM dispatch.dispatches), (SELECT count(*) FROM dispatch.members), (SELECT count(*) FROM dispatch.event_log), (SELECT count(*) FROM dispatch.queue), (SELECT count(*) FROM dispatch.attempts), (SELECT count(*) FROM dispatch.requests));
$$;
SELECT pg_temp.rows();
-- None
DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'none';
SELECT pg_temp.rows();
-- One
BEGIN;
DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'open-1';
SELECT pg_temp.rows();
SELECT * FROM dispatch.check_integrity();
ROLLBACK;
SELECT pg_temp.rows();
-- Some, in every way that a statement can
BEGIN;
DELETE FROM dispatch.dispatches WHERE dispatch_ref LIKE 'closed-%' RETURNING dispatch_ref;
DELETE FROM ONLY dispatch.dispatches AS d USING dispatch.types AS t WHERE t.id = d.type_id AND t.name = 'custom' AND dispatch_ref LIKE 'done-%';
WITH gone AS (DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'open-2' RETURNING dispatch_ref) SELECT * FROM gone;
SELECT pg_temp.rows();
SELECT * FROM dispatch.check_integrity();
SAVEPOINT s;
DELETE FROM dispatch.dispatches;
SELECT pg_temp.rows();
ROLLBACK TO s;
SELECT pg_temp.rows();
SELECT * FROM dispatch.check_integrity();
ROLLBACK;
-- By a role that may do nothing but delete
CREATE ROLE regress_dispatch_deleter;
GRANT USAGE ON SCHEMA dispatch TO regress_dispatch_deleter;
GRANT SELECT (dispatch_ref), DELETE ON dispatch.dispatches TO regress_dispatch_deleter;
SET ROLE regress_dispatch_deleter;
DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'open-1';
RESET ROLE;
SELECT * FROM dispatch.check_integrity();
-- More than go in one batch
SELECT count(dispatch.create_dispatch('custom', jobs => '{j1,j2}', callback => '{"url": "http://example.com/"}', request_id => 'many ' || i)) FROM generate_series(1, 2500) AS i;
BEGIN;
DELETE FROM dispatch.dispatches WHERE dispatch_ref IS NULL;
SELECT pg_temp.rows();
SELECT * FROM dispatch.check_integrity();
ROLLBACK;
-- All
DELETE FROM dispatch.dispatches;
SELECT pg_temp.rows();
SELECT * FROM dispatch.check_integrity();
-- It is no function to be called otherwise.
SELECT dispatch.dispatches_deleted();
\echo :SQLSTATE
CREATE TEMP TABLE other (id uuid);
CREATE TRIGGER wrong AFTER DELETE ON other FOR EACH ROW EXECUTE FUNCTION dispatch.dispatches_deleted();
INSERT INTO other VALUES (NULL);
DELETE FROM other;
\echo :SQLSTATE
-- TRUNCATE takes nothing along, and shows: what it leaves is nobody's.
SELECT dispatch.create_dispatch('custom', 'left', '{j1}', request_id => 'left') IS NOT NULL;
TRUNCATE dispatch.dispatches;
SELECT problem FROM dispatch.check_integrity() ORDER BY problem;
TRUNCATE dispatch.dispatches, dispatch.members, dispatch.event_log, dispatch.queue, dispatch.attempts, dispatch.requests;
SELECT * FROM dispatch.check_integrity();

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_deleter;
