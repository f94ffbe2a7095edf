-- Guards: a call with an expected_version fails where the dispatch has another.
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
CREATE FUNCTION pg_temp.d() RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM dispatch.dispatches WHERE dispatch_ref = 'ROUTE-17' $$;
CREATE FUNCTION pg_temp.version() RETURNS bigint LANGUAGE sql AS $$ SELECT version FROM dispatch.dispatches WHERE dispatch_ref = 'ROUTE-17' $$;
-- Runs a change with versions that the dispatch does not have, then with the one that it has.
CREATE FUNCTION pg_temp.guarded(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    had bigint := pg_temp.version();
    wrong bigint;
    made bigint;
BEGIN
    FOREACH wrong IN ARRAY ARRAY[had - 1, had + 1, 0, -1, 9223372036854775807, -9223372036854775807 - 1]
    LOOP
        IF pg_temp.fails(format('SELECT dispatch.%s, expected_version => %s)', call, wrong)) NOT LIKE '40001: dispatch "<id>" has version ' || had || ', not ' || wrong || E'\nHINT: %' THEN
            RETURN format('dispatch.%s, expected_version => %s): ', call, wrong) || pg_temp.fails(format('SELECT dispatch.%s, expected_version => %s)', call, wrong));
        END IF;
    END LOOP;
    IF had <> pg_temp.version() OR had <> (SELECT count(*) FROM dispatch.events WHERE dispatch_id = pg_temp.d()) THEN
        RETURN 'a call that failed changed something';
    END IF;
    EXECUTE format('SELECT dispatch.%s, expected_version => %s)', call, had) INTO made;
    RETURN concat_ws(' ', split_part(call, '(', 1), had, made);
END $$;

SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') IS NOT NULL;

--
-- Sections 2 and 3: the right version, and wrong ones, with every operation
--
SELECT pg_temp.guarded($$add_job(pg_temp.d(), 'j1'$$);
SELECT pg_temp.guarded($$add_jobs(pg_temp.d(), '{j2,j3}'$$);
SELECT pg_temp.guarded($$add_participant(pg_temp.d(), 'p1'$$);
SELECT pg_temp.guarded($$add_participants(pg_temp.d(), '{p2,p3}'$$);
SELECT pg_temp.guarded($$update_status(pg_temp.d(), 'ASSIGNED'$$);
SELECT pg_temp.guarded($$update_sub_status(pg_temp.d(), 'ready'$$);
SELECT pg_temp.guarded($$update_custom_data(pg_temp.d(), '{}'$$);
SELECT pg_temp.guarded($$remove_job(pg_temp.d(), 'j1'$$);
SELECT pg_temp.guarded($$remove_jobs(pg_temp.d(), '{j2,j3}'$$);
SELECT pg_temp.guarded($$remove_participant(pg_temp.d(), 'p1'$$);
SELECT pg_temp.guarded($$remove_participants(pg_temp.d(), '{p2,p3}'$$);
-- With a callback and a request_id too, of which nothing is left.
SELECT pg_temp.guarded($$add_job(pg_temp.d(), 'j4', '{"url": "http://example.com/"}', '{"n": 1}', 'r'$$);
SELECT count(*) FROM dispatch.callbacks;
SELECT count(*) FROM dispatch.requests;
-- As a stranger reads it.
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'j5', expected_version => 3)$$);
-- NULL is no guard; the last argument by its place; create_dispatch() has none.
SELECT dispatch.add_job(pg_temp.d(), 'j5', expected_version => NULL) = pg_temp.version();
SELECT dispatch.add_job(pg_temp.d(), 'j6', NULL, NULL, NULL, 14);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', expected_version => 1)$$) ~ '^42883';

-- A guard comes first: what else is wrong with the change is another question.
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'j4', expected_version => 1)$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_job(pg_temp.d(), 'none', expected_version => 1)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(pg_temp.d(), 'NOWHERE', expected_version => 1)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(pg_temp.d(), 'INITIATED', expected_version => 1)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(pg_temp.d(), '{"unknown": 1}', expected_version => 1)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(pg_temp.d(), 'NOWHERE', expected_version => 15)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(pg_temp.d(), '{"unknown": 1}', expected_version => 15)$$);
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'j4', expected_version => 15)$$);
-- But what can be told of the arguments alone is malformed in any version.
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), '', expected_version => 1)$$);
-- There is no such dispatch, whatever version is expected.
SELECT pg_temp.fails($$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'j', expected_version => 1)$$);

-- A version is that of the caller's own transaction, savepoints included.
BEGIN;
SELECT dispatch.add_job(pg_temp.d(), 'a', expected_version => 15);
SAVEPOINT s;
SELECT dispatch.add_job(pg_temp.d(), 'b', expected_version => 16);
ROLLBACK TO s;
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'b', expected_version => 17)$$) ~ '^40001';
SELECT dispatch.add_job(pg_temp.d(), 'b', expected_version => 16);
ROLLBACK;
SELECT dispatch.add_job(pg_temp.d(), 'a', expected_version => 15);
-- Read, then change what was read.
SELECT dispatch.update_sub_status(pg_temp.d(), 'by what was read', expected_version => (dispatch.get_dispatch(pg_temp.d()) ->> 'version')::bigint);
-- A bulk call is one version.
SELECT dispatch.add_jobs(pg_temp.d(), '{k1,k2,k3}', expected_version => 17), dispatch.remove_jobs(pg_temp.d(), '{k1,k2,k3}', expected_version => 18);

--
-- Section 4: expectedVersion
--
SELECT dispatch.request('addJob', '{"dispatchRef": "ROUTE-17"}', '{"jobId": "r1", "expectedVersion": 19}') #> '{data,version}';
SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "ROUTE-17"}', '{"jobs": ["r2"], "expectedVersion": 20}') #> '{data,version}';
SELECT dispatch.request('addParticipant', '{"dispatchRef": "ROUTE-17"}', '{"participantId": "r1", "expectedVersion": 21}') #> '{data,version}';
SELECT dispatch.request('addMultipleParticipants', '{"dispatchRef": "ROUTE-17"}', '{"participants": ["r2"], "expectedVersion": 22}') #> '{data,version}';
SELECT dispatch.request('updateDispatchStatus', '{"dispatchRef": "ROUTE-17"}', '{"status": "IN_PROGRESS", "expectedVersion": 23}') #> '{data,version}';
SELECT dispatch.request('updateDispatchSubStatus', '{"dispatchRef": "ROUTE-17"}', '{"subStatus": "x", "expectedVersion": 24}') #> '{data,version}';
SELECT dispatch.request('updateDispatchCustomData', '{"dispatchRef": "ROUTE-17"}', '{"patch": {}, "expectedVersion": 25}') #> '{data,version}';
SELECT dispatch.request('removeJob', '{"dispatchRef": "ROUTE-17", "jobId": "r1"}', '{"expectedVersion": 26}') #> '{data,version}';
SELECT dispatch.request('removeMultipleJobs', '{"dispatchRef": "ROUTE-17"}', '{"jobs": ["r2"], "expectedVersion": 27}') #> '{data,version}';
SELECT dispatch.request('removeParticipant', '{"dispatchRef": "ROUTE-17", "participantId": "r1"}', '{"expectedVersion": 28}') #> '{data,version}';
SELECT dispatch.request('removeMultipleParticipants', '{"dispatchRef": "ROUTE-17"}', '{"participants": ["r2"], "expectedVersion": 29}') #> '{data,version}';
-- A whole number is one however it is written; null is no guard.
SELECT dispatch.request('updateDispatchSubStatus', '{"dispatchRef": "ROUTE-17"}', '{"subStatus": "x", "expectedVersion": 30.0}') #> '{data,version}';
SELECT dispatch.request('updateDispatchSubStatus', '{"dispatchRef": "ROUTE-17"}', '{"subStatus": "x", "expectedVersion": 310e-1}') #> '{data,version}';
SELECT dispatch.request('updateDispatchSubStatus', '{"dispatchRef": "ROUTE-17"}', '{"subStatus": "x", "expectedVersion": null}') #> '{data,version}';
-- Wrong ones, with every operation.
CREATE FUNCTION pg_temp.requested(operation text, params jsonb, body jsonb, version jsonb DEFAULT '1') RETURNS text LANGUAGE sql AS $$
    SELECT operation || ' ' || pg_temp.fails(format('SELECT dispatch.request(%L, %L, %L)', operation, params || '{"dispatchRef": "ROUTE-17"}', body || jsonb_build_object('expectedVersion', version)));
$$;
SELECT pg_temp.requested('addJob', '{}', '{"jobId": "x"}');
SELECT split_part(pg_temp.requested(operation, params, body), ':', 1)
  FROM (VALUES (1, 'addMultipleJobs', '{}'::jsonb, '{"jobs": ["x"]}'::jsonb), (2, 'addParticipant', '{}', '{"participantId": "x"}'), (3, 'addMultipleParticipants', '{}', '{"participants": ["x"]}'),
               (4, 'updateDispatchStatus', '{}', '{"status": "PENDING_CLOSURE"}'), (5, 'updateDispatchSubStatus', '{}', '{"subStatus": "y"}'), (6, 'updateDispatchCustomData', '{}', '{"customData": {}}'),
               (7, 'removeJob', '{"jobId": "a"}', '{}'), (8, 'removeMultipleJobs', '{}', '{"jobs": ["a"]}'), (9, 'removeParticipant', '{"participantId": "x"}', '{}'), (10, 'removeMultipleParticipants', '{}', '{"participants": ["x"]}'))
       AS o(n, operation, params, body) ORDER BY n;
SELECT pg_temp.requested('addJob', '{}', '{"jobId": "x"}', '0');
SELECT split_part(pg_temp.requested('addJob', '{}', '{"jobId": "x"}', '9223372036854775807'), E'\n', 1);
-- Of another kind, or no version that a dispatch could have: malformed.
SELECT pg_temp.requested('addJob', '{}', '{"jobId": "x"}', '"33"');
SELECT count(*), count(*) FILTER (WHERE pg_temp.requested('addJob', '{}', '{"jobId": "x"}', v) LIKE 'addJob 22023: invalid body%expectedVersion%')
  FROM (VALUES ('true'::jsonb), ('false'), ('{}'), ('[]'), ('[33]'), ('{"a": 33}'), ('"x"'), ('""'), ('33.5'), ('0.1'), ('-1'), ('-33'), ('1e-5')) AS w(v);
-- More than any version can be: malformed, or at least not this dispatch's.
SELECT pg_temp.requested('addJob', '{}', '{"jobId": "x"}', '1e30') ~ '22023|40001';
SELECT pg_temp.requested('addJob', '{}', '{"jobId": "x"}', ('1' || repeat('0', 2000))::jsonb) ~ '22023|40001';
-- What is created has no version yet; a guard is not passed over in silence.
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "plain", "expectedVersion": 1}')$$);
-- Not in params, and not where nothing is changed.
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "ROUTE-17", "expectedVersion": 33}', '{"jobId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchRef": "ROUTE-17"}', '{"expectedVersion": 33}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchAttributes', '{"dispatchTypeName": "plain"}', '{"attributes": [], "expectedVersion": 33}')$$);
SELECT pg_temp.version();

--
-- In a final status: that nothing changes any more is said whatever version is expected
--
SELECT dispatch.update_status(pg_temp.d(), 'CLOSED', expected_version => 33);
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'x', expected_version => 34)$$);
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'x', expected_version => 33)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(pg_temp.d(), 'CLOSED', expected_version => 33)$$);
SELECT pg_temp.requested('updateDispatchSubStatus', '{}', '{"subStatus": "x"}', '34');
SELECT pg_temp.version();
SELECT * FROM dispatch.check_integrity();
DROP EXTENSION dispatch CASCADE;
