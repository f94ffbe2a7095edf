-- adopt(): a copy of a database does not send what its origin queued, until it is told to.
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
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') AS id \gset
CREATE FUNCTION pg_temp.queue(n integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', '{"url": "http://example.com/"}')) FROM generate_series(1, n);
$$;
-- What a dump and a restore make of the queue: rows of another origin, here above or below the own one.
CREATE FUNCTION pg_temp.copied(by integer) RETURNS void LANGUAGE sql AS $$
    UPDATE dispatch.queue SET origin = CASE WHEN origin > 0 THEN origin - by ELSE origin + by END;
$$;
CREATE FUNCTION pg_temp.seen() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', c.sequence, c.state, c.attempts, CASE WHEN c.leased THEN 'leased' END, CASE WHEN c.next_at <= now() THEN 'due' END), ', ' ORDER BY c.sequence) FROM dispatch.callbacks AS c;
$$;

-- An original has nothing to adopt.
SELECT dispatch.adopt();
SELECT pg_temp.queue(2), dispatch.adopt(), pg_temp.seen();

--
-- Section 5: while there are foreign ones, claim_callbacks() fails with 55000, whatever it is asked for
--
SELECT pg_temp.copied(1);
SELECT pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$);
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks(1, '0 s', false)$$), ':', 1), split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks(arm => true)$$), ':', 1);
SELECT pg_temp.seen();
-- Nor with own ones beside them; operations go on, and what they queue waits.
SELECT pg_temp.queue(1), pg_temp.seen();
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
SELECT count(DISTINCT origin) FROM dispatch.queue;
-- Nor where all of them lie in the future, or on the other side of the own origin, or are leased.
UPDATE dispatch.queue SET next_at = now() + interval '1 day';
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
SELECT dispatch.adopt(), dispatch.adopt();
SELECT count(DISTINCT origin), bool_and(next_at > now() + interval '23 h') FROM dispatch.queue;
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.copied(-1), split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
UPDATE dispatch.queue SET leased_at = now();
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
UPDATE dispatch.queue SET leased_at = NULL, next_at = now();
-- An origin that is as far away as can be.
UPDATE dispatch.queue SET origin = 2147483647;
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
UPDATE dispatch.queue SET origin = -2147483648;
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);

-- adopt() makes them its own; then they are claimed, with the same ids.
CREATE TEMP TABLE before AS SELECT callback_id FROM dispatch.queue;
SELECT dispatch.adopt();
SELECT count(*), count(b) FROM dispatch.claim_callbacks() AS c LEFT JOIN before AS b USING (callback_id);
SELECT pg_temp.seen();
SELECT dispatch.adopt();

--
-- What was leased in the origin is given back; what waits for its next attempt goes on waiting
--
DELETE FROM dispatch.queue;
DELETE FROM dispatch.dispatches;
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') AS id \gset
SELECT pg_temp.queue(3);
CREATE TEMP TABLE held AS SELECT c.callback_id, c.attempt, v.sequence FROM dispatch.claim_callbacks(2, '1 day') AS c JOIN dispatch.callbacks AS v USING (callback_id);
SELECT count(*) FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id], ARRAY[h.attempt], '{500}', '{NULL}', '{"1 h"}') WHERE h.sequence = 2;
SELECT pg_temp.copied(1), pg_temp.seen();
SELECT dispatch.adopt(), pg_temp.seen();
-- The next attempt has the next number: an answer to the one of before is late.
SELECT v.sequence, c.attempt FROM dispatch.claim_callbacks() AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY v.sequence;
SELECT i = h.callback_id FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id], ARRAY[h.attempt], '{200}', '{NULL}', '{NULL}') AS i WHERE h.sequence = 3;
SELECT pg_temp.seen();
-- An own one that is leased stays leased.
UPDATE dispatch.queue SET origin = CASE WHEN origin > 0 THEN origin - 1 ELSE origin + 1 END WHERE sequence = 3;
SELECT dispatch.adopt(), pg_temp.seen();

--
-- In a transaction that is rolled back it did nothing; without an owner's right it does nothing
--
SELECT pg_temp.copied(1);
BEGIN;
SELECT dispatch.adopt();
ROLLBACK;
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
CREATE ROLE regress_dispatch_admin;
SELECT dispatch.grant_access('regress_dispatch_admin', 'admin'), dispatch.grant_access('regress_dispatch_admin', 'listen');
SET ROLE regress_dispatch_admin;
SELECT pg_temp.fails($$SELECT dispatch.adopt()$$);
SELECT split_part(pg_temp.fails($$SELECT * FROM dispatch.claim_callbacks()$$), ':', 1);
RESET ROLE;
-- A copy may still be read, changed and purged; what is foreign is undelivered, and keeps its dispatch.
SELECT dispatch.update_status(:'id', 'CLOSED');
UPDATE dispatch.dispatches SET closed_at = '2020-01-01';
SELECT dispatch.purge('1 day');
SELECT * FROM dispatch.check_integrity();
SELECT dispatch.adopt();

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_admin;
