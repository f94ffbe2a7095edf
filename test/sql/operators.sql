-- What operators do about single callbacks: dead ones are sent again, pending ones are cancelled.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('parcel') IS NOT NULL;
CREATE FUNCTION pg_temp.queue(ref text, host text) RETURNS boolean LANGUAGE sql AS $$
    SELECT dispatch.create_dispatch('parcel', ref, callback => jsonb_build_object('url', 'http://' || host || '/')) IS NOT NULL
$$;
CREATE FUNCTION pg_temp.deliver(code integer) RETURNS bigint LANGUAGE sql AS $$
    WITH a AS (SELECT array_agg(c.callback_id) AS ids, array_agg(c.attempt) AS attempts, count(*)::integer AS n FROM dispatch.claim_callbacks(arm => false) AS c)
    SELECT a.n - (SELECT count(f) FROM dispatch.finish_callbacks(a.ids, a.attempts, array_fill(code, ARRAY[a.n]), array_fill(NULL::text, ARRAY[a.n]), array_fill(interval '0', ARRAY[a.n])) AS f) FROM a
$$;
CREATE FUNCTION pg_temp.state() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', d.dispatch_ref, c.sequence, c.state, c.attempts, c.last_status, c.last_error) FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY d.dispatch_ref, c.sequence
$$;
CREATE FUNCTION pg_temp.ids(VARIADIC refs text[]) RETURNS uuid[] LANGUAGE sql AS $$
    SELECT array_agg(c.callback_id) FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id WHERE d.dispatch_ref = ANY (refs)
$$;

-- Dead ones, by id: with all their attempts, from one on again.
SELECT pg_temp.queue('DEAD-' || i, CASE WHEN i < 4 THEN 'one.example' ELSE 'two.example' END) FROM generate_series(1, 6) AS i;
SELECT pg_temp.deliver(410);
SELECT pg_temp.queue('PENDING', 'one.example');
SELECT pg_temp.state();
SELECT dispatch.retry_callbacks(pg_temp.ids('DEAD-1', 'DEAD-2', 'PENDING'));
SELECT pg_temp.state();
SELECT dispatch.retry_callbacks(pg_temp.ids('DEAD-1'));
SELECT * FROM dispatch.check_integrity();
SET dispatch.max_attempts = 2;
SELECT pg_temp.deliver(500);
SELECT pg_temp.state();
SELECT pg_temp.deliver(500);
SELECT pg_temp.state();
-- By host, by time, by both, all of them; the next claim gets them.
SELECT dispatch.retry_callbacks(host => 'TWO.example');
SELECT dispatch.retry_callbacks(host => 'nowhere.example');
SELECT dispatch.retry_callbacks(dead_since => now() + interval '1 h');
SELECT dispatch.retry_callbacks(pg_temp.ids('DEAD-1', 'DEAD-4'), host => 'one.example', dead_since => now() - interval '1 h');
SELECT dispatch.retry_callbacks();
SELECT dispatch.retry_callbacks();
SELECT dispatch.retry_callbacks('{}');
SELECT pg_temp.deliver(200);
SELECT pg_temp.state();
SELECT * FROM dispatch.check_integrity();
-- The same bytes under the same id.
SELECT count(DISTINCT callback_id) FROM dispatch.attempts WHERE callback_id = (pg_temp.ids('DEAD-1'))[1];

-- cancel_callbacks(): what is pending, due or waiting, but not what a listener has; the members that wait are rejected.
SELECT pg_temp.queue('CANCEL-1', 'one.example'), pg_temp.queue('CANCEL-2', 'one.example');
SELECT dispatch.add_job(dispatch.dispatch_id('CANCEL-1'), 'a', '{"url": "http://one.example/", "wait": true}');
SELECT dispatch.cancel_callbacks(pg_temp.ids('CANCEL-1', 'DEAD-1'));
SELECT pg_temp.state() LIMIT 3;
SELECT type, data FROM dispatch.history(dispatch.dispatch_id('CANCEL-1'));
SELECT dispatch.cancel_callbacks(pg_temp.ids('CANCEL-1'));
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
SELECT dispatch.cancel_callbacks(pg_temp.ids('CANCEL-2'));
SELECT dispatch.retry_callbacks(pg_temp.ids('CANCEL-1'));
SELECT * FROM dispatch.check_integrity();
\set VERBOSITY terse
SELECT dispatch.cancel_callbacks(NULL);
SELECT dispatch.cancel_callbacks('{}');
-- Cancelled ones are no reason to keep a dispatch, nor is what was cancelled before it was sent.
SELECT dispatch.update_status(dispatch.dispatch_id('CANCEL-1'), 'CLOSED') > 0;
SELECT dispatch.purge('0 s');

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
