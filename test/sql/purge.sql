-- purge(): what it removes, and what it never does.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

-- Runs a statement that is to fail, and shows code and messages without ids.
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error: ' || statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(concat_ws(E'\n', SQLSTATE || ': ' || message,
                                    'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, '')),
                          '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'g');
END $$;
SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_type('custom', '{"initial": "NEW", "final": ["DONE", "LOST"], "transitions": {"NEW": ["OPEN", "DONE", "LOST"], "OPEN": ["DONE"]}}') IS NOT NULL;
-- A dispatch with everything that can belong to one, in a status; closed so long ago, where it is closed.
CREATE FUNCTION pg_temp.make(ref text, status text DEFAULT 'CLOSED', age interval DEFAULT '10 days', type text DEFAULT 'plain') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    made uuid := dispatch.create_dispatch(type, ref, '{j1,j2}', '{p1}', request_id => ref);
BEGIN
    PERFORM dispatch.add_job(made, 'j3', request_id => ref || ' job');
    PERFORM dispatch.remove_job(made, 'j1');
    IF status NOT IN ('INITIATED', 'NEW') THEN
        PERFORM dispatch.update_status(made, status, request_id => ref);
    END IF;
    UPDATE dispatch.dispatches AS d SET created_at = now() - age - interval '1 day', updated_at = now() - age, closed_at = CASE WHEN d.closed_at IS NOT NULL THEN now() - age END WHERE d.id = made;
END $$;
-- The dispatches that there are, by their references.
CREATE FUNCTION pg_temp.left_over() RETURNS text LANGUAGE sql AS $$ SELECT string_agg(dispatch_ref, ' ' ORDER BY dispatch_ref) FROM dispatch.dispatches $$;
-- How many rows of each kind belong to dispatches that are not there.
CREATE FUNCTION pg_temp.orphans() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', (SELECT count(*) FROM dispatch.members WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)), (SELECT count(*) FROM dispatch.event_log WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)),
                          (SELECT count(*) FROM dispatch.queue WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)), (SELECT count(*) FROM dispatch.attempts WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)),
                          (SELECT count(*) FROM dispatch.requests WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)), (SELECT count(*) FROM dispatch.check_integrity()));
$$;

--
-- Section 2: dispatches in a final status, whose last change is older
--
SELECT pg_temp.make('open-new', 'INITIATED'), pg_temp.make('open-assigned', 'ASSIGNED'), pg_temp.make('open-pending', 'PENDING_CLOSURE'), pg_temp.make('open-custom', 'OPEN', type => 'custom');
SELECT pg_temp.make('closed-10'), pg_temp.make('closed-20', age => '20 days'), pg_temp.make('closed-30', age => '30 days'), pg_temp.make('closed-now', age => '0'),
       pg_temp.make('done-10', 'DONE', type => 'custom'), pg_temp.make('lost-20', 'LOST', '20 days', 'custom');
SELECT dispatch.purge('40 days'), pg_temp.left_over();
SELECT dispatch.purge('25 days'), pg_temp.left_over();
SELECT dispatch.purge(older_than => '15 days', max_rows => 100), pg_temp.left_over();
SELECT dispatch.purge('15 days');
SELECT dispatch.purge('239 hours 59 minutes'), pg_temp.left_over();
-- 0 takes what is closed by now; what is open stays, however old.
SELECT dispatch.purge('0'), pg_temp.left_over();
SELECT pg_temp.orphans();
-- What goes with a dispatch is gone, and what belongs to another is not.
SELECT (SELECT count(*) FROM dispatch.members), (SELECT count(*) FROM dispatch.event_log), (SELECT count(*) FROM dispatch.requests), (SELECT count(*) FROM dispatch.types), (SELECT count(*) FROM dispatch.type_events);
-- References are free again.
SELECT pg_temp.make('closed-10') IS NOT NULL, dispatch.purge('1 day'), pg_temp.left_over();

--
-- Never one with an undelivered callback
--
-- A callback on the last change, after so many answers: none, then the last of them.
CREATE FUNCTION pg_temp.make_with_callback(ref text, statuses integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    made uuid := dispatch.create_dispatch('plain', ref, '{j1}');
    status integer;
BEGIN
    PERFORM dispatch.update_status(made, 'CLOSED', callback => '{"url": "http://example.com/"}');
    FOREACH status IN ARRAY statuses
    LOOP
        UPDATE dispatch.queue AS q SET next_at = now() - interval '1 s' WHERE q.dispatch_id = made;
        PERFORM dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], ARRAY[status], '{NULL}', '{"1 h"}') FROM dispatch.claim_callbacks() AS c;
    END LOOP;
    UPDATE dispatch.dispatches AS d SET updated_at = now() - interval '10 days', closed_at = now() - interval '10 days' WHERE d.id = made;
END $$;
SELECT pg_temp.make_with_callback('delivered', '{200}'), pg_temp.make_with_callback('delivered-late', '{500,NULL,204}'), pg_temp.make_with_callback('dead-410', '{410}'), pg_temp.make_with_callback('retried', '{503}');
SET dispatch.max_attempts = 2;
SELECT pg_temp.make_with_callback('dead-used-up', '{500,500}');
RESET dispatch.max_attempts;
SELECT pg_temp.make_with_callback('queued', '{}');
SELECT d.dispatch_ref, c.state, c.attempts FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY d.dispatch_ref;
SELECT dispatch.purge('1 day'), pg_temp.left_over();
-- A leased one is undelivered too. Of several each counts.
UPDATE dispatch.queue SET next_at = now() - interval '1 s';
CREATE TEMP TABLE held AS SELECT c.callback_id, c.attempt FROM dispatch.claim_callbacks() AS c;
SELECT count(*) FROM held;
SELECT dispatch.create_dispatch('plain', 'mixed', callback => '{"url": "http://example.com/"}') AS mixed \gset
SELECT dispatch.update_status(:'mixed', 'CLOSED', callback => '{"url": "http://example.com/"}');
UPDATE dispatch.dispatches SET closed_at = now() - interval '10 days' WHERE id = :'mixed';
SELECT count(*) FROM (SELECT * FROM dispatch.claim_callbacks(1)) AS c, LATERAL dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '{200}', '{NULL}', '{NULL}');
SELECT state FROM dispatch.callbacks WHERE dispatch_id = :'mixed' ORDER BY state;
SELECT dispatch.purge('1 day');
-- Delivered, they can go; the dead stay.
SELECT count(i) FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id], ARRAY[h.attempt], '{200}', '{NULL}', '{NULL}') AS i;
SELECT count(*) FROM (SELECT * FROM dispatch.claim_callbacks()) AS c, LATERAL dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '{200}', '{NULL}', '{NULL}');
SELECT dispatch.purge('1 day'), pg_temp.left_over(), pg_temp.orphans();
SELECT count(*), count(DISTINCT dispatch_id) FROM dispatch.attempts;

--
-- At most max_rows a call, the longest closed first
--
SELECT pg_temp.make('old-' || i, age => make_interval(days => 100 + i)) IS NULL FROM generate_series(1, 5) AS i;
SELECT dispatch.purge('1 day', 2), pg_temp.left_over();
SELECT dispatch.purge('1 day', 1), pg_temp.left_over();
SELECT dispatch.purge('1 day', 2), pg_temp.left_over();
SELECT dispatch.purge('1 day', 2), pg_temp.orphans();
-- What cannot go does not stand in the way of what can.
SELECT pg_temp.make('old-1', age => '2 days'), dispatch.purge('1 day', 1), pg_temp.left_over();
-- Thousands in one call; the default is 10,000.
SELECT count(dispatch.update_status(dispatch.create_dispatch('plain', jobs => '{j1,j2}', request_id => 'many ' || i), 'CLOSED')) FROM generate_series(1, 2501) AS i;
UPDATE dispatch.dispatches SET closed_at = now() - interval '10 days' WHERE dispatch_ref IS NULL;
SELECT dispatch.purge('1 day', 2000);
SELECT count(*) FROM dispatch.dispatches WHERE dispatch_ref IS NULL;
SELECT pg_temp.orphans();
SELECT dispatch.purge('1 day'), dispatch.purge('1 day'), pg_temp.orphans();
-- With its transaction it is undone; in the same one it sees what it did.
SELECT pg_temp.make('undone');
BEGIN;
SELECT dispatch.purge('1 day'), dispatch.purge('1 day');
ROLLBACK;
SELECT pg_temp.left_over(), (SELECT count(*) FROM dispatch.history(dispatch.dispatch_id('undone'))), (SELECT count(*) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('undone'));
-- A cursor that was opened before sees what was there then.
BEGIN;
DECLARE before CURSOR FOR SELECT count(*) FROM dispatch.dispatches WHERE dispatch_ref = 'undone';
SELECT dispatch.purge('1 day');
FETCH before;
COMMIT;

--
-- Section 3: arguments out of bounds
--
SELECT pg_temp.fails($$SELECT dispatch.purge('-1 second')$$);
SELECT pg_temp.fails($$SELECT dispatch.purge('-1 month 1 day')$$);
SELECT pg_temp.fails($$SELECT dispatch.purge(NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.purge('1 day', 0)$$);
SELECT pg_temp.fails($$SELECT dispatch.purge('1 day', -1)$$);
SELECT pg_temp.fails($$SELECT dispatch.purge('1 day', 1000001)$$);
SELECT pg_temp.fails($$SELECT dispatch.purge('1 day', NULL)$$);
SELECT dispatch.purge('1 day', 1000000), dispatch.purge('1000 years', 1), dispatch.purge('2 months 1 day 3 hours');
-- Older than time itself: nothing is, or it is said what is wrong.
SELECT pg_temp.fails($$SELECT dispatch.purge('200000 years')$$) ~ '^(no error|22023)', pg_temp.fails($$SELECT dispatch.purge('100000000 days')$$) ~ '^(no error|22023)',
       pg_temp.fails($$SELECT dispatch.purge('2000000000 hours')$$) ~ '^(no error|22023)', pg_temp.fails($$SELECT dispatch.purge('-200000 years')$$) ~ '^22023';
BEGIN READ ONLY;
SELECT pg_temp.fails($$SELECT dispatch.purge('1 day')$$) ~ '^25006';
COMMIT;
-- An open one that the owner gave a time of closing has none.
UPDATE dispatch.dispatches SET closed_at = '2020-01-01' WHERE dispatch_ref = 'open-new';
SELECT closed_at IS NULL FROM dispatch.dispatches WHERE dispatch_ref = 'open-new';
SELECT dispatch.purge('1 day'), pg_temp.left_over();
DROP EXTENSION dispatch CASCADE;
