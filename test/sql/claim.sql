-- Callbacks as listeners see them: claimed, finished, renewed.
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

SELECT dispatch.create_type('plain') AS type_id \gset
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') AS id \gset
SELECT dispatch.create_dispatch('plain') AS bare \gset

-- Queues callbacks by as many changes of a dispatch; what of them is to be seen.
CREATE FUNCTION pg_temp.queue(n integer, url text DEFAULT 'http://example.com/') RETURNS bigint LANGUAGE sql AS $$
    SELECT max(dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', jsonb_build_object('url', url))) FROM generate_series(1, n);
$$;
CREATE VIEW pg_temp.seen AS
    SELECT sequence, state, attempts, last_status, last_error, leased, next_at <= now() AS due, c.callback_id
      FROM dispatch.callbacks AS c ORDER BY sequence, dispatch_id;
-- What was claimed, to be answered by its attempt.
CREATE TABLE pg_temp.held (callback_id uuid, attempt integer, n integer GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION pg_temp.claim(max_rows integer DEFAULT 100, lease interval DEFAULT '1 h') RETURNS bigint LANGUAGE sql AS $$
    TRUNCATE pg_temp.held RESTART IDENTITY;
    INSERT INTO pg_temp.held (callback_id, attempt)
    SELECT c.callback_id, c.attempt FROM dispatch.claim_callbacks(max_rows, lease) AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY v.sequence;
    SELECT count(*) FROM pg_temp.held;
$$;
-- Answers all that was claimed alike; how many were ignored.
CREATE FUNCTION pg_temp.answer(status integer, error text DEFAULT NULL, retry_after interval DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(i) FROM (SELECT array_agg(callback_id) AS ids, array_agg(attempt) AS attempts, array_agg(status) AS codes, array_agg(error) AS errors, array_agg(retry_after) AS waits FROM pg_temp.held) AS h
      LEFT JOIN LATERAL dispatch.finish_callbacks(h.ids, h.attempts, h.codes, h.errors, h.waits) AS i ON true;
$$;
-- Makes everything due.
CREATE FUNCTION pg_temp.forward() RETURNS void LANGUAGE sql AS $$
    UPDATE dispatch.queue SET next_at = LEAST(next_at, now() - interval '1 s');
$$;

--
-- Section 5: what is claimed, and the body to the letter
--
SELECT * FROM dispatch.claim_callbacks();
SELECT dispatch.create_dispatch('plain', 'BODY', '{j2,j1}', '{p1}', '{}', '{"url": "https://example.com/created?token=t", "headers": [{"key": "X-Key", "value": "v"}]}',
                                '{"source": "app", "n": 1.0}', extra => '{"tenant": "acme", "list": [1, null]}') AS body_id \gset
SELECT dispatch.add_jobs(:'body_id', '{j3,j4}', '{"url": "http://example.com/", "method": "PUT"}');
SELECT dispatch.add_job(:'body_id', 'j5', '{"url": "http://example.com/"}', '{}');
SELECT dispatch.add_participant(:'body_id', 'p2', '{"url": "http://example.com/"}');
SELECT dispatch.remove_job(:'body_id', 'j5', '{"url": "http://example.com/"}');
SELECT dispatch.remove_participants(:'body_id', '{p1,p2}', '{"url": "http://example.com/"}');
SELECT dispatch.update_custom_data(:'body_id', '{"gone": null}', '{"url": "http://example.com/"}');
SELECT dispatch.update_status(:'body_id', 'ASSIGNED', E'ready "now" \\ \u00fc\t', '{"url": "http://example.com/"}', '{"by": "driver"}');
SELECT dispatch.update_status(:'body_id', 'IN_PROGRESS', callback => '{"url": "http://example.com/"}');
SELECT dispatch.update_sub_status(:'body_id', 'half way', '{"url": "http://example.com/"}');
SELECT dispatch.update_sub_status(:'bare', 'without a reference', '{"url": "http://example.com/"}');
CREATE TABLE pg_temp.first AS SELECT * FROM dispatch.claim_callbacks(lease => '0 s');
SELECT c.attempt, c.method, c.url, c.headers, c.confirm, pg_typeof(c.body)
  FROM first AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY v.dispatch_id = :'bare', v.sequence;
SELECT replace(replace(regexp_replace(c.body, '"timestamp":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z"', '"timestamp":"<time>"'), :'body_id', '<id>'), :'bare', '<bare>')
  FROM first AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY v.dispatch_id = :'bare', v.sequence;
-- It is JSON; its timestamp is the event's, in UTC; its type, data and meta are the event's.
SELECT bool_and((c.body::jsonb ->> 'timestamp')::timestamptz = e.at), bool_and(c.body::jsonb ->> 'type' = e.type), bool_and(c.body::jsonb -> 'data' @> e.data),
       bool_and(c.body::jsonb -> '_event_meta' = COALESCE(e.event_meta, '{}')), bool_and((c.body::jsonb #>> '{data,sequence}')::bigint = e.sequence)
  FROM first AS c JOIN dispatch.events AS e USING (callback_id);
-- The bytes are the same at the next attempt, whatever has become of the dispatch and of the session's settings.
SELECT dispatch.update_status(:'body_id', 'CLOSED');
SET TimeZone = 'Asia/Tokyo';
SET DateStyle = 'German';
SET extra_float_digits = -15;
SELECT count(*), bool_and(a.attempt = 2), bool_and(a.body = f.body AND a.url = f.url AND a.method = f.method AND a.headers = f.headers)
  FROM dispatch.claim_callbacks() AS a JOIN first AS f USING (callback_id);
RESET TimeZone;
RESET DateStyle;
RESET extra_float_digits;
-- The id of a callback is time-ordered too, and is that of the views.
SELECT bool_and(substr(callback_id::text, 15, 1) = '7') FROM dispatch.callbacks;
-- Extra members have any name that get_dispatch() does not use; the service's own of a body stay what they are.
SELECT dispatch.create_dispatch('plain', callback => '{"url": "http://example.com/"}', extra => '{"sequence": 99, "patch": "p"}') IS NOT NULL;
SELECT body::jsonb #> '{data,sequence}', body::jsonb #> '{data,version}', body::jsonb #> '{data,patch}' FROM dispatch.claim_callbacks();
DELETE FROM dispatch.queue;
-- The event of a create through request() carries them all as well.
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "plain", "participants": ["p"], "callback": {"url": "http://example.com/"}}') IS NOT NULL;
SELECT body::jsonb #> '{data,jobs}', body::jsonb #> '{data,participants}', body::jsonb #> '{data,customData}' FROM dispatch.claim_callbacks();
DELETE FROM dispatch.queue;

--
-- Leases
--
SELECT pg_temp.queue(3);
SELECT pg_temp.claim(2);
SELECT count(*) FROM dispatch.claim_callbacks(lease => '1 h');
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT state, attempts, leased, due FROM seen WHERE state = 'PENDING';
SELECT bool_and(next_at BETWEEN now() + interval '59 min' AND now() + interval '60 min') FROM dispatch.callbacks WHERE state = 'PENDING';
-- The default lease is 60 s.
SELECT pg_temp.queue(1);
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.callbacks WHERE next_at BETWEEN now() + interval '30 s' AND now() + interval '60 s';
-- The oldest first; a lease of 0 is over at once.
DELETE FROM dispatch.queue;
SELECT pg_temp.queue(4) AS last \gset
SELECT v.sequence - :last, c.attempt FROM dispatch.claim_callbacks(2, '1 h') AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY 1;
SELECT v.sequence - :last, c.attempt FROM dispatch.claim_callbacks(2, '0 s') AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY 1;
SELECT v.sequence - :last, c.attempt FROM dispatch.claim_callbacks(100, '0 s') AS c JOIN dispatch.callbacks AS v USING (callback_id) ORDER BY 1;
-- At most 100 where nothing else is said; never what lies in the future.
SELECT pg_temp.queue(100) > 0;
SELECT count(*) FROM dispatch.claim_callbacks();
UPDATE dispatch.queue SET next_at = now() + interval '1 h';
SELECT count(*) FROM dispatch.claim_callbacks();
DELETE FROM dispatch.queue;

--
-- Answers: 2xx delivers, 410 is final, the rest is tried again
--
SELECT pg_temp.queue(11) AS last \gset
SELECT pg_temp.claim();
SELECT count(*) FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id], ARRAY[h.attempt], ARRAY[(ARRAY[200, 204, 299, 410, 300, 404, 408, 429, 500, 503, NULL])[h.n]],
    ARRAY[CASE WHEN h.n = 11 THEN 'connection refused' END], ARRAY[NULL]::interval[], ARRAY[make_interval(secs => h.n / 100.0)], ARRAY['answer ' || h.n]);
SELECT sequence - :last, state, attempts, last_status, last_error, round((extract(epoch FROM last_duration) * 100)::numeric) = sequence - :last + 11, (SELECT a.excerpt FROM dispatch.attempts AS a WHERE a.dispatch_id = c.dispatch_id AND a.sequence = c.sequence ORDER BY a.attempt DESC LIMIT 1), leased, last_at IS NOT NULL, next_at IS NOT NULL
  FROM dispatch.callbacks AS c WHERE sequence > :last - 11 AND dispatch_id = :'id' ORDER BY sequence;
SELECT count(*) FROM dispatch.queue;
-- What was finished is ignored and reported from then on.
SELECT pg_temp.answer(200);
SELECT state, count(*) FROM dispatch.callbacks WHERE sequence > :last - 11 AND dispatch_id = :'id' GROUP BY state ORDER BY state;
DELETE FROM dispatch.queue;

-- A whole batch in one call: each its own outcome.
SELECT pg_temp.queue(3) AS last \gset
SELECT pg_temp.claim();
SELECT count(*) FROM dispatch.finish_callbacks((SELECT array_agg(callback_id ORDER BY n) FROM held), '{1,1,1}', '{200,NULL,410}', '{NULL,timeout,gone}', '{NULL,"1 h",NULL}');
SELECT sequence - :last, state, attempts, last_status, last_error, leased, due FROM seen WHERE sequence > :last - 3;
DELETE FROM dispatch.queue;

--
-- An answer counts for the attempt that holds the lease
--
SELECT pg_temp.queue(1) AS last \gset
SELECT pg_temp.claim(lease => '0 s');
CREATE TABLE pg_temp.late AS SELECT * FROM held;
SELECT pg_temp.claim();
-- The late answer of the first attempt: ignored, reported by its id, and nothing of it is kept.
SELECT i = l.callback_id FROM late AS l, LATERAL dispatch.finish_callbacks(ARRAY[l.callback_id], ARRAY[l.attempt], '{200}', '{late}', '{NULL}') AS i;
SELECT state, attempts, last_status, last_error, leased FROM seen WHERE sequence = :last;
SELECT l.callback_id = h.callback_id, l.attempt, h.attempt FROM late AS l, held AS h;
-- Nor does it renew anything.
SELECT dispatch.renew_callbacks(ARRAY[callback_id], ARRAY[attempt], '1 h') FROM late;
-- Attempts that never were.
SELECT count(i) FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id, h.callback_id, h.callback_id], ARRAY[0, 3, -1], '{200,200,200}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}') AS i;
SELECT count(i) FROM dispatch.finish_callbacks(ARRAY['00000000-0000-7000-8000-000000000000']::uuid[], '{1}', '{200}', '{NULL}', '{NULL}') AS i;
-- The second attempt counts, also when its lease has run out but nobody else has it.
SELECT pg_temp.forward();
SELECT pg_temp.answer(500);
SELECT state, attempts, last_status, leased FROM seen WHERE sequence = :last;
-- Waiting, it is nobody's: no answer counts until it is claimed again.
SELECT pg_temp.answer(200);
SELECT state, attempts, last_status, leased FROM seen WHERE sequence = :last;
DELETE FROM dispatch.queue;
DROP TABLE late;

-- The same callback twice in one batch: once alike, once with an attempt that does not hold it.
SELECT pg_temp.queue(2) AS last \gset
SELECT pg_temp.claim();
SELECT count(*) FROM dispatch.finish_callbacks((SELECT array_agg(callback_id ORDER BY n) || array_agg(callback_id ORDER BY n) FROM held), '{1,1,1,7}', '{200,200,200,200}', '{NULL,NULL,NULL,NULL}', '{NULL,NULL,NULL,NULL}');
SELECT state, attempts, last_status FROM seen WHERE sequence > :last - 2;
SELECT count(*) FROM dispatch.attempts AS a JOIN held USING (callback_id);

--
-- Attempts are used up: then it is dead
--
SET dispatch.max_attempts = 3;
SELECT pg_temp.queue(1) AS last \gset
SELECT pg_temp.claim(), pg_temp.answer(500, 'first');
SELECT pg_temp.forward(), pg_temp.claim(), pg_temp.answer(NULL, 'second');
SELECT state, attempts, last_status, last_error, leased FROM seen WHERE sequence = :last;
SELECT pg_temp.forward(), pg_temp.claim(), pg_temp.answer(503, 'third', '1 h');
SELECT state, attempts, last_status, last_error, leased, due FROM seen WHERE sequence = :last;
SELECT count(*) FROM dispatch.queue;
-- Every attempt is kept.
SELECT a.attempt, a.tries, a.status, a.state, a.error FROM dispatch.attempts AS a JOIN dispatch.callbacks AS c USING (callback_id) WHERE c.sequence = :last AND c.dispatch_id = :'id' ORDER BY a.attempt;
-- Success at the last attempt is success.
SET dispatch.max_attempts = 1;
SELECT pg_temp.queue(2) AS last \gset
SELECT pg_temp.claim(1), pg_temp.answer(204);
SELECT pg_temp.claim(1), pg_temp.answer(500);
SELECT state, attempts, last_status FROM seen WHERE sequence > :last - 2;
RESET dispatch.max_attempts;
-- A claim that is never answered uses up an attempt too.
SET dispatch.max_attempts = 3;
SELECT pg_temp.queue(1) AS last \gset
SELECT pg_temp.claim(lease => '0 s'), pg_temp.claim(lease => '0 s'), pg_temp.claim();
SELECT state, attempts, leased FROM seen WHERE sequence = :last;
SELECT pg_temp.answer(500);
SELECT state, attempts, last_status FROM seen WHERE sequence = :last;
RESET dispatch.max_attempts;
-- 15 by default.
SHOW dispatch.max_attempts;

--
-- When it is tried again. So many failures would stop all that goes to the host, which regress/hosts has.
--
SET dispatch.host_failures = 0;
SHOW dispatch.retry_base;
SHOW dispatch.retry_cap;
-- Full jitter: between nothing and base × 2^(attempt - 1), spread over it.
SELECT pg_temp.queue(200) > 0;
SELECT pg_temp.claim(200);
SELECT clock_timestamp() AS clock \gset
SELECT pg_temp.answer(NULL);
SELECT count(*), bool_and(next_at BETWEEN :'clock' AND clock_timestamp() + interval '5 s'), count(DISTINCT next_at) > 190,
       max(next_at) - min(next_at) BETWEEN '4 s' AND '5 s'
  FROM dispatch.queue;
-- The third attempt waits up to 20 s, and some wait longer than the second would.
UPDATE dispatch.queue SET attempt = 2;
SELECT pg_temp.forward();
SELECT pg_temp.claim(200), pg_temp.answer(500);
SELECT bool_and(next_at < clock_timestamp() + interval '20 s'), count(*) FILTER (WHERE next_at > clock_timestamp() + interval '10 s') BETWEEN 50 AND 150 FROM dispatch.queue;
-- However many attempts: never longer than the cap.
SET dispatch.max_attempts = 2000000000;
UPDATE dispatch.queue SET attempt = 1000000;
SELECT pg_temp.forward();
SELECT pg_temp.claim(200), pg_temp.answer(500);
SELECT bool_and(next_at < clock_timestamp() + interval '6 h'), count(*) FILTER (WHERE next_at > clock_timestamp() + interval '3 h') BETWEEN 50 AND 150 FROM dispatch.queue;
SET dispatch.retry_base = '1 ms';
SET dispatch.retry_cap = '2 min';
SELECT pg_temp.forward();
SELECT pg_temp.claim(200), pg_temp.answer(500);
SELECT bool_and(next_at < clock_timestamp() + interval '2 min'), count(*) FILTER (WHERE next_at > clock_timestamp() + interval '1 min') BETWEEN 50 AND 150 FROM dispatch.queue;
RESET dispatch.retry_base;
RESET dispatch.retry_cap;
RESET dispatch.max_attempts;
DELETE FROM dispatch.queue;
-- Retry-After is honoured, up to the cap; 0 and less are now.
SELECT pg_temp.queue(1) > 0;
SELECT pg_temp.claim(), pg_temp.answer(503, retry_after => '1000 s');
SELECT next_at BETWEEN now() + interval '900 s' AND now() + interval '1000 s' FROM dispatch.queue;
SELECT pg_temp.forward(), pg_temp.claim(), pg_temp.answer(429, retry_after => '10 years');
SELECT next_at BETWEEN now() + interval '359 min' AND now() + interval '360 min' FROM dispatch.queue;
SELECT pg_temp.forward(), pg_temp.claim(), pg_temp.answer(500, retry_after => '0');
SELECT next_at BETWEEN now() - interval '1 min' AND now() FROM dispatch.queue;
SELECT pg_temp.claim(), pg_temp.answer(500, retry_after => '-1 day');
SELECT next_at BETWEEN now() - interval '1 min' AND now() FROM dispatch.queue;
SET dispatch.retry_cap = '100 s';
SELECT pg_temp.claim(), pg_temp.answer(NULL, retry_after => '1 h');
SELECT next_at BETWEEN now() + interval '50 s' AND now() + interval '100 s' FROM dispatch.queue;
RESET dispatch.retry_cap;
-- It does not revive what is final.
SELECT pg_temp.forward(), pg_temp.claim(), pg_temp.answer(410, retry_after => '1 min');
SELECT count(*) FROM dispatch.queue;

--
-- Renewing
--
SELECT pg_temp.queue(3) AS last \gset
SELECT pg_temp.claim(lease => '10 s');
SELECT dispatch.renew_callbacks((SELECT array_agg(callback_id) FROM held), (SELECT array_agg(attempt) FROM held), '2 h');
SELECT count(*) FROM dispatch.queue WHERE next_at BETWEEN now() + interval '119 min' AND now() + interval '120 min' AND leased_at IS NOT NULL;
-- A lease may also become shorter; one that has run out but is nobody else's is extended.
SELECT dispatch.renew_callbacks((SELECT array_agg(callback_id) FROM held), (SELECT array_agg(attempt) FROM held), '1 min');
SELECT pg_temp.forward();
SELECT dispatch.renew_callbacks((SELECT array_agg(callback_id) FROM held), (SELECT array_agg(attempt) FROM held), '1 h');
SELECT count(*) FROM dispatch.claim_callbacks();
-- A lease of 0 gives them back at once and uses up no attempt; the number of the attempt still rises.
SELECT dispatch.renew_callbacks(ARRAY[callback_id], ARRAY[attempt], '0') FROM held WHERE n = 1;
SELECT sequence - :last, state, attempts, leased, due FROM seen WHERE sequence > :last - 3;
SELECT dispatch.renew_callbacks(ARRAY[callback_id], ARRAY[attempt], '0') FROM held WHERE n = 1;
SELECT count(i) FROM held AS h, LATERAL dispatch.finish_callbacks(ARRAY[h.callback_id], ARRAY[h.attempt], '{200}', '{NULL}', '{NULL}') AS i WHERE h.n = 1;
SELECT c.callback_id = h.callback_id, c.attempt FROM dispatch.claim_callbacks() AS c, held AS h WHERE h.n = 1;
SELECT sequence - :last, state, attempts, leased FROM seen WHERE sequence > :last - 3;
DELETE FROM dispatch.queue;
-- However often it is given back.
SET dispatch.max_attempts = 2;
SELECT pg_temp.queue(1) AS last \gset
SELECT sum(dispatch.renew_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '0')), max(c.attempt)
  FROM generate_series(1, 20) AS n, LATERAL (SELECT * FROM dispatch.claim_callbacks(1, n * interval '1 min')) AS c;
SELECT pg_temp.claim(), pg_temp.answer(500);
SELECT state, attempts FROM seen WHERE sequence = :last;
RESET dispatch.max_attempts;
DELETE FROM dispatch.queue;
-- The same callback twice in one call is given back once.
SELECT pg_temp.queue(1) AS last \gset
SELECT pg_temp.claim();
SELECT dispatch.renew_callbacks(ARRAY[callback_id, callback_id], ARRAY[attempt, attempt], '0') FROM held;
SELECT attempt, unused FROM dispatch.queue;
SELECT dispatch.renew_callbacks('{}', '{}', '1 s');
DELETE FROM dispatch.queue;

--
-- Arguments
--
SELECT pg_temp.fails(statement) FROM unnest(ARRAY[
    $$SELECT * FROM dispatch.claim_callbacks(0)$$, $$SELECT * FROM dispatch.claim_callbacks(-1)$$, $$SELECT * FROM dispatch.claim_callbacks(10001)$$, $$SELECT * FROM dispatch.claim_callbacks(NULL)$$,
    $$SELECT * FROM dispatch.claim_callbacks(lease => NULL)$$, $$SELECT * FROM dispatch.claim_callbacks(arm => NULL)$$, $$SELECT * FROM dispatch.claim_callbacks(lease => '-1 s')$$]) AS statement;
SELECT count(*) FROM dispatch.claim_callbacks(1);
SELECT count(*) FROM dispatch.claim_callbacks(10000);
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
SELECT pg_temp.fails(format('SELECT dispatch.finish_callbacks(%s)', arguments)) FROM unnest(ARRAY[
    $$NULL, '{}', '{}', '{}', '{}'$$, $$'{}', NULL, '{}', '{}', '{}'$$, $$'{}', '{}', NULL, '{}', '{}'$$, $$'{}', '{}', '{}', NULL, '{}'$$, $$'{}', '{}', '{}', '{}', NULL$$,
    $$ARRAY[dispatch.uuidv7()], '{}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1,2}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{200}', '{NULL,NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{200}', '{NULL}', '{}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{200}', '{NULL}', '{NULL}', '{}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{200}', '{NULL}', '{NULL}', NULL, '{a,b}'$$,
    $$'{}', '{1}', '{}', '{}', '{}'$$,
    $$'{NULL}', '{1}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{NULL}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[ARRAY[dispatch.uuidv7()]], '{1}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{{1}}', '{200}', '{NULL}', '{NULL}'$$,
    $$ARRAY[dispatch.uuidv7()], '{1}', '{{200}}', '{NULL}', '{NULL}'$$]) AS arguments;
SELECT count(*) FROM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}');
SELECT count(*) FROM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}', '{}', '{}');
SELECT pg_temp.fails(format('SELECT dispatch.renew_callbacks(%s)', arguments)) FROM unnest(ARRAY[
    $$NULL, '{}', '1 s'$$, $$'{}', NULL, '1 s'$$, $$'{}', '{}', NULL$$, $$'{}', '{}', '-1 s'$$, $$ARRAY[dispatch.uuidv7()], '{}', '1 s'$$, $$'{NULL}', '{1}', '1 s'$$, $$ARRAY[dispatch.uuidv7()], '{NULL}', '1 s'$$,
    $$ARRAY[ARRAY[dispatch.uuidv7()]], '{{1}}', '1 s'$$]) AS arguments;
-- Arrays that begin elsewhere are arrays like any other.
SELECT pg_temp.queue(2) AS last \gset
SELECT pg_temp.claim();
SELECT count(*) FROM dispatch.finish_callbacks((SELECT ('[5:6]={' || string_agg(callback_id::text, ',' ORDER BY n) || '}')::uuid[] FROM held), '[0:1]={1,1}', '{200,500}', '[7:8]={NULL,e}', '{NULL,NULL}');
SELECT state, last_status, last_error FROM seen WHERE sequence > :last - 2;

-- A claim that is rolled back was none; so is an answer.
DELETE FROM dispatch.queue;
SELECT pg_temp.queue(1) AS last \gset
BEGIN;
SELECT count(*) FROM dispatch.claim_callbacks();
ROLLBACK;
SELECT state, attempts, leased, due FROM seen WHERE sequence = :last;
SELECT pg_temp.claim();
BEGIN;
SELECT pg_temp.answer(200);
SELECT state FROM seen WHERE sequence = :last;
ROLLBACK;
SELECT state, attempts, leased FROM seen WHERE sequence = :last;
SELECT pg_temp.answer(200);
SELECT state, attempts, leased FROM seen WHERE sequence = :last;
-- The callback of the change that closes a dispatch is sent like any other.
SELECT dispatch.update_status(:'id', 'CLOSED', callback => '{"url": "http://example.com/"}') > 0;
SELECT body::jsonb ->> 'type' FROM dispatch.claim_callbacks();

SET client_min_messages = warning;
-- Large bodies: what is too large for a callback is refused where it is made, so that it cannot keep others waiting …
TRUNCATE dispatch.queue;
SELECT dispatch.create_type('open', additional_attributes => true) IS NOT NULL;
\set VERBOSITY sqlstate
SELECT dispatch.create_dispatch('open', custom_data => jsonb_build_object('x', repeat(E'\x01', 17000000)), callback => '{"url": "http://example.com/"}') IS NOT NULL;
\set VERBOSITY default
SELECT dispatch.create_dispatch('open', custom_data => jsonb_build_object('x', repeat(E'\x01', 17000000))) IS NOT NULL AS without_a_callback;
-- … and a claim takes no more than it can carry, one at least: the rest is due at once, with no attempt used up.
SELECT count(dispatch.create_dispatch('open', custom_data => jsonb_build_object('x', repeat('y', 9000000)), callback => '{"url": "http://example.com/"}')) FROM generate_series(1, 3);
SELECT count(*), min(length(body)) > 9000000 AS whole FROM dispatch.claim_callbacks();
SELECT count(*) FILTER (WHERE leased_at IS NOT NULL), count(*) FILTER (WHERE next_at <= clock_timestamp()), sum(attempt - unused) FROM dispatch.queue;
SELECT count(*) FROM dispatch.claim_callbacks();

DROP EXTENSION dispatch CASCADE;
