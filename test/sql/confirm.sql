-- Callbacks that ask whether members can be added: PENDING until the answer, then CONFIRMED or gone.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('parcel') IS NOT NULL;

-- A dispatch by its reference, and what it has: members with their states, version.
CREATE FUNCTION pg_temp.id(ref text) RETURNS uuid LANGUAGE sql AS 'SELECT dispatch.dispatch_id(ref)';
CREATE FUNCTION pg_temp.has(ref text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', (SELECT string_agg((j ->> 'jobId') || ' ' || (j ->> 'state'), ', ') FROM jsonb_array_elements(d -> 'jobs') AS j),
                            (SELECT string_agg((p ->> 'participantId') || ' ' || (p ->> 'state'), ', ') FROM jsonb_array_elements(d -> 'participants') AS p),
                            'version ' || (d ->> 'version'))
      FROM dispatch.get_dispatch(dispatch.dispatch_id(ref)) AS d;
$$;

-- A callback that waits; what a listener has claimed; and the answer to all that is claimed, or to
-- the callbacks of some dispatch: a status code, or NULL for none; to be tried again at once.
CREATE FUNCTION pg_temp.ask(codes jsonb DEFAULT NULL) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('url', 'http://example.com/ask', 'wait', true, 'acceptableStatusCodes', codes)
$$;
CREATE TABLE claimed (callback_id uuid, attempt integer, ref text, sequence bigint);
CREATE FUNCTION pg_temp.claim() RETURNS SETOF text LANGUAGE sql AS $$
    WITH c AS (SELECT * FROM dispatch.claim_callbacks(arm => false)),
         kept AS (INSERT INTO claimed SELECT c.callback_id, c.attempt, c.body::jsonb #>> '{data,dispatchRef}', (c.body::jsonb #>> '{data,sequence}')::bigint FROM c)
    SELECT concat_ws(' ', c.body::jsonb #>> '{data,dispatchRef}', c.body::jsonb ->> 'type', 'attempt', c.attempt, 'confirm', c.confirm) FROM c ORDER BY c.body
$$;
CREATE FUNCTION pg_temp.answer(code integer, error text DEFAULT NULL, only_ref text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
    WITH mine AS (DELETE FROM claimed WHERE only_ref IS NULL OR ref = only_ref RETURNING *),
         held AS (SELECT array_agg(callback_id ORDER BY sequence) AS ids, array_agg(attempt ORDER BY sequence) AS attempts, count(*)::integer AS n FROM mine)
    SELECT count(f) FROM held, dispatch.finish_callbacks(ids, attempts, array_fill(code, ARRAY[n]), array_fill(error, ARRAY[n]), array_fill(interval '0', ARRAY[n])) AS f
$$;
CREATE FUNCTION pg_temp.callbacks(ref text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', c.sequence, c.state, c.attempts, c.last_status, c.last_error) FROM dispatch.callbacks AS c
     WHERE c.dispatch_id = dispatch.dispatch_id(ref) ORDER BY c.sequence
$$;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'no error: ' || statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(': ', SQLSTATE, SQLERRM, detail);
END $$;

-- Each way to add, with 2xx: pending until then, confirmed by it, and that is no new version.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-1', '{a}') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-1'), 'b', pg_temp.ask());
SELECT dispatch.add_jobs(pg_temp.id('ROUTE-1'), '{c,d}', pg_temp.ask());
SELECT dispatch.add_participant(pg_temp.id('ROUTE-1'), 'p', pg_temp.ask());
SELECT dispatch.add_participants(pg_temp.id('ROUTE-1'), '{q,r}', pg_temp.ask());
SELECT pg_temp.has('ROUTE-1');
SELECT job_id, state FROM dispatch.jobs ORDER BY sequence, ordinal;
SELECT participant_id, state FROM dispatch.participants ORDER BY sequence, ordinal;
SELECT pg_temp.claim();
SELECT pg_temp.answer(204);
SELECT pg_temp.has('ROUTE-1');
SELECT pg_temp.callbacks('ROUTE-1');

-- By request() too; a callback that does not wait is not asked.
SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "ROUTE-1"}', '{"jobs": ["e", "f"], "callback": {"url": "http://example.com/", "wait": true}}') #>> '{data,version}';
SELECT dispatch.request('addParticipant', '{"dispatchRef": "ROUTE-1"}', '{"participantId": "s", "callback": {"url": "http://example.com/", "wait": false, "acceptableStatusCodes": [404]}}') #>> '{data,version}';
SELECT pg_temp.claim();
SELECT pg_temp.answer(200);
SELECT pg_temp.has('ROUTE-1');

-- Any other answer rejects: the row goes, an event of its own keeps it, and it can be added again.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-2') IS NOT NULL;
SELECT dispatch.add_jobs(pg_temp.id('ROUTE-2'), '{z,a}', pg_temp.ask());
SELECT pg_temp.claim();
SELECT pg_temp.answer(404);
SELECT pg_temp.has('ROUTE-2');
SELECT sequence, type, data, event_meta FROM dispatch.history(pg_temp.id('ROUTE-2'));
SELECT pg_temp.callbacks('ROUTE-2');
SELECT dispatch.add_jobs(pg_temp.id('ROUTE-2'), '{a,z}', pg_temp.ask());
SELECT pg_temp.claim();
SELECT pg_temp.answer(302);
SELECT dispatch.add_participant(pg_temp.id('ROUTE-2'), 'p', pg_temp.ask());
SELECT pg_temp.claim();
SELECT pg_temp.answer(410);
SELECT sequence, type, data FROM dispatch.history(pg_temp.id('ROUTE-2')) WHERE type LIKE '%.rejected';

-- 408, 429, 5xx and no answer are no answer: it is asked again, and the member goes on waiting.
SELECT dispatch.add_job(pg_temp.id('ROUTE-2'), 'a', pg_temp.ask());
SELECT pg_temp.claim();
SELECT pg_temp.answer(408);
SELECT pg_temp.claim();
SELECT pg_temp.answer(429);
SELECT pg_temp.claim();
SELECT pg_temp.answer(503);
SELECT pg_temp.claim();
SELECT pg_temp.answer(NULL, 'timeout');
SELECT pg_temp.has('ROUTE-2');
SELECT pg_temp.claim();
SELECT pg_temp.answer(200);
SELECT pg_temp.has('ROUTE-2');
SELECT pg_temp.callbacks('ROUTE-2');
-- Until all attempts are used up: then it is dead, and the member is rejected.
SET dispatch.max_attempts = 2;
SELECT dispatch.add_job(pg_temp.id('ROUTE-2'), 'b', pg_temp.ask());
SELECT pg_temp.claim();
SELECT pg_temp.answer(500);
SELECT pg_temp.claim();
SELECT pg_temp.answer(NULL, 'could not connect');
SELECT pg_temp.has('ROUTE-2');
SELECT data FROM dispatch.history(pg_temp.id('ROUTE-2')) ORDER BY sequence DESC LIMIT 1;
SELECT pg_temp.callbacks('ROUTE-2');
RESET dispatch.max_attempts;

-- Codes of the caller's own: they alone accept, also those that would be tried again else.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-3') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-3'), 'a', pg_temp.ask('[404, 503]'));
SELECT pg_temp.claim();
SELECT pg_temp.answer(503);
SELECT pg_temp.has('ROUTE-3');
SELECT dispatch.add_job(pg_temp.id('ROUTE-3'), 'b', pg_temp.ask('[202]'));
SELECT pg_temp.claim();
SELECT pg_temp.answer(200);
SELECT pg_temp.has('ROUTE-3');
SELECT dispatch.add_job(pg_temp.id('ROUTE-3'), 'c', pg_temp.ask('[202]'));
SELECT pg_temp.claim();
SELECT pg_temp.answer(500);
SELECT pg_temp.claim();
SELECT pg_temp.answer(202);
SELECT pg_temp.has('ROUTE-3');

-- Only for the member that still waits for that very callback: not for one that was removed, or
-- removed and added again, by whatever way.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-4') IS NOT NULL;
SELECT dispatch.add_jobs(pg_temp.id('ROUTE-4'), '{a,b,c}', pg_temp.ask());
SELECT pg_temp.claim();
SELECT dispatch.remove_jobs(pg_temp.id('ROUTE-4'), '{a,b}');
SELECT dispatch.add_job(pg_temp.id('ROUTE-4'), 'a');
SELECT dispatch.add_job(pg_temp.id('ROUTE-4'), 'b', pg_temp.ask());
SELECT pg_temp.answer(404);
SELECT pg_temp.has('ROUTE-4');
SELECT data FROM dispatch.history(pg_temp.id('ROUTE-4')) ORDER BY sequence DESC LIMIT 1;
SELECT dispatch.remove_job(pg_temp.id('ROUTE-4'), 'b');
SELECT pg_temp.claim();
SELECT pg_temp.answer(404);
SELECT pg_temp.has('ROUTE-4');

-- The answer twice, and late, from a lease that another attempt has: ignored and reported.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-5') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-5'), 'a', pg_temp.ask());
SELECT callback_id AS late FROM dispatch.claim_callbacks(lease => '0 s', arm => false) \gset
SELECT pg_temp.claim();
SELECT count(*) FROM dispatch.finish_callbacks(ARRAY[:'late'::uuid], '{1}', '{404}', '{NULL}', '{NULL}');
SELECT pg_temp.has('ROUTE-5');
SELECT pg_temp.answer(200);
SELECT count(*) FROM dispatch.finish_callbacks(ARRAY[:'late'::uuid], '{2}', '{404}', '{NULL}', '{NULL}');
SELECT pg_temp.has('ROUTE-5');

-- Closing rejects what is pending, before it closes; nobody is asked any more, and an answer that
-- is on its way changes nothing.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-6', '{kept}') IS NOT NULL;
SELECT dispatch.add_jobs(pg_temp.id('ROUTE-6'), '{b,a}', pg_temp.ask());
SELECT pg_temp.claim();
SELECT dispatch.add_participant(pg_temp.id('ROUTE-6'), 'p', pg_temp.ask());
SELECT dispatch.update_status(pg_temp.id('ROUTE-6'), 'CLOSED', expected_version => 3);
SELECT sequence, type, data FROM dispatch.history(pg_temp.id('ROUTE-6'));
SELECT pg_temp.has('ROUTE-6');
SELECT pg_temp.callbacks('ROUTE-6');
SELECT pg_temp.answer(200);
SELECT pg_temp.claim();
SELECT pg_temp.has('ROUTE-6');
SELECT pg_temp.callbacks('ROUTE-6');
SELECT dispatch.purge('0 s');

-- Many answers for one dispatch in one batch.
SELECT dispatch.create_dispatch('parcel', 'ROUTE-7') IS NOT NULL;
SELECT count(dispatch.add_job(pg_temp.id('ROUTE-7'), 'job-' || i, pg_temp.ask())) FROM generate_series(1, 60) AS i;
SELECT count(*) FROM pg_temp.claim();
WITH held AS (SELECT array_agg(callback_id ORDER BY sequence) AS ids, array_agg(attempt ORDER BY sequence) AS attempts, array_agg(CASE sequence % 3 WHEN 0 THEN 200 WHEN 1 THEN 400 ELSE 503 END ORDER BY sequence) AS codes FROM claimed)
SELECT count(f) FROM held, dispatch.finish_callbacks(ids, attempts, codes, array_fill(NULL::text, ARRAY[60]), array_fill(NULL::interval, ARRAY[60])) AS f;
SELECT state, count(*) FROM dispatch.jobs WHERE dispatch_id = pg_temp.id('ROUTE-7') GROUP BY state ORDER BY state;
SELECT type, count(*), max(sequence) FROM dispatch.history(pg_temp.id('ROUTE-7')) GROUP BY type ORDER BY type;
TRUNCATE claimed;

-- Elsewhere it is an error, and so is what is no boolean.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('parcel', jobs => '{a}', callback => pg_temp.ask())$$);
SELECT pg_temp.fails(format('SELECT dispatch.%s, callback => pg_temp.ask())', call)) FROM unnest(ARRAY[
    $$remove_job(pg_temp.id('ROUTE-1'), 'a'$$, $$remove_jobs(pg_temp.id('ROUTE-1'), '{a}'$$, $$remove_participant(pg_temp.id('ROUTE-1'), 'p'$$,
    $$remove_participants(pg_temp.id('ROUTE-1'), '{p}'$$, $$update_status(pg_temp.id('ROUTE-1'), 'CLOSED'$$,
    $$update_sub_status(pg_temp.id('ROUTE-1'), 'x'$$, $$update_custom_data(pg_temp.id('ROUTE-1'), '{}'$$]) AS call;

-- What an owner writes past the operations shows; else all is in order.
SELECT * FROM dispatch.check_integrity();
SELECT dispatch.create_dispatch('parcel', 'ROUTE-8') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-8'), 'a', pg_temp.ask());
UPDATE dispatch.dispatches SET status = 'CLOSED' WHERE dispatch_ref = 'ROUTE-8';
SELECT problem FROM dispatch.check_integrity();

-- Members that wait in a dispatch that an owner has closed: rejected, whatever the answer; and what else is
-- answered has its end too. (What waited for another try above may be due by now.)
SELECT dispatch.create_dispatch('parcel', 'ROUTE-9') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-9'), 'a', pg_temp.ask());
UPDATE dispatch.dispatches SET status = 'CLOSED' WHERE dispatch_ref = 'ROUTE-9';
SELECT dispatch.create_dispatch('parcel', 'ROUTE-10') IS NOT NULL;
SELECT dispatch.add_job(pg_temp.id('ROUTE-10'), 'a', pg_temp.ask());
SELECT count(*) FROM pg_temp.claim() AS c WHERE c ~ '^ROUTE-(8|9|10) ';
SELECT pg_temp.answer(404, only_ref => 'ROUTE-8');
SELECT pg_temp.answer(200);
SELECT pg_temp.has('ROUTE-8'), pg_temp.has('ROUTE-9'), pg_temp.has('ROUTE-10');
SELECT h.data FROM dispatch.history(pg_temp.id('ROUTE-8')) AS h WHERE h.type LIKE '%.rejected';
SELECT h.data FROM dispatch.history(pg_temp.id('ROUTE-9')) AS h WHERE h.type LIKE '%.rejected';
SELECT count(*) FROM dispatch.check_integrity();

-- An answer that cannot be applied, since somebody's trigger fails, keeps none of the others, nor what else was
-- finished: it is tried again after a minute, with a warning each time.
CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.data ->> 'jobs' LIKE '%job-13%' THEN
        RAISE 'not this one';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON dispatch.event_log FOR EACH ROW WHEN (new.type = 'dispatch.job.rejected') EXECUTE FUNCTION pg_temp.refuse();
SELECT dispatch.create_dispatch('parcel', 'ROUTE-11') IS NOT NULL;
SELECT count(dispatch.add_job(pg_temp.id('ROUTE-11'), 'job-' || i, pg_temp.ask())) FROM generate_series(1, 20) AS i;
SELECT dispatch.add_job(pg_temp.id('ROUTE-11'), 'told', '{"url": "http://example.com/told"}');
SELECT count(*) FROM pg_temp.claim() AS c WHERE c ~ '^ROUTE-11 ';
SET client_min_messages = error;
SELECT pg_temp.answer(404);
SELECT pg_temp.has('ROUTE-11');
SELECT state, count(*) FROM dispatch.callbacks WHERE dispatch_id = pg_temp.id('ROUTE-11') GROUP BY state ORDER BY state;
DROP TRIGGER refuse ON dispatch.event_log;
UPDATE dispatch.queue SET next_at = now() WHERE outcome IS NOT NULL;
SELECT count(*) FROM pg_temp.claim() AS c WHERE c ~ '^ROUTE-11 ';
SELECT pg_temp.has('ROUTE-11');
SELECT count(*) FROM dispatch.queue WHERE outcome IS NOT NULL;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
