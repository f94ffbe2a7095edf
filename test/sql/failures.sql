-- A failed call leaves nothing behind: no row, no event, no queue row, no notification.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

SELECT dispatch.create_type('lastmile') IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[{"name": "plate", "dataType": "string", "validation": {"regex": "^[A-Z0-9]+$"}}, {"name": "weight", "dataType": "number"}]');
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{j1,j2}', '{p1}', '{"plate": "AB12"}') IS NOT NULL;
SELECT dispatch.create_dispatch('lastmile', 'CLOSED-1', '{j1}', '{p1}') IS NOT NULL;
SELECT dispatch.update_status(dispatch.dispatch_id('CLOSED-1'), 'CLOSED');

-- All that is there, to the byte.
CREATE FUNCTION pg_temp.everything() RETURNS text LANGUAGE sql AS $$
    SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C"))
      FROM (SELECT 'types ' || t::text FROM dispatch.types AS t
            UNION ALL SELECT 'type_events ' || t::text FROM dispatch.type_events AS t
            UNION ALL SELECT 'dispatches ' || t::text FROM dispatch.dispatches AS t
            UNION ALL SELECT 'members ' || t::text FROM dispatch.members AS t
            UNION ALL SELECT 'event_log ' || t::text FROM dispatch.event_log AS t
            UNION ALL SELECT 'queue ' || t::text FROM dispatch.queue AS t
            UNION ALL SELECT 'attempts ' || t::text FROM dispatch.attempts AS t) AS lines(line);
$$;
CREATE FUNCTION pg_temp.counts() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT count(*) FROM dispatch.types), (SELECT count(*) FROM dispatch.type_events), (SELECT count(*) FROM dispatch.dispatches), (SELECT count(*) FROM dispatch.members),
                          (SELECT count(*) FROM dispatch.event_log), (SELECT count(*) FROM dispatch.queue), (SELECT count(*) FROM dispatch.attempts));
$$;
SELECT pg_temp.counts();
SELECT pg_temp.everything() AS before \gset

-- Calls that fail at every step: arguments, callback, type, validation, reference, members, status. Each carries a callback.
CREATE TABLE pg_temp.failing (n integer GENERATED ALWAYS AS IDENTITY, code text, statement text);
INSERT INTO failing (code, statement) VALUES
    ('22023', $$SELECT dispatch.create_dispatch('lastmile', 'abc', callback => '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', jobs => '{a,""}', callback => '{"url": "http://example.com/"}')$$),
    ('23505', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', jobs => '{a,a}', callback => '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', callback => '{"url": "ftp://example.com/"}')$$),
    ('22023', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', callback => '{"url": "http://example.com/"}', event_meta => '[]')$$),
    ('22023', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', callback => '{"url": "http://example.com/"}', extra => '{"version": 1}')$$),
    ('P0002', $$SELECT dispatch.create_dispatch('nosuch', 'NEW-1', callback => '{"url": "http://example.com/"}')$$),
    ('23514', $$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', '{a}', '{b}', '{"plate": "?"}', '{"url": "http://example.com/"}')$$),
    ('23505', $$SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{a}', '{b}', callback => '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'j1', '{"url": "http://example.com/", "wait": true}')$$),
    ('23505', $$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j1', '{"url": "http://example.com/"}')$$),
    ('23505', $$SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), '{new1,new2,j2,new3}', '{"url": "http://example.com/"}')$$),
    ('23505', $$SELECT dispatch.add_participants(dispatch.dispatch_id('ROUTE-17'), '{new1,p1}', '{"url": "http://example.com/"}')$$),
    ('P0002', $$SELECT dispatch.remove_jobs(dispatch.dispatch_id('ROUTE-17'), '{j1,j2,none}', '{"url": "http://example.com/"}')$$),
    ('P0002', $$SELECT dispatch.remove_participant(dispatch.dispatch_id('ROUTE-17'), 'none', '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-17'), 'closed', callback => '{"url": "http://example.com/"}')$$),
    ('55000', $$SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-17'), 'UNKNOWN', callback => '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), '', '{"url": "http://example.com/"}')$$),
    ('23514', $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"weight": "x"}', '{"url": "http://example.com/"}')$$),
    ('22023', $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '[]', '{"url": "http://example.com/"}')$$),
    ('55000', $$SELECT dispatch.add_jobs(dispatch.dispatch_id('CLOSED-1'), '{new}', '{"url": "http://example.com/"}')$$),
    ('55000', $$SELECT dispatch.update_status(dispatch.dispatch_id('CLOSED-1'), 'INITIATED', callback => '{"url": "http://example.com/"}')$$),
    ('P0002', $$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'new', '{"url": "http://example.com/"}')$$),
    ('P0002', $$SELECT dispatch.request('createDispatc', '{}', '{"dispatchTypeName": "lastmile"}')$$),
    ('23514', $$SELECT dispatch.request('createDispatch', '{}', '{"dispatchTypeName": "lastmile", "customData": {"x": 1}, "callback": {"url": "http://example.com/"}}')$$),
    ('23505', $$SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "ROUTE-17"}', '{"jobs": ["new", "j1"], "callback": {"url": "http://example.com/"}}')$$),
    ('23505', $$SELECT dispatch.create_type('lastmile')$$),
    ('22023', $$SELECT dispatch.create_type('broken', '{"initial": "A", "final": [], "transitions": {"A": ["A"]}}')$$),
    ('23505', $$SELECT dispatch.create_attributes('lastmile', '[{"name": "fine", "dataType": "string"}, {"name": "plate", "dataType": "string"}]')$$),
    ('2201B', $$SELECT dispatch.create_attributes('lastmile', '[{"name": "fine", "dataType": "string"}, {"name": "bad", "dataType": "string", "validation": {"regex": "("}}]')$$),
    ('22023', $$SELECT dispatch.claim_callbacks(0)$$),
    ('22023', $$SELECT dispatch.finish_callbacks('{}', '{1}', '{}', '{}', '{}')$$);

-- One by one, as an application would: caught in PL/pgSQL; what is there afterwards is what was there before.
SET dispatch.notify = always;
LISTEN dispatch_callback;
CREATE FUNCTION pg_temp.fail(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT n, code, pg_temp.fail(statement) FROM failing ORDER BY n;
SELECT pg_temp.everything() = :'before';

-- As statements of their own.
\set VERBOSITY sqlstate
SELECT statement FROM failing ORDER BY n \gexec
\set VERBOSITY default
SELECT pg_temp.everything() = :'before';

-- Within a transaction: after each failure what was done before it is there, and nothing else.
BEGIN;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'kept');
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), '{lost,j1}', '{"url": "http://example.com/"}');
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'aborted');
ROLLBACK TO s;
SELECT dispatch.create_dispatch('lastmile', 'NEW-1', '{a}', '{b}', '{"plate": "?"}', '{"url": "http://example.com/"}');
ROLLBACK TO s;
SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-17'), 'UNKNOWN', callback => '{"url": "http://example.com/"}');
ROLLBACK TO s;
\set VERBOSITY default
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'kept too');
SELECT string_agg(job_id, ' ' ORDER BY sequence, ordinal) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('ROUTE-17');
SELECT sequence, type, data FROM dispatch.history(dispatch.dispatch_id('ROUTE-17')) WHERE sequence > 1;
SELECT count(*) FROM dispatch.queue;
-- What succeeded is undone with its savepoint as well, its version too.
SAVEPOINT t;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'undone', '{"url": "http://example.com/"}');
SELECT count(*) FROM dispatch.queue;
ROLLBACK TO t;
SELECT count(*) FROM dispatch.queue;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'kept as well');
COMMIT;
SELECT string_agg(job_id, ' ' ORDER BY sequence, ordinal) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('ROUTE-17');
SELECT d -> 'version' FROM dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) AS d;

-- A transaction that is rolled back as a whole.
SELECT pg_temp.everything() AS before \gset
BEGIN;
SELECT dispatch.create_dispatch('lastmile', 'NEW-1', '{a}', '{b}', '{}', '{"url": "http://example.com/"}') IS NOT NULL;
SELECT dispatch.update_status(dispatch.dispatch_id('NEW-1'), 'ASSIGNED', callback => '{"url": "http://example.com/"}');
SELECT dispatch.create_type('another') IS NOT NULL;
SELECT count(*) FROM dispatch.claim_callbacks();
ROLLBACK;
SELECT pg_temp.everything() = :'before';
-- The type that was rolled back is not there, also not in this session's cache.
\set VERBOSITY sqlstate
SELECT dispatch.create_dispatch('another');
\set VERBOSITY default

-- DO blocks: an error that is not caught ends it all, one that is caught only its own block.
\set SHOW_CONTEXT never
DO $$
BEGIN
    PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'in a block', '{"url": "http://example.com/"}');
    PERFORM dispatch.create_dispatch('lastmile', 'ROUTE-17');
END $$;
SELECT pg_temp.everything() = :'before';
DO $$
DECLARE
    caught text := '';
BEGIN
    PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'outer');
    FOR i IN 1 .. 3 LOOP
        BEGIN
            PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'inner ' || i, '{"url": "http://example.com/"}');
            PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'inner ' || i);
        EXCEPTION
            WHEN unique_violation THEN caught := caught || ' unique_violation';
        END;
    END LOOP;
    BEGIN
        PERFORM dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'none');
    EXCEPTION WHEN no_data_found THEN caught := caught || ' no_data_found';
    END;
    BEGIN
        PERFORM dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"weight": "x"}');
    EXCEPTION WHEN check_violation THEN caught := caught || ' check_violation';
    END;
    BEGIN
        PERFORM dispatch.add_job(dispatch.dispatch_id('CLOSED-1'), 'x');
    EXCEPTION WHEN object_not_in_prerequisite_state THEN caught := caught || ' object_not_in_prerequisite_state';
    END;
    BEGIN
        PERFORM dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), '');
    EXCEPTION WHEN invalid_parameter_value THEN caught := caught || ' invalid_parameter_value';
    END;
    RAISE NOTICE '%', caught;
END $$;
SELECT string_agg(job_id, ', ' ORDER BY sequence, ordinal) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('ROUTE-17');
SELECT max(sequence), count(*) FROM dispatch.history(dispatch.dispatch_id('ROUTE-17'));
SELECT pg_temp.counts();

-- One statement is one: where a later row fails, earlier ones are undone.
SELECT pg_temp.everything() AS before \gset
\set VERBOSITY sqlstate
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), id, '{"url": "http://example.com/"}') FROM unnest(ARRAY['row 1', 'row 2', 'outer', 'row 3']) AS id;
\set VERBOSITY default
SELECT pg_temp.everything() = :'before';

-- Many failures in one transaction.
SELECT count(*) FILTER (WHERE pg_temp.fail($$SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{a}', '{b}', callback => '{"url": "http://example.com/"}')$$) = '23505') FROM generate_series(1, 2000);
SELECT pg_temp.everything() = :'before';

-- An error of somebody else's, after the fact, undoes the call with it: here a trigger of the user's on the queue.
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'refused' USING ERRCODE = 'P0001';
END $$;
CREATE TRIGGER refuse AFTER INSERT ON dispatch.queue FOR EACH ROW EXECUTE FUNCTION public.refuse();
SELECT pg_temp.fail($$SELECT dispatch.create_dispatch('lastmile', 'NEW-1', '{a}', '{b}', '{}', '{"url": "http://example.com/"}')$$);
SELECT pg_temp.fail($$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'refused', '{"url": "http://example.com/"}')$$);
DROP TRIGGER refuse ON dispatch.queue;
SELECT pg_temp.everything() = :'before';
-- A unique constraint of the user's own is not taken for one of ours.
CREATE UNIQUE INDEX one_of_each ON dispatch.members (member_id) WHERE member_id = 'unique';
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'unique') > 0;
\set VERBOSITY terse
SELECT dispatch.add_participant(dispatch.dispatch_id('ROUTE-17'), 'unique');
\set VERBOSITY default
DROP INDEX dispatch.one_of_each;

-- None of this has notified anybody: up to here no notification was shown. What commits does, once a transaction.
\o | sed 's/PID [0-9]*/PID n/'
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'loud', '{"url": "http://example.com/"}') > 0;
\o
\o | sed 's/PID [0-9]*/PID n/'
BEGIN;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'loud 2', '{"url": "http://example.com/"}') > 0;
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'loud', '{"url": "http://example.com/"}') > 0;
\set VERBOSITY default
ROLLBACK TO s;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'loud 3', '{"url": "http://example.com/"}') > 0;
COMMIT;
\o
-- A change without a callback does not.
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'silent') > 0;
-- Nor does a callback whose savepoint was rolled back.
BEGIN;
SAVEPOINT s;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'undone', '{"url": "http://example.com/"}') > 0;
ROLLBACK TO s;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'silent too') > 0;
COMMIT;
UNLISTEN dispatch_callback;
RESET dispatch.notify;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP FUNCTION public.refuse();
