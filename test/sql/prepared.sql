-- PREPARE TRANSACTION, with callbacks too: what was done is there when it commits, and gone when it is rolled back.
-- The expected output has two forms: the second one is for servers on which nothing can be prepared.
SELECT current_setting('max_prepared_transactions')::integer < 2 AS impossible \gset
\if :impossible
\quit
\endif
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_attributes('plain', '[{"name": "zone", "dataType": "string"}]');
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') IS NOT NULL;

-- Everything that an operation writes, and its callbacks. A notification of them would be shown here: there is none.
-- That the session sleeps makes no difference.
SET dispatch.notify = always;
SELECT count(*) FROM dispatch.claim_callbacks();
LISTEN dispatch_callback;
BEGIN;
SELECT dispatch.create_dispatch('plain', 'PREPARED', '{j1,j2}', '{p1}', '{"zone": "north"}', '{"url": "http://example.com/"}', request_id => 'r') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j1', '{"url": "http://example.com/"}', request_id => 'r');
SAVEPOINT s;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j2', '{"url": "http://example.com/"}');
ROLLBACK TO s;
SELECT dispatch.request('updateDispatchCustomData', '{"dispatchRef": "ROUTE-17"}', '{"patch": {"zone": "south"}, "callback": {"url": "http://example.com/"}}') #> '{data,version}';
PREPARE TRANSACTION 'regress_dispatch_1';
UNLISTEN dispatch_callback;
RESET dispatch.notify;
-- Nothing of it is to be seen yet; the session goes on, and signals as ever.
SELECT count(*) FROM dispatch.callbacks;
SELECT dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) -> 'version';
SELECT dispatch.create_dispatch('plain', 'MEANWHILE', callback => '{"url": "http://example.com/"}') IS NOT NULL;
SELECT count(*) FROM dispatch.claim_callbacks();
-- It keeps its locks: another change of the same dispatch waits, and one of another does not.
SET lock_timeout = '10 ms';
\set VERBOSITY sqlstate
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j3');
SELECT dispatch.create_dispatch('plain', request_id => 'r');
\set VERBOSITY default
RESET lock_timeout;
SELECT dispatch.add_job(dispatch.dispatch_id('MEANWHILE'), 'j');
-- Committed, also by another session, it is there.
\c -
\pset format unaligned
\pset tuples_only on
COMMIT PREPARED 'regress_dispatch_1';
SELECT dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) #> '{version}', dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) -> 'jobs', dispatch.get_dispatch(dispatch.dispatch_id('PREPARED')) -> 'participants';
SELECT d.dispatch_ref, c.sequence, c.state FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY d.dispatch_ref, c.sequence;
-- Its callbacks are found by a listener's poll.
SELECT count(*) FROM dispatch.claim_callbacks();
-- Its requests are replayed.
SELECT dispatch.create_dispatch('plain', 'PREPARED', '{j1,j2}', '{p1}', '{"zone": "north"}', '{"url": "http://example.com/"}', request_id => 'r') = dispatch.dispatch_id('PREPARED');
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j1', '{"url": "http://example.com/"}', request_id => 'r');

-- Rolled back, nothing is left.
BEGIN;
SELECT dispatch.create_dispatch('plain', 'NEVER', '{j1}', callback => '{"url": "http://example.com/"}', request_id => 'never') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'never', '{"url": "http://example.com/"}');
PREPARE TRANSACTION 'regress_dispatch_2';
ROLLBACK PREPARED 'regress_dispatch_2';
SELECT count(*) FROM dispatch.dispatches WHERE dispatch_ref = 'NEVER';
SELECT count(*) FROM dispatch.requests WHERE request_id = 'never';
SELECT dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) -> 'version';

-- Types and attributes; claims, finishes, purges.
BEGIN;
SELECT dispatch.create_attributes('plain', '[{"name": "later", "dataType": "number"}]');
SELECT dispatch.create_type('another') IS NOT NULL;
SELECT dispatch.update_status(dispatch.dispatch_id('MEANWHILE'), 'CLOSED');
SELECT count(*) FROM (SELECT array_agg(callback_id) AS ids FROM dispatch.callbacks WHERE leased) AS c, LATERAL dispatch.finish_callbacks(ids, array_fill(1, ARRAY[cardinality(ids)]), array_fill(200, ARRAY[cardinality(ids)]), array_fill(NULL::text, ARRAY[cardinality(ids)]), array_fill(NULL::interval, ARRAY[cardinality(ids)])) AS i;
PREPARE TRANSACTION 'regress_dispatch_3';
SELECT dispatch.is_valid('plain', '{"later": 1}');
COMMIT PREPARED 'regress_dispatch_3';
SELECT dispatch.is_valid('plain', '{"later": 1}'), dispatch.get_type('another') ->> 'dispatchTypeName';
SELECT state, count(*) FROM dispatch.callbacks GROUP BY state;
BEGIN;
SELECT dispatch.purge('0');
PREPARE TRANSACTION 'regress_dispatch_4';
-- What a prepared purge holds is left for the next call.
SELECT dispatch.purge('0');
COMMIT PREPARED 'regress_dispatch_4';
SELECT count(*) FROM dispatch.dispatches WHERE dispatch_ref = 'MEANWHILE';
-- In one that claimed callbacks as well.
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'last', '{"url": "http://example.com/"}');
BEGIN;
SELECT count(*) FROM dispatch.claim_callbacks();
PREPARE TRANSACTION 'regress_dispatch_5';
ROLLBACK PREPARED 'regress_dispatch_5';
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT * FROM dispatch.check_integrity();
DROP EXTENSION dispatch CASCADE;
