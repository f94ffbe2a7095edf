-- request(): the documented bodies, in the order of the how-to, and what is refused.
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

-- Ids made readable: those of the type and of the dispatch below, then any other.
CREATE FUNCTION pg_temp.readable(document jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(regexp_replace(replace(replace(document::text,
               current_setting('test.type'), '<type>'), current_setting('test.dispatch'), '<dispatch>'),
               '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'g'),
               '"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+Z"', '"<time>"', 'g');
$$;
SET test.type = 'none';
SET test.dispatch = 'none';
CREATE FUNCTION pg_temp.on_type(operation text, body jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.readable(dispatch.request(operation, jsonb_build_object('dispatchTypeId', current_setting('test.type')), body));
$$;
CREATE FUNCTION pg_temp.on_dispatch(operation text, body jsonb DEFAULT '{}', params jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.readable(dispatch.request(operation, jsonb_build_object('dispatchId', current_setting('test.dispatch')) || params, body));
$$;

--
-- Section 4, operation by operation. Each returns {"error": null, "request": <the body>, "data": …}.
--
SELECT dispatch.request('createDispatchType', '{}', '{"name": "lastmile", "_event_meta": {"n": 1}}') AS created \gset
SELECT set_config('test.type', :'created'::jsonb #>> '{data,dispatchTypeId}', false) ~ '^[0-9a-f-]{36}$';
SELECT pg_temp.readable(:'created');
SELECT pg_temp.on_type('createDispatchAttributes', '{"attributes": [
    {"name": "plate", "description": "The plate", "tags": ["vehicle"], "dataType": "string", "indexed": true, "defaultValue": {},
     "validation": {"range": {"min": 3, "max": 10}, "regex": "^[A-Z0-9]+$", "valueOneOf": ["AB12", "CD34"], "required": true}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0}}}], "_event_meta": {"n": 2}}');
SELECT pg_temp.on_type('getDispatchAttributes');
SELECT dispatch.request('createDispatch', '{}', '{"dispatchRef": "ROUTE-17", "dispatchTypeName": "lastmile", "jobs": ["j1", "j2"], "participants": ["p1"],
    "customData": {"plate": "AB12"}, "callback": {"url": "http://example.com/1", "headers": [{"key": "X-Key", "value": "v"}]},
    "_event_meta": {"n": 3}, "additionalProp1": {"a": [1]}}') AS created \gset
SELECT set_config('test.dispatch', :'created'::jsonb #>> '{data,dispatchId}', false) ~ '^[0-9a-f-]{36}$';
SELECT pg_temp.readable(:'created');
SELECT pg_temp.on_dispatch('addJob', '{"jobId": "j3", "callback": {"url": "http://example.com/2", "headers": [{"key": "X-Key", "value": "v"}]}, "_event_meta": {"n": 4}}');
SELECT pg_temp.on_dispatch('addMultipleJobs', '{"jobs": ["j4", "j5"], "callback": {"url": "http://example.com/3", "headers": []}, "_event_meta": {"n": 5}}');
SELECT pg_temp.on_dispatch('addParticipant', '{"participantId": "p2", "callback": {"url": "http://example.com/4"}, "_event_meta": {"n": 6}}');
SELECT pg_temp.on_dispatch('addMultipleParticipants', '{"participants": ["p3", "p4"], "_event_meta": {"n": 7}}');
SELECT pg_temp.on_dispatch('updateDispatchStatus', '{"status": "ASSIGNED", "subStatus": "ready", "_event_meta": {"n": 8}}');
SELECT pg_temp.on_dispatch('updateDispatchSubStatus', '{"subStatus": "loaded", "_event_meta": {"n": 9}}');
SELECT pg_temp.on_dispatch('removeJob', '{"_event_meta": {"n": 10}}', '{"jobId": "j1"}');
SELECT pg_temp.on_dispatch('removeMultipleJobs', '{"jobs": ["j2", "j5"], "_event_meta": {"n": 11}}');
SELECT pg_temp.on_dispatch('removeParticipant', '{"_event_meta": {"n": 12}}', '{"participantId": "p1"}');
-- The rest in the same style.
SELECT pg_temp.on_dispatch('removeMultipleParticipants', '{"participants": ["p4", "p3"], "_event_meta": {"n": 13}}');
SELECT pg_temp.on_dispatch('updateDispatchCustomData', '{"patch": {"weight": 2}, "_event_meta": {"n": 14}}');
SELECT pg_temp.on_dispatch('updateDispatchStatus', '{"status": "CLOSED"}');
SELECT pg_temp.on_dispatch('getDispatch');
SELECT pg_temp.on_type('getDispatchType');
SELECT pg_temp.readable(dispatch.request('getDispatchTypes'));
SELECT pg_temp.readable(event - 'caller'), event ->> 'caller' = current_user FROM jsonb_array_elements(
    dispatch.request('getDispatchHistory', jsonb_build_object('dispatchId', current_setting('test.dispatch'))) -> 'data') AS event;
SELECT sequence, host, state FROM dispatch.callbacks ORDER BY sequence;
-- For a read, data is what its function returns.
SELECT dispatch.request('getDispatch', '{"dispatchRef": "ROUTE-17"}') -> 'data' = dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')),
       dispatch.request('getDispatchAttributes', '{"dispatchTypeName": "lastmile"}') -> 'data' = dispatch.get_attributes('lastmile'),
       dispatch.request('getDispatchType', '{"dispatchTypeName": "lastmile"}') -> 'data' = dispatch.get_type('lastmile'),
       dispatch.request('getDispatchTypes') -> 'data' = (SELECT jsonb_agg(t) FROM dispatch.list_types() AS t);

-- A type's other members.
SELECT dispatch.request('createDispatchType', '{}', '{"name": "open", "additionalAttributes": true,
    "lifecycle": {"initial": "NEW", "final": ["END"], "transitions": {"NEW": ["END"]}}}') #>> '{request,name}';
SELECT t ->> 'additionalAttributes', t -> 'lifecycle' FROM dispatch.get_type('open') AS t;

-- What a create leaves out is absent or empty; its event says the same as that of the typed function.
SELECT pg_temp.readable(dispatch.request('createDispatch', body => '{"dispatchTypeName": "open"}'));
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "open", "dispatchRef": "NO-JOBS", "participants": ["p"]}') IS NOT NULL;
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "open", "dispatchRef": "NO-PARTICIPANTS", "jobs": ["j"]}') IS NOT NULL;
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "open", "dispatchRef": "NEITHER"}') IS NOT NULL;
SELECT dispatch.create_dispatch('open', 'TYPED') IS NOT NULL;
SELECT d.dispatch_ref, e.data FROM dispatch.events AS e JOIN dispatch.dispatches AS d ON d.id = e.dispatch_id
 WHERE d.dispatch_ref IN ('NO-JOBS', 'NO-PARTICIPANTS', 'NEITHER', 'TYPED') ORDER BY d.id;

-- JSON null is the same as absent: in params, in a body, and for either of them.
SELECT pg_temp.readable(dispatch.request('createDispatch', '{}', '{"dispatchRef": null, "dispatchTypeName": "open", "dispatchTypeId": null, "jobs": null,
    "participants": null, "customData": null, "callback": null, "_event_meta": null, "additionalProp1": null}'));
SELECT dispatch.request('createDispatchType', 'null', '{"name": "nulls", "lifecycle": null, "additionalAttributes": null, "_event_meta": null}') #>> '{request,name}';
SELECT dispatch.get_type('nulls') = dispatch.get_type('nulls') || jsonb_build_object('additionalAttributes', false, 'lifecycle', dispatch.get_type('lastmile') -> 'lifecycle');
SELECT pg_temp.readable(dispatch.request('addJob', '{"dispatchId": null, "dispatchRef": "NEITHER"}', '{"jobId": "n1", "callback": null, "_event_meta": null}'));
SELECT pg_temp.readable(dispatch.request('getDispatchTypes', NULL, NULL) #> '{data,0,dispatchTypeName}');
SELECT pg_temp.readable(dispatch.request('updateDispatchStatus', '{"dispatchRef": "NEITHER"}', '{"status": "NEW", "subStatus": null}'));
SELECT pg_temp.fails($$SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "NEITHER"}', '{"jobs": null}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER"}', '{"jobId": null}')$$);

--
-- Unknown members
--
-- Kept and returned where a dispatch is created …
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "open", "dispatchRef": "EXTRA", "additionalProp1": {}, "additionalProp2": [1, null, {"x": "ü"}],
    "jobId": "any", "attributes": 1.50, "name": "n", "": false, "patch": "p"}') -> 'request' ->> 'name';
SELECT dispatch.get_dispatch(dispatch.dispatch_id('EXTRA')) - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT e.data FROM dispatch.events AS e WHERE e.dispatch_id = dispatch.dispatch_id('EXTRA');
-- … unless get_dispatch() itself uses the name …
SELECT pg_temp.fails(format('SELECT dispatch.request(''createDispatch'', body => %L)', jsonb_build_object('dispatchTypeName', 'open', name, 'x')))
  FROM unnest(ARRAY['dispatchId', 'status', 'subStatus', 'version', 'createdAt', 'updatedAt']) AS name;
-- … and an error that names the member elsewhere: in every body, and in params.
SELECT pg_temp.fails(format('SELECT dispatch.request(%L, ''{"dispatchRef": "NEITHER"}'', ''{"additionalProp1": {}}'')', operation))
  FROM unnest(ARRAY['addJob', 'addMultipleJobs', 'addParticipant', 'addMultipleParticipants', 'updateDispatchStatus', 'updateDispatchSubStatus', 'removeJob',
                    'removeMultipleJobs', 'removeParticipant', 'removeMultipleParticipants', 'updateDispatchCustomData', 'getDispatch', 'getDispatchHistory']) AS operation;
SELECT pg_temp.fails(format('SELECT dispatch.request(%L, ''{"dispatchTypeName": "open"}'', ''{"additionalProp1": false}'')', operation))
  FROM unnest(ARRAY['createDispatchAttributes', 'getDispatchAttributes', 'getDispatchType']) AS operation;
-- (JSON null is the same as absent.)
SELECT dispatch.request('getDispatchType', '{"dispatchTypeName": "open", "any": null}', '{"additionalProp1": null}') -> 'error';
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchType', '{}', '{"name": "more", "Name": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatchTypes', '{}', '{"limit": 5}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER", "jobId": "x"}', '{"jobId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeJob', '{"dispatchRef": "NEITHER", "participantId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeJob', '{"dispatchRef": "NEITHER"}', '{"jobId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', '{"dispatchTypeName": "open"}', '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER"}', '{"jobId": "x", "jobId dispatchId": 1}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER"}', '{"jobId": "x", "": 1}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER"}', jsonb_build_object('jobId', 'x', repeat('long', 1000), 1))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "NEITHER"}', '{"jobId": "x", "event_meta": {}}')$$);

--
-- Names of types and dispatches: by id, by name, by both, which must agree
--
SELECT dispatch.get_type('open') ->> 'dispatchTypeId' AS open_id \gset
SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', :'open_id')) -> 'error';
SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', :'open_id', 'dispatchTypeName', 'open')) -> 'error';
SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', upper(:'open_id'))) -> 'error';
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', current_setting('test.type'), 'dispatchTypeName', 'open'))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', current_setting('test.type'), 'dispatchTypeName', 'nosuch'))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "nosuch"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeId": "00000000-0000-7000-8000-000000000000"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeId": "open"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatchType', '{}')$$);
SELECT dispatch.request('getDispatchType', jsonb_build_object('dispatchTypeId', :'open_id', 'dispatchTypeName', 'open')) #>> '{data,dispatchTypeName}';
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatchType', jsonb_build_object('dispatchTypeId', current_setting('test.type'), 'dispatchTypeName', 'open'))$$);
SELECT dispatch.request('getDispatch', '{"dispatchRef": "EXTRA"}') #>> '{data,dispatchRef}';
SELECT dispatch.request('getDispatch', jsonb_build_object('dispatchRef', 'ROUTE-17', 'dispatchId', current_setting('test.dispatch'))) #>> '{data,dispatchRef}';
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', jsonb_build_object('dispatchRef', 'EXTRA', 'dispatchId', current_setting('test.dispatch')))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', jsonb_build_object('dispatchRef', 'NOSUCH', 'dispatchId', current_setting('test.dispatch')))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchRef": "NOSUCH"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchId": "00000000-0000-7000-8000-000000000000"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchId": "ROUTE-17"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchId": ""}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatchHistory', '{"dispatchId": "00000000-0000-7000-8000-000000000000"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeJob', '{"dispatchId": "00000000-0000-7000-8000-000000000000", "jobId": "j"}')$$);

--
-- Operations, params and bodies that are wrong
--
SELECT pg_temp.fails($$SELECT dispatch.request('nosuch')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createdispatch')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('')$$);
SELECT pg_temp.fails($$SELECT dispatch.request(repeat('x', 1000))$$);
SELECT pg_temp.fails($$SELECT dispatch.request(NULL)$$);
SELECT pg_temp.fails(format('SELECT dispatch.request(''getDispatchTypes'', %L)', params)) FROM unnest(ARRAY['[]', '1', '"x"', 'true', '[{}]']) AS params;
SELECT pg_temp.fails(format('SELECT dispatch.request(''getDispatchTypes'', ''{}'', %L)', body)) FROM unnest(ARRAY['[]', '1', '"x"', 'false']) AS body;
-- Missing members.
SELECT pg_temp.fails(format('SELECT dispatch.request(%L, ''{"dispatchRef": "NEITHER"}'')', operation))
  FROM unnest(ARRAY['addJob', 'addMultipleJobs', 'addParticipant', 'addMultipleParticipants', 'updateDispatchStatus', 'updateDispatchSubStatus', 'removeJob',
                    'removeMultipleJobs', 'removeParticipant', 'removeMultipleParticipants', 'updateDispatchCustomData']) AS operation;
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{}', '{"jobId": "j"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchType')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchAttributes', '{"dispatchTypeName": "open"}')$$);
-- Wrong JSON types.
SELECT pg_temp.fails(format('SELECT dispatch.request(%L, %L, %L)', operation, CASE WHEN operation LIKE 'create%' THEN '{}' ELSE '{"dispatchRef": "NEITHER"}' END, body))
  FROM (VALUES ('createDispatchType', '{"name": 1}'),
               ('createDispatchType', '{"name": "types", "additionalAttributes": "yes"}'),
               ('createDispatchType', '{"name": "types", "lifecycle": []}'),
               ('createDispatchType', '{"name": "types", "_event_meta": []}'),
               ('createDispatch', '{"dispatchTypeName": "open", "jobs": "j"}'),
               ('createDispatch', '{"dispatchTypeName": "open", "jobs": {"a": 1}}'),
               ('createDispatch', '{"dispatchTypeName": "open", "participants": ["p", 1]}'),
               ('createDispatch', '{"dispatchTypeName": "open", "participants": ["p", null]}'),
               ('createDispatch', '{"dispatchTypeName": "open", "jobs": [["a"]]}'),
               ('createDispatch', '{"dispatchTypeName": "open", "customData": []}'),
               ('createDispatch', '{"dispatchTypeName": "open", "customData": "x"}'),
               ('createDispatch', '{"dispatchTypeName": "open", "dispatchRef": 12345}'),
               ('createDispatch', '{"dispatchTypeName": ["open"]}'),
               ('createDispatch', '{"dispatchTypeName": "open", "callback": "http://example.com/"}'),
               ('addJob', '{"jobId": 17}'),
               ('addJob', '{"jobId": {"id": "j"}}'),
               ('addJob', '{"jobId": "j", "_event_meta": "x"}'),
               ('addMultipleJobs', '{"jobs": "j"}'),
               ('addMultipleJobs', '{"jobs": [true]}'),
               ('addMultipleParticipants', '{"participants": {}}'),
               ('updateDispatchStatus', '{"status": 1}'),
               ('updateDispatchStatus', '{"status": "END", "subStatus": 1}'),
               ('updateDispatchSubStatus', '{"subStatus": ["x"]}'),
               ('updateDispatchCustomData', '{"patch": []}')) AS v(operation, body);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchId": 1}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeJob', '{"dispatchRef": "NEITHER", "jobId": 1}')$$);
-- The rules of the operations hold here too.
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "open", "dispatchRef": "ROUTE-17"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "lastmile", "customData": {"weight": -1, "colour": 1}}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "NEITHER"}', '{"jobs": []}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "NEITHER"}', '{"jobs": ["a", "a"]}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "ROUTE-17"}', '{"jobId": "late"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeParticipant', '{"dispatchRef": "NEITHER", "participantId": "nobody"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('updateDispatchStatus', '{"dispatchRef": "NEITHER"}', '{"status": "closed"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchType', '{}', '{"name": "open"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('removeJob', '{"dispatchRef": "NEITHER", "jobId": "w"}', '{"callback": {"url": "http://example.com/", "wait": true}}')$$);

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
