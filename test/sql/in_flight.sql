-- Of one host no more callbacks are leased than dispatch.host_in_flight; the others wait aside, and keep nobody waiting.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('plain') IS NOT NULL;

-- Queues callbacks to a host by as many dispatches.
CREATE FUNCTION pg_temp.queue(host text, n integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(dispatch.create_dispatch('plain', callback => jsonb_build_object('url', 'http://' || host || '/'))) FROM generate_series(1, n);
$$;
-- Claims, keeps what was claimed, and says how much of which host.
CREATE TABLE pg_temp.held (callback_id uuid, attempt integer, host text);
CREATE FUNCTION pg_temp.claim(max_rows integer DEFAULT 100, lease interval DEFAULT '1 h') RETURNS text LANGUAGE sql AS $$
    WITH claimed AS (INSERT INTO pg_temp.held SELECT c.callback_id, c.attempt, split_part(c.url, '/', 3) FROM dispatch.claim_callbacks(max_rows, lease) AS c RETURNING host)
    SELECT COALESCE(string_agg(h.host || ' ' || h.n, ', ' ORDER BY h.host COLLATE "C"), 'nothing') FROM (SELECT host, count(*) AS n FROM claimed GROUP BY host) AS h;
$$;
-- Answers so many of a host that were claimed; how many outcomes were ignored.
CREATE FUNCTION pg_temp.answer(of_host text, n integer, status integer DEFAULT 200) RETURNS bigint LANGUAGE sql AS $$
    WITH answered AS (SELECT h.callback_id, h.attempt FROM pg_temp.held AS h WHERE h.host = of_host ORDER BY h.callback_id LIMIT n),
         gone AS (DELETE FROM pg_temp.held AS h USING answered AS s WHERE h.callback_id = s.callback_id),
         a AS (SELECT array_agg(callback_id) AS ids, array_agg(attempt) AS attempts, count(*)::integer AS n FROM answered)
    SELECT count(i) FROM a LEFT JOIN LATERAL dispatch.finish_callbacks(a.ids, a.attempts, array_fill(status, ARRAY[a.n]), array_fill(NULL::text, ARRAY[a.n]), array_fill('1 h'::interval, ARRAY[a.n])) AS i ON true;
$$;
CREATE VIEW pg_temp.seen AS
    SELECT c.host, CASE WHEN c.state <> 'PENDING' THEN c.state WHEN c.leased THEN 'leased' WHEN c.next_at = 'infinity' THEN 'aside' WHEN c.next_at <= clock_timestamp() THEN 'due' ELSE 'waits' END AS what, count(*)
      FROM dispatch.callbacks AS c GROUP BY 1, 2 ORDER BY 1, 2;

-- 1,000 by default.
SHOW dispatch.host_in_flight;
SELECT pg_temp.queue('default.example', 1100);
SELECT pg_temp.claim(10000);
SELECT pg_temp.claim(10000);
SELECT * FROM seen;
SELECT pg_temp.answer('default.example', 70), pg_temp.claim(10000);
SELECT pg_temp.answer('default.example', 1000), pg_temp.claim(10000), pg_temp.claim(10000);
SELECT pg_temp.answer('default.example', 1000), pg_temp.claim(10000);
SELECT * FROM seen;
SELECT host FROM dispatch.host_states ORDER BY host;
TRUNCATE held;

-- The others come through, whatever lies in their way.
SET dispatch.host_in_flight = 10;
SELECT pg_temp.queue('slow.example', 25), pg_temp.queue('quick.example', 5);
SELECT pg_temp.claim();
SELECT pg_temp.claim();
SELECT * FROM seen WHERE host <> 'default.example';
SELECT host FROM dispatch.host_states ORDER BY host;
-- Not even at a time, one after the other.
SELECT pg_temp.queue('slow.example', 1500), pg_temp.queue('quick.example', 3);
SELECT pg_temp.claim(1), pg_temp.claim(1), pg_temp.claim(1), pg_temp.claim(1);
-- What is aside comes when there is room again, in the order of the callbacks.
SELECT pg_temp.answer('slow.example', 4), pg_temp.claim();
SELECT count(*) FROM held AS h WHERE h.host = 'slow.example' AND EXISTS (SELECT FROM dispatch.queue AS q WHERE q.host = h.host AND q.leased_at IS NULL AND q.callback_id < h.callback_id);
SELECT pg_temp.claim();
-- A failure makes room as a success does; its callback waits as others do.
SELECT pg_temp.answer('slow.example', 3, 500), pg_temp.claim();
SELECT * FROM seen WHERE host <> 'default.example';
-- So does a lease that has passed, and one that is given back.
UPDATE dispatch.queue SET next_at = now() - interval '1 s' WHERE callback_id IN (SELECT callback_id FROM held WHERE host = 'slow.example' ORDER BY callback_id LIMIT 2);
SELECT pg_temp.claim();
SELECT dispatch.renew_callbacks(array_agg(callback_id), array_agg(attempt), '0') FROM (SELECT callback_id, attempt FROM held WHERE host = 'slow.example' ORDER BY callback_id DESC LIMIT 2) AS h;
SELECT pg_temp.claim();
-- A lower limit takes nothing from who has more; a higher one is at once.
SET dispatch.host_in_flight = 5;
SELECT pg_temp.answer('slow.example', 1), pg_temp.claim();
SET dispatch.host_in_flight = 12;
SELECT pg_temp.claim();
SELECT count(*) FROM dispatch.queue WHERE host = 'slow.example' AND leased_at IS NOT NULL AND next_at > now();
-- What is aside, and what is due for the first time, have half of a claim each.
SELECT pg_temp.answer('slow.example', 100), pg_temp.answer('quick.example', 100), pg_temp.queue('new.example', 12), pg_temp.claim(10);
SELECT pg_temp.claim(10);
SELECT pg_temp.claim(10);
-- A dispatch that is removed takes along what is aside.
DELETE FROM dispatch.dispatches AS d WHERE EXISTS (SELECT FROM dispatch.queue AS q WHERE q.dispatch_id = d.id AND q.next_at = 'infinity');
SELECT pg_temp.answer('slow.example', 100), pg_temp.claim();
SELECT host FROM dispatch.host_states ORDER BY host;
SELECT * FROM dispatch.check_integrity();
DELETE FROM dispatch.dispatches;
TRUNCATE held;

-- Many hosts that wait: each has its turn.
SET dispatch.host_in_flight = 1;
SELECT sum(pg_temp.queue('host-' || n || '.example', 3)) FROM generate_series(1, 150) AS n;
CREATE FUNCTION pg_temp.rounds() RETURNS TABLE (claimed bigint, hosts bigint) LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        PERFORM pg_temp.claim(1000);
        SELECT count(*), count(DISTINCT h.host) INTO claimed, hosts FROM pg_temp.held AS h;
        EXIT WHEN claimed = 0;
        RETURN NEXT;
        PERFORM pg_temp.answer(h.host, 1) FROM (SELECT DISTINCT host FROM pg_temp.held) AS h;
    END LOOP;
END $$;
SELECT * FROM pg_temp.rounds();
SELECT count(*) FROM dispatch.queue;
SELECT host FROM dispatch.host_states ORDER BY host;
-- By small claims too: none is visited again before the others were.
SELECT sum(pg_temp.queue('host-' || n || '.example', 2)) FROM generate_series(1, 150) AS n;
SELECT pg_temp.claim(1000) IS NOT NULL;
SELECT count(*) FROM (SELECT pg_temp.answer(h.host, 1) FROM pg_temp.held AS h) AS a;
SELECT count(DISTINCT pg_temp.claim(7)) FROM generate_series(1, 40);
SELECT count(*), count(DISTINCT host) FROM held;
SELECT count(*) FROM (SELECT pg_temp.answer(h.host, 1) FROM pg_temp.held AS h) AS a;
SELECT count(*) FROM dispatch.queue;

-- In a transaction that sees but its own snapshot, as in others.
SET dispatch.host_in_flight = 2;
SELECT pg_temp.queue('snapshot.example', 5), pg_temp.claim();
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
SELECT pg_temp.answer('snapshot.example', 2);
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
COMMIT;
SELECT host FROM dispatch.host_states ORDER BY host;
-- What a claim did is undone with it, also what it has learnt.
SELECT count(f) FROM dispatch.queue AS q LEFT JOIN LATERAL dispatch.finish_callbacks(ARRAY[q.callback_id], ARRAY[q.attempt], '{200}', '{NULL}', '{NULL}') AS f ON true WHERE q.leased_at IS NOT NULL;
TRUNCATE held;
BEGIN;
SELECT pg_temp.claim();
ROLLBACK;
SELECT pg_temp.claim();
BEGIN;
SAVEPOINT claims;
SELECT pg_temp.answer('snapshot.example', 10), pg_temp.claim(), pg_temp.queue('snapshot.example', 3), pg_temp.claim();
ROLLBACK TO claims;
SELECT pg_temp.answer('snapshot.example', 10), pg_temp.queue('snapshot.example', 3), pg_temp.claim();
COMMIT;
SELECT * FROM seen WHERE host = 'snapshot.example';
SELECT * FROM dispatch.check_integrity();

DROP EXTENSION dispatch CASCADE;
