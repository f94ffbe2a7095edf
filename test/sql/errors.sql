-- Errors: what each SQLSTATE is for, by every operation that raises it; the fields that drivers read; the style.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

SELECT dispatch.create_type('lastmile') AS type_id \gset
SELECT dispatch.create_attributes('lastmile', '[{"name": "plate", "dataType": "string", "validation": {"regex": "^[A-Z]{2}[0-9]+$"}}, {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0}}},
    {"name": "bomb", "dataType": "string", "validation": {"regex": "^(a+)+$"}}]');
SELECT dispatch.create_dispatch('lastmile', 'OPEN', '{j1,j2}', '{p1,p2}', request_id => 'used') IS NOT NULL;
SELECT dispatch.create_dispatch('lastmile', 'SHUT', '{j1}', '{p1}') IS NOT NULL;
SELECT dispatch.update_status(dispatch.dispatch_id('SHUT'), 'CLOSED');
SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'IN_PROGRESS', request_id => 'used');

-- What a statement raised: the code, the fields, the messages as a whole, the context.
CREATE TYPE pg_temp.raised AS (code text, fields text, messages text, context text);
CREATE FUNCTION pg_temp.run(statement text) RETURNS pg_temp.raised LANGUAGE plpgsql AS $$
DECLARE
    r pg_temp.raised;
    message text;
    detail text;
    hint text;
    schema_name text;
    table_name text;
    column_name text;
    constraint_name text;
BEGIN
    EXECUTE statement;
    RETURN ROW('00000', '', '', '');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, r.context = PG_EXCEPTION_CONTEXT,
        schema_name = SCHEMA_NAME, table_name = TABLE_NAME, column_name = COLUMN_NAME, constraint_name = CONSTRAINT_NAME;
    r.code := SQLSTATE;
    r.fields := concat_ws(' ', NULLIF(schema_name, ''), NULLIF(table_name, ''), NULLIF(column_name, ''), NULLIF(constraint_name, ''));
    r.messages := concat_ws(E'\n', 'MESSAGE ' || message, 'DETAIL ' || NULLIF(detail, ''), 'HINT ' || NULLIF(hint, ''));
    RETURN r;
END $$;

--
-- Section 3, row by row
--
CREATE TEMP TABLE trial (code text, statement text);
-- A malformed argument, body, header, URL, name or length
INSERT INTO trial SELECT '22023', s FROM unnest(ARRAY[
    $$SELECT dispatch.create_type('abc')$$, $$SELECT dispatch.create_type('other', '{}')$$, $$SELECT dispatch.create_type('other', event_meta => '1')$$, $$SELECT dispatch.create_type(NULL)$$,
    $$SELECT dispatch.create_attributes('lastmile', '{}')$$, $$SELECT dispatch.create_attributes('lastmile', '[]')$$, $$SELECT dispatch.create_attributes('lastmile', '[{"name": "zone"}]')$$, $$SELECT dispatch.create_attributes('lastmile', '[{"name": "z1", "dataType": "string"}]')$$,
    $$SELECT dispatch.create_dispatch(NULL::text)$$, $$SELECT dispatch.create_dispatch('lastmile', 'abc')$$, $$SELECT dispatch.create_dispatch('lastmile', jobs => '{NULL}')$$, $$SELECT dispatch.create_dispatch('lastmile', participants => '{{a}}')$$, $$SELECT dispatch.create_dispatch('lastmile', custom_data => '[]')$$,
    $$SELECT dispatch.create_dispatch('lastmile', extra => '{"status": 1}')$$, $$SELECT dispatch.create_dispatch('lastmile', request_id => '')$$, $$SELECT dispatch.create_dispatch('lastmile', event_meta => '[]')$$,
    $$SELECT dispatch.create_dispatch('lastmile', callback => '{"url": "ftp://x"}')$$, $$SELECT dispatch.create_dispatch('lastmile', callback => '{"url": "http://x", "headers": [{"key": "Host", "value": "x"}]}')$$,
    $$SELECT dispatch.add_job(dispatch.dispatch_id('OPEN'), '')$$, $$SELECT dispatch.add_job(NULL, 'j')$$, $$SELECT dispatch.add_jobs(dispatch.dispatch_id('OPEN'), '{}')$$, $$SELECT dispatch.add_participant(dispatch.dispatch_id('OPEN'), repeat('x', 65))$$, $$SELECT dispatch.add_participants(dispatch.dispatch_id('OPEN'), NULL)$$,
    $$SELECT dispatch.remove_job(dispatch.dispatch_id('OPEN'), NULL)$$, $$SELECT dispatch.remove_jobs(dispatch.dispatch_id('OPEN'), '{}')$$, $$SELECT dispatch.remove_participant(dispatch.dispatch_id('OPEN'), '')$$, $$SELECT dispatch.remove_participants(dispatch.dispatch_id('OPEN'), '{NULL}')$$,
    $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'closed')$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'CLOSED', '')$$, $$SELECT dispatch.update_sub_status(dispatch.dispatch_id('OPEN'), NULL)$$, $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OPEN'), '1')$$,
    $$SELECT dispatch.get_dispatch(NULL)$$, $$SELECT dispatch.dispatch_id(NULL)$$, $$SELECT dispatch.history(NULL)$$, $$SELECT dispatch.get_type(NULL::text)$$, $$SELECT dispatch.validate('lastmile', NULL)$$,
    $$SELECT dispatch.request(NULL)$$, $$SELECT dispatch.request('addJob', '[]')$$, $$SELECT dispatch.request('addJob', '{"dispatchRef": "OPEN"}', '{"jobId": 1}')$$, $$SELECT dispatch.request('addJob', '{"dispatchRef": "OPEN"}', '{"unknown": 1}')$$, $$SELECT dispatch.request('addJob', '{"dispatchId": "x"}', '{"jobId": "j"}')$$,
    $$SELECT dispatch.claim_callbacks(0)$$, $$SELECT dispatch.finish_callbacks('{}', '{1}', '{}', '{}', '{}')$$, $$SELECT dispatch.renew_callbacks('{}', '{}', '-1 s')$$, $$SELECT dispatch.purge('-1 s')$$, $$SELECT dispatch.grant_access(current_user::regrole, 'all')$$]) AS s;
-- Custom data that breaks its attributes
INSERT INTO trial SELECT '23514', s FROM unnest(ARRAY[
    $$SELECT dispatch.create_dispatch('lastmile', custom_data => '{"plate": 1, "weight": -1, "more": true}')$$, $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OPEN'), '{"plate": "x"}')$$, $$INSERT INTO dispatch.dispatches (type_id, custom_data) SELECT id, '{"weight": "x"}' FROM dispatch.types$$,
    $$UPDATE dispatch.dispatches SET custom_data = '{"a": 1}'$$, $$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "lastmile", "customData": {"plate": "x"}}')$$]) AS s;
-- No such type, dispatch, job, participant, reference, operation
INSERT INTO trial SELECT 'P0002', s FROM unnest(ARRAY[
    $$SELECT dispatch.get_type('nosuch')$$, $$SELECT dispatch.create_dispatch('nosuch')$$, $$SELECT dispatch.create_attributes('nosuch', '[{"name": "zone", "dataType": "string"}]')$$, $$SELECT dispatch.is_valid('nosuch', '{}')$$, $$SELECT dispatch.get_type('00000000-0000-7000-8000-000000000000'::uuid)$$,
    $$SELECT dispatch.get_dispatch('00000000-0000-7000-8000-000000000000')$$, $$SELECT dispatch.history('00000000-0000-7000-8000-000000000000')$$, $$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'j')$$, $$SELECT dispatch.update_status('00000000-0000-7000-8000-000000000000', 'CLOSED')$$,
    $$SELECT dispatch.remove_job(dispatch.dispatch_id('OPEN'), 'none')$$, $$SELECT dispatch.remove_jobs(dispatch.dispatch_id('OPEN'), '{j1,none}')$$, $$SELECT dispatch.remove_participant(dispatch.dispatch_id('OPEN'), 'none')$$, $$SELECT dispatch.remove_participants(dispatch.dispatch_id('OPEN'), '{none}')$$,
    $$SELECT dispatch.dispatch_id('none')$$, $$SELECT dispatch.request('nosuch')$$, $$SELECT dispatch.request('getDispatch', '{"dispatchRef": "none"}')$$, $$SELECT dispatch.request('getDispatchType', '{"dispatchTypeName": "nosuch"}')$$]) AS s;
-- Duplicate type, attribute, reference, job, participant
INSERT INTO trial SELECT '23505', s FROM unnest(ARRAY[
    $$SELECT dispatch.create_type('lastmile')$$, $$SELECT dispatch.create_attributes('lastmile', '[{"name": "plate", "dataType": "string"}]')$$, $$SELECT dispatch.create_attributes('lastmile', '[{"name": "zone", "dataType": "string"}, {"name": "zone", "dataType": "string"}]')$$,
    $$SELECT dispatch.create_dispatch('lastmile', 'OPEN')$$, $$SELECT dispatch.create_dispatch('lastmile', jobs => '{a,a}')$$, $$SELECT dispatch.add_job(dispatch.dispatch_id('OPEN'), 'j1')$$, $$SELECT dispatch.add_jobs(dispatch.dispatch_id('OPEN'), '{j3,j2}')$$, $$SELECT dispatch.add_participant(dispatch.dispatch_id('OPEN'), 'p1')$$,
    $$SELECT dispatch.add_participants(dispatch.dispatch_id('OPEN'), '{a,a}')$$, $$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "lastmile", "dispatchRef": "OPEN"}')$$, $$SELECT dispatch.request('addJob', '{"dispatchRef": "OPEN"}', '{"jobId": "j1"}')$$]) AS s;
-- A change to a dispatch in a final status, a transition that the lifecycle lacks
INSERT INTO trial SELECT '55000', s FROM unnest(ARRAY[
    $$SELECT dispatch.add_job(dispatch.dispatch_id('SHUT'), 'j')$$, $$SELECT dispatch.remove_participant(dispatch.dispatch_id('SHUT'), 'p1')$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('SHUT'), 'CLOSED')$$, $$SELECT dispatch.update_sub_status(dispatch.dispatch_id('SHUT'), 'x')$$, $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('SHUT'), '{}')$$,
    $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'ASSIGNED')$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'NOWHERE')$$, $$UPDATE dispatch.dispatches SET dispatch_ref = 'other' WHERE dispatch_ref = 'OPEN'$$, $$SELECT dispatch.request('updateDispatchStatus', '{"dispatchRef": "SHUT"}', '{"status": "CLOSED"}')$$]) AS s;
-- expected_version differs
INSERT INTO trial SELECT '40001', s FROM unnest(ARRAY[$$SELECT dispatch.add_job(dispatch.dispatch_id('OPEN'), 'j', expected_version => 1)$$, $$SELECT dispatch.request('addJob', '{"dispatchRef": "OPEN"}', '{"jobId": "j", "expectedVersion": 1}')$$]) AS s;
-- request_id used with other arguments
INSERT INTO trial SELECT '22023', s FROM unnest(ARRAY[$$SELECT dispatch.create_dispatch('lastmile', 'NEW-ONE', request_id => 'used')$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), 'CLOSED', request_id => 'used')$$, $$SELECT dispatch.request('updateDispatchStatus', '{"dispatchRef": "OPEN"}', '{"status": "CLOSED", "requestId": "used"}')$$]) AS s;
-- A regex that cannot be compiled
INSERT INTO trial SELECT '2201B', s FROM unnest(ARRAY[$$SELECT dispatch.create_attributes('lastmile', '[{"name": "zone", "dataType": "string", "validation": {"regex": "("}}]')$$, $$SELECT dispatch.request('createDispatchAttributes', '{"dispatchTypeName": "lastmile"}', '{"attributes": [{"name": "zone", "dataType": "string", "validation": {"regex": "["}}]}')$$]) AS s;
-- A regex match that exceeds its limits; a ninth indexed attribute
INSERT INTO trial SELECT '54000', s FROM unnest(ARRAY[
    $$SELECT dispatch.create_dispatch('lastmile', custom_data => jsonb_build_object('bomb', repeat('a', 40) || 'b'))$$, $$SELECT * FROM dispatch.validate('lastmile', jsonb_build_object('bomb', repeat('a', 40) || 'b'))$$, $$SELECT dispatch.is_valid('lastmile', jsonb_build_object('bomb', repeat('a', 40) || 'b'))$$,
    $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OPEN'), jsonb_build_object('bomb', repeat('a', 40) || 'b'))$$,
    $$SELECT dispatch.create_attributes('lastmile', (SELECT jsonb_agg(jsonb_build_object('name', chr(96 + i), 'dataType', 'string', 'indexed', true)) FROM generate_series(1, 9) AS i))$$]) AS s;
-- A callback that waits where nothing is added
INSERT INTO trial VALUES ('22023', $$SELECT dispatch.remove_job(dispatch.dispatch_id('OPEN'), 'j', '{"url": "http://x", "wait": true}')$$);
CREATE TEMP TABLE outcome AS SELECT t.code AS expected, t.statement, (pg_temp.run(t.statement)).* FROM trial AS t;
SELECT expected, count(*), count(*) FILTER (WHERE code = expected) FROM outcome GROUP BY expected ORDER BY expected;
SELECT expected, code, statement FROM outcome WHERE code <> expected;

-- Which constraint, table or column was broken stands in fields, as a driver reads it.
SELECT code, fields, count(*) FROM outcome WHERE fields <> '' GROUP BY code, fields ORDER BY code, fields;
SELECT code, statement FROM outcome WHERE code IN ('23514', '23505') AND fields = '' ORDER BY statement COLLATE "C";

-- The style: messages begin small and end without a period; DETAIL and HINT are sentences; nothing of what runs inside is shown.
SELECT messages FROM outcome WHERE messages !~ '^MESSAGE [a-z"]' OR messages ~ '^MESSAGE [^\n]*[.!](\n|$)';
SELECT messages FROM outcome WHERE messages ~ '\n(DETAIL|HINT) ' AND (messages ~ '\n(DETAIL|HINT) [a-zäöü]' AND messages !~ '\n(DETAIL|HINT) dispatch\.' OR messages !~ '[.]$' OR messages ~ 'DETAIL [^\n]*[^.]\nHINT');
SELECT statement, context FROM outcome WHERE context ~ 'SQL statement "(SELECT|INSERT|UPDATE|DELETE|WITH)[^"]*(AS d|AS t|AS m|AS q|AS r|\$1)';

-- Values are cut to a sane length, wherever they come from.
SELECT statement, length(messages) FROM (SELECT statement, (pg_temp.run(statement)).* FROM unnest(ARRAY[
    $$SELECT dispatch.create_type(repeat('x', 100000))$$, $$SELECT dispatch.create_type('other', jsonb_build_object('initial', repeat('X', 100000), 'final', '["B"]'::jsonb, 'transitions', '{"A": ["B"]}'::jsonb))$$, $$SELECT dispatch.create_type('other', jsonb_build_object(repeat('X', 100000), 1))$$,
    $$SELECT dispatch.create_attributes('lastmile', jsonb_build_array(jsonb_build_object('name', repeat('x', 100000), 'dataType', 'string')))$$, $$SELECT dispatch.create_attributes('lastmile', jsonb_build_array(jsonb_build_object('name', 'x', 'dataType', repeat('x', 100000))))$$,
    $$SELECT dispatch.create_attributes('lastmile', jsonb_build_array(jsonb_build_object('name', 'x', 'dataType', 'string', repeat('x', 100000), 1)))$$, $$SELECT dispatch.get_type(repeat('x', 100000))$$, $$SELECT dispatch.create_dispatch('lastmile', repeat('x', 100000))$$,
    $$SELECT dispatch.create_dispatch('lastmile', jobs => ARRAY[repeat('x', 100000)])$$, $$SELECT dispatch.create_dispatch('lastmile', request_id => repeat('x', 100000))$$, $$SELECT dispatch.create_dispatch('lastmile', callback => jsonb_build_object('url', repeat('x', 100000)))$$,
    $$SELECT dispatch.create_dispatch('lastmile', callback => jsonb_build_object(repeat('x', 100000), 1))$$, $$SELECT dispatch.create_dispatch('lastmile', custom_data => jsonb_build_object('plate', repeat('x', 100000)))$$, $$SELECT dispatch.create_dispatch('lastmile', custom_data => jsonb_build_object(repeat('x', 100000), 1))$$,
    $$SELECT dispatch.add_job(dispatch.dispatch_id('OPEN'), repeat('x', 100000))$$, $$SELECT dispatch.remove_job(dispatch.dispatch_id('OPEN'), repeat('x', 100000))$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), repeat('x', 100000))$$, $$SELECT dispatch.update_status(dispatch.dispatch_id('OPEN'), repeat('X', 100000))$$,
    $$SELECT dispatch.update_sub_status(dispatch.dispatch_id('OPEN'), repeat('x', 100000))$$, $$SELECT dispatch.dispatch_id(repeat('x', 100000))$$, $$SELECT dispatch.request(repeat('x', 100000))$$, $$SELECT dispatch.request('addJob', jsonb_build_object('dispatchId', repeat('x', 100000)), '{"jobId": "j"}')$$,
    $$SELECT dispatch.request('addJob', '{"dispatchRef": "OPEN"}', jsonb_build_object(repeat('x', 100000), 1))$$, $$SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeName', repeat('x', 100000)))$$, $$SELECT dispatch.grant_access(current_user::regrole, repeat('x', 100000))$$]) AS statement) AS s
 WHERE code = '00000' OR length(messages) > 600;

-- A statement that fails leaves nothing behind.
SELECT (SELECT count(*) FROM dispatch.types), (SELECT count(*) FROM dispatch.dispatches), (SELECT count(*) FROM dispatch.events), (SELECT count(*) FROM dispatch.callbacks), (SELECT count(*) FROM dispatch.requests);
SELECT * FROM dispatch.check_integrity();
SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
