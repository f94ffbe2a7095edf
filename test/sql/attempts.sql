-- Leases that pass without an outcome: what is kept of them, and when they were the last.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_dispatch('plain', 'ROUTE-1') AS id \gset

CREATE FUNCTION pg_temp.queue(ref text) RETURNS boolean LANGUAGE sql AS $$
    SELECT dispatch.create_dispatch('plain', ref, callback => '{"url": "http://example.com/"}') IS NOT NULL;
$$;
-- Claims for no time at all: the lease has passed when it is there.
CREATE FUNCTION pg_temp.claim(lease interval DEFAULT '0 s') RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg((c.body::jsonb #>> '{data,dispatchRef}') || ' ' || c.attempt, ', ' ORDER BY c.callback_id), 'nothing') FROM dispatch.claim_callbacks(10, lease) AS c;
$$;
CREATE FUNCTION pg_temp.answer(ref text, of_attempt integer, status integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(i) FROM dispatch.callbacks AS c LEFT JOIN LATERAL dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[of_attempt], ARRAY[status], '{NULL}', '{1 h}') AS i ON true WHERE c.dispatch_id = dispatch.dispatch_id(ref);
$$;
CREATE VIEW pg_temp.seen AS
    SELECT d.dispatch_ref, c.state, c.attempts, c.last_status, c.last_error, c.leased, c.last_at IS NOT NULL AS ended
      FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY c.callback_id;
CREATE VIEW pg_temp.kept AS
    SELECT d.dispatch_ref, a.attempt, a.tries, a.status, a.state, a.error
      FROM dispatch.attempts AS a JOIN dispatch.dispatches AS d ON d.id = a.dispatch_id ORDER BY a.callback_id, a.attempt;

--
-- A lease that passes without an outcome
--
SELECT pg_temp.queue('lost');
SELECT pg_temp.claim(), pg_temp.claim('1 h');
-- Its attempt is used up, and known.
SELECT * FROM seen;
SELECT * FROM kept;
-- What comes late is ignored, and changes nothing of it.
SELECT pg_temp.answer('lost', 1, 200), pg_temp.answer('lost', 2, 200);
SELECT * FROM seen;
SELECT * FROM kept;

--
-- The last attempt: the callback is dead
--
SET dispatch.max_attempts = 3;
SELECT pg_temp.queue('killed'), pg_temp.queue('given-back'), pg_temp.queue('late');
SELECT pg_temp.claim(), pg_temp.claim();
-- What is given back uses up no attempt.
SELECT c.attempt, dispatch.renew_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '0')
  FROM dispatch.claim_callbacks(lease => '1 h') AS c ORDER BY c.body::jsonb #>> '{data,dispatchRef}' = 'given-back' DESC LIMIT 1;
UPDATE dispatch.queue SET next_at = now() - interval '1 s' WHERE leased_at IS NOT NULL AND dispatch_id = dispatch.dispatch_id('killed');
SELECT pg_temp.claim('1 h');
SELECT * FROM seen;
-- A lease that has passed is still that of its listener, until a claim comes by.
UPDATE dispatch.queue SET next_at = now() - interval '1 s' WHERE dispatch_id = dispatch.dispatch_id('late');
SELECT pg_temp.answer('late', 3, 204);
-- Dead, it is never claimed again; nor does an outcome count.
SELECT pg_temp.claim(), pg_temp.claim(), pg_temp.answer('killed', 3, 200), pg_temp.answer('killed', 4, 200);
SELECT * FROM seen;
SELECT * FROM kept WHERE dispatch_ref <> 'lost';
SELECT count(*) FROM dispatch.queue;
-- A lower limit ends those that had more.
RESET dispatch.max_attempts;
SELECT pg_temp.queue('lowered'), pg_temp.claim(), pg_temp.claim(), pg_temp.claim();
SET dispatch.max_attempts = 2;
SELECT pg_temp.claim();
SELECT * FROM seen WHERE dispatch_ref = 'lowered';
-- Those that ask whether a member can be added reject it.
SET dispatch.max_attempts = 1;
SELECT dispatch.add_job(:'id', 'asked', '{"url": "http://example.com/", "wait": true}');
SELECT pg_temp.claim();
SELECT job_id, state FROM dispatch.jobs;
SELECT pg_temp.claim();
SELECT job_id, state FROM dispatch.jobs;
SELECT type, data FROM dispatch.history(:'id') WHERE type LIKE '%rejected';
SELECT * FROM seen WHERE dispatch_ref = 'ROUTE-1';
SELECT * FROM kept WHERE dispatch_ref = 'ROUTE-1';
SELECT count(*) FROM dispatch.queue;
RESET dispatch.max_attempts;
-- One batch of one host: delivered, failed, an attempt that has no lease, gone for good. The host has answered.
DELETE FROM dispatch.dispatches;
SET dispatch.host_failures = 1;
SELECT count(pg_temp.queue('mixed-' || i)) FROM generate_series(1, 5) AS i;
CREATE TEMPORARY TABLE batch AS SELECT callback_id, attempt, row_number() OVER (ORDER BY callback_id)::integer AS n FROM dispatch.claim_callbacks();
CREATE FUNCTION pg_temp.finish(codes integer[], attempts integer[], numbers integer[]) RETURNS SETOF integer LANGUAGE sql AS $$
    SELECT o.n FROM (SELECT array_agg(b.callback_id ORDER BY x.o) AS ids, array_agg(NULL::text) AS errors, array_agg(NULL::interval) AS waits
                       FROM unnest(numbers) WITH ORDINALITY AS x(n, o) JOIN batch AS b USING (n)) AS a,
           dispatch.finish_callbacks(a.ids, attempts, codes, a.errors, a.waits) AS i JOIN batch AS o ON o.callback_id = i ORDER BY o.n;
$$;
SELECT * FROM pg_temp.finish('{200,500,200,410,500}', '{1,1,2,1,1}', '{1,2,3,4,5}');
SELECT b.n, c.state, c.attempts FROM dispatch.callbacks AS c JOIN batch AS b USING (callback_id) ORDER BY b.n;
SELECT * FROM dispatch.host_states;
-- What is told again, or twice, counts once.
SELECT * FROM pg_temp.finish('{200,200,200}', '{1,1,1}', '{1,3,3}');
SELECT * FROM pg_temp.finish('{200,200}', '{1,1}', '{1,3}');
SELECT b.n, c.state, c.attempts FROM dispatch.callbacks AS c JOIN batch AS b USING (callback_id) ORDER BY b.n;
SELECT b.n, a.attempt, a.status, a.state FROM dispatch.attempts AS a JOIN batch AS b USING (callback_id) ORDER BY b.n;
-- A host of which something is known is forgotten when all of a batch is delivered.
UPDATE dispatch.queue SET next_at = now();
SELECT count(*) FROM dispatch.claim_callbacks();
INSERT INTO dispatch.host_states (host, failing_since, failures) SELECT DISTINCT host, now(), 1 FROM dispatch.queue;
SELECT * FROM pg_temp.finish('{200,204}', '{2,2}', '{2,5}');
SELECT * FROM dispatch.host_states;
SELECT count(*) FROM dispatch.queue;
RESET dispatch.host_failures;
SELECT * FROM dispatch.check_integrity();

DROP EXTENSION dispatch CASCADE;
