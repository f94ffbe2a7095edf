-- Hosts that fail or are paused, and what operators do: nothing is claimed for a host that does not answer but one
-- callback at a time to see whether it does; pause_host(), resume_host(); retry_callbacks(), cancel_callbacks().
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('parcel') IS NOT NULL;
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'no error: ' || statement;
EXCEPTION WHEN OTHERS THEN
    RETURN concat_ws(': ', SQLSTATE, SQLERRM);
END $$;

-- Queues so many callbacks to a host.
CREATE FUNCTION pg_temp.queue(host text, n integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(dispatch.create_dispatch('parcel', callback => jsonb_build_object('url', 'http://' || host || '/' || i))) FROM generate_series(1, n) AS i
$$;
-- Claims so many, and answers each with what its host answers now: a status code, NULL for none. What was claimed of each host.
CREATE TABLE hosts_now (host text PRIMARY KEY, code integer);
CREATE FUNCTION pg_temp.deliver(n integer) RETURNS SETOF text LANGUAGE sql AS $$
    WITH c AS MATERIALIZED (SELECT c.*, split_part(c.url, '/', 3) AS host FROM dispatch.claim_callbacks(n, arm => false) AS c),
         a AS (SELECT array_agg(c.callback_id) AS ids, array_agg(c.attempt) AS attempts, array_agg(h.code) AS codes, count(*)::integer AS n FROM c JOIN hosts_now AS h USING (host)),
         f AS MATERIALIZED (SELECT count(f) FROM a, dispatch.finish_callbacks(a.ids, a.attempts, a.codes, array_fill(NULL::text, ARRAY[a.n]), array_fill(interval '0', ARRAY[a.n])) AS f WHERE a.n > 0)
    SELECT c.host || ' ' || count(*) FROM c, f GROUP BY c.host ORDER BY c.host
$$;
CREATE FUNCTION pg_temp.hosts() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws(' ', h.host, h.pending || ' pending', h.failures || ' failures', CASE WHEN h.oldest_due <= clock_timestamp() THEN 'due' END, CASE WHEN h.failing_since IS NOT NULL THEN 'failing' END,
                     CASE WHEN h.next_try > clock_timestamp() THEN 'stopped' WHEN h.next_try IS NOT NULL THEN 'to be tried' END, CASE WHEN h.paused THEN 'paused' END)
      FROM dispatch.hosts AS h ORDER BY h.host
$$;
-- As if the next try were due, or the host had failed and its callbacks waited for long.
CREATE FUNCTION pg_temp.try_now(name text) RETURNS void LANGUAGE sql AS $$ UPDATE dispatch.host_states SET next_try = clock_timestamp() - interval '1 s' WHERE host = name $$;

-- A host that fails: after dispatch.host_failures failures in a row nothing is sent there; others go on.
SET dispatch.host_failures = 5;
SET dispatch.retry_base = '10s';
INSERT INTO hosts_now VALUES ('fine.example', 200), ('dead.example', NULL), ('slow.example', 200);
SELECT pg_temp.queue('dead.example', 4), pg_temp.queue('fine.example', 4);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
SELECT pg_temp.queue('dead.example', 4), pg_temp.queue('fine.example', 10);
SELECT pg_temp.deliver(6);
SELECT pg_temp.hosts();
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
-- It is tried with one callback when that is due; while it fails, ever later.
SELECT next_try AS before FROM dispatch.host_states WHERE host = 'dead.example' \gset
SELECT pg_temp.deliver(100);
SELECT pg_temp.try_now('dead.example');
SELECT pg_temp.hosts();
SELECT pg_temp.deliver(100);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
SELECT trials, next_try - clock_timestamp() BETWEEN '9 s' AND '20 s' AS later FROM dispatch.host_states;
-- It answers again: all is sent.
UPDATE hosts_now SET code = 204 WHERE host = 'dead.example';
SELECT pg_temp.try_now('dead.example');
SELECT pg_temp.deliver(100);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
SELECT count(*) FROM dispatch.host_states;
-- 429 and 5xx are failures too, and any other answer is none, also where it does not deliver.
UPDATE hosts_now SET code = 503 WHERE host = 'dead.example';
UPDATE hosts_now SET code = 404 WHERE host = 'fine.example';
SELECT pg_temp.queue('dead.example', 20), pg_temp.queue('fine.example', 10);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
-- Whoever knows that it is back need not wait.
UPDATE hosts_now SET code = 200;
SELECT dispatch.resume_host('dead.example');
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
-- With 0 nothing ever stops.
SET dispatch.host_failures = 0;
UPDATE hosts_now SET code = NULL WHERE host = 'dead.example';
SELECT pg_temp.queue('dead.example', 30);
SELECT pg_temp.deliver(100);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
UPDATE hosts_now SET code = 200;
SELECT pg_temp.deliver(100);
SET dispatch.host_failures = 5;

-- pause_host(): nothing is claimed for it, whatever its case; and resume_host().
SELECT pg_temp.queue('slow.example', 3);
SELECT dispatch.pause_host('SLOW.example');
SELECT pg_temp.queue('slow.example', 3), pg_temp.queue('fine.example', 2);
SELECT pg_temp.deliver(100);
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
SELECT dispatch.pause_host('slow.example');
SELECT dispatch.resume_host('Slow.Example');
SELECT pg_temp.hosts();
SELECT pg_temp.deliver(100);
SELECT dispatch.resume_host('slow.example');
SELECT dispatch.pause_host('unknown.example');
SELECT pg_temp.hosts();
SELECT dispatch.resume_host('unknown.example');
SELECT count(*) FROM dispatch.hosts;
SELECT pg_temp.fails('SELECT dispatch.pause_host(NULL)');
SELECT pg_temp.fails('SELECT dispatch.resume_host(NULL)');
SELECT pg_temp.fails($$SELECT dispatch.pause_host('')$$);
SELECT pg_temp.fails($$SELECT dispatch.pause_host(repeat('x', 256))$$);
-- A URL is no host, nor has one a port; a last dot says nothing.
SELECT pg_temp.fails(format('SELECT dispatch.pause_host(%L)', host)) FROM unnest(ARRAY['http://slow.example/', 'slow.example:80', 'slow.example/', 'me@slow.example', '[::1]:80', '::1', 'slow example']) AS host;
SELECT dispatch.pause_host('[::1]'), dispatch.pause_host('slow.example.');
SELECT pg_temp.hosts();
SELECT dispatch.resume_host('[::1]'), dispatch.resume_host('slow.example');

-- What waits for a host that does not answer uses up no attempts; when that has lasted for as long as all of them would, it is dead.
SET dispatch.max_attempts = 2;
SET dispatch.retry_base = '1s';
UPDATE hosts_now SET code = NULL WHERE host = 'dead.example';
SELECT pg_temp.queue('dead.example', 12);
SELECT pg_temp.deliver(6);
SELECT dispatch.add_job(dispatch.create_dispatch('parcel', 'ASKS'), 'a', '{"url": "http://dead.example/ask", "wait": true}') > 0;
SELECT pg_temp.deliver(100);
SELECT pg_temp.hosts();
SELECT pg_sleep(1.1);
UPDATE dispatch.host_states SET failing_since = clock_timestamp() - interval '1 hour', next_try = clock_timestamp() + interval '1 hour';
SELECT pg_temp.queue('fine.example', 1);
\c
CREATE FUNCTION pg_temp.deliver_one() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', c.url, (SELECT count(f) FROM dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], ARRAY[200], ARRAY[NULL], ARRAY[NULL::interval]) AS f)) FROM dispatch.claim_callbacks(1, arm => false) AS c
$$;
SET dispatch.max_attempts = 2;
SET dispatch.retry_base = '1s';
SELECT pg_temp.deliver_one();
SELECT c.state, c.last_error, count(*) FROM dispatch.callbacks AS c WHERE c.host = 'dead.example' AND c.state <> 'DELIVERED' GROUP BY c.state, c.last_error ORDER BY c.state, c.last_error;
SELECT j.state, e.data FROM dispatch.events AS e LEFT JOIN dispatch.jobs AS j ON j.dispatch_id = e.dispatch_id WHERE e.type = 'dispatch.job.rejected';
SELECT * FROM dispatch.check_integrity();
-- A host that failed and was not heard of for as long is forgotten.
INSERT INTO dispatch.host_states (host, failing_since, failures) VALUES ('forgotten.example', now() - interval '1 year', 3), ('failing.example', now(), 3);
\c
SELECT count(*) FROM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}');
SELECT host FROM dispatch.host_states WHERE host IN ('forgotten.example', 'failing.example');

SET client_min_messages = warning;
DROP TABLE hosts_now;
DROP EXTENSION dispatch CASCADE;
