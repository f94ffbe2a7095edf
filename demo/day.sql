-- A day of a parcel service, told to dispatch.
--
-- demo/run plays this file with psql. To play it by hand in a database of your own, name a
-- base URL for the callbacks, and read the errors of the third part as they come:
--
--     psql -v receiver=http://127.0.0.1:8080 < demo/day.sql
--
-- Part 1 uses the documented request bodies as they stand, through dispatch.request();
-- part 2 the typed functions, as SQL programs call them; part 3 is what must not work.

\set QUIET on
\set ON_ERROR_STOP on
\pset pager off
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS dispatch;

--
-- 1. The operations of the how-to, in its order
--
\echo
\echo 'The how-to, operation by operation'

-- A type says what kind of dispatch there is.
SELECT dispatch.request('createDispatchType', '{}',
$$ {
    "name": "lastmile",
    "_event_meta": {"user": "operations"}
} $$) -> 'data' AS data \gset
\echo '  createDispatchType        ' :data
SELECT :'data'::jsonb ->> 'dispatchTypeId' AS type \gset

-- Its attributes say which custom data a dispatch holds, and what is valid.
SELECT dispatch.request('createDispatchAttributes', jsonb_build_object('dispatchTypeId', :'type'),
$$ {
    "attributes": [
        {"name": "licensePlate", "dataType": "string", "description": "of the vehicle",
         "tags": ["vehicle"], "indexed": true,
         "validation": {"required": true, "regex": "^[A-Z]{1,3}-[A-Z]{1,2} [1-9][0-9]{0,3}$"}},
        {"name": "weightKg", "dataType": "number", "description": "of the whole load",
         "tags": ["load"], "indexed": true,
         "validation": {"required": true, "range": {"min": 0.1, "max": 1200}}},
        {"name": "zone", "dataType": "string", "description": "where it goes",
         "tags": ["route"], "indexed": true,
         "validation": {"required": true, "valueOneOf": ["north", "east", "south", "west"]}},
        {"name": "priority", "dataType": "number", "description": "1 goes first",
         "defaultValue": 2, "validation": {"valueOneOf": [1, 2, 3]}},
        {"name": "refrigerated", "dataType": "boolean", "description": "must be kept cold",
         "tags": ["load"], "defaultValue": false, "validation": {}},
        {"name": "instructions", "dataType": "string", "description": "for the driver, in words",
         "validation": {"range": {"min": 3, "max": 200}}},
        {"name": "depot", "dataType": "object", "description": "where it starts",
         "defaultValue": {"code": "BER-1", "gate": 4}, "validation": {}},
        {"name": "stops", "dataType": "array", "description": "postal codes in their order",
         "tags": ["route"], "validation": {}}
    ],
    "_event_meta": {"user": "operations", "ticket": "OPS-311"}
} $$) -> 'data' AS data \gset
\echo '  createDispatchAttributes  ' :data

SELECT jsonb_path_query_array(
    dispatch.request('getDispatchAttributes', jsonb_build_object('dispatchTypeId', :'type')),
    '$.data.attributes[*].name') AS data \gset
\echo '  getDispatchAttributes     ' :data

-- One dispatch. The callback is told what became of it, once this has committed.
SELECT dispatch.request('createDispatch', '{}', format(
$$ {
    "dispatchRef": "ROUTE-17",
    "dispatchTypeName": "lastmile",
    "jobs": ["P-1001", "P-1002", "P-1003"],
    "participants": ["driver-ada"],
    "customData": {
        "licensePlate": "B-MX 4021", "weightKg": 212.5, "zone": "north",
        "instructions": "Ring twice; the dog is friendly.", "stops": ["13351", "13347", "13353"]
    },
    "callback": {
        "url": "%s/dispatches",
        "headers": [{"key": "X-Tenant", "value": "parcels"}]
    },
    "_event_meta": {"user": "planner", "plan": "tuesday"},
    "customerNote": "kept as it is, since the documentation shows additional properties here"
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  createDispatch            ' :data
SELECT jsonb_build_object('dispatchId', :'data'::jsonb ->> 'dispatchId') AS route \gset

-- Jobs come, one and several.
SELECT dispatch.request('addJob', :'route', format(
$$ {
    "jobId": "P-1004",
    "callback": {
        "url": "%s/jobs",
        "headers": [{"key": "Authorization", "value": "Bearer of-the-job-service"}]
    },
    "_event_meta": {"user": "counter-3", "reason": "came late"}
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  addJob                    ' :data

SELECT dispatch.request('addMultipleJobs', :'route', format(
$$ {
    "jobs": ["P-1005", "P-1006", "P-1007"],
    "callback": {
        "url": "%s/jobs",
        "headers": [{"key": "Authorization", "value": "Bearer of-the-job-service"}]
    },
    "_event_meta": {"user": "counter-3", "reason": "one sender, three parcels"}
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  addMultipleJobs           ' :data

-- Who and what does them.
SELECT dispatch.request('addParticipant', :'route', format(
$$ {
    "participantId": "van-0402",
    "callback": {"url": "%s/participants", "headers": []},
    "_event_meta": {"user": "fleet"}
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  addParticipant            ' :data

SELECT dispatch.request('addMultipleParticipants', :'route',
$$ {
    "participants": ["helper-ben", "trolley-9"],
    "_event_meta": {"user": "fleet", "reason": "heavy parcels"}
} $$) -> 'data' AS data \gset
\echo '  addMultipleParticipants   ' :data

-- It moves.
SELECT dispatch.request('updateDispatchStatus', :'route', format(
$$ {
    "status": "IN_PROGRESS",
    "subStatus": "LOADING",
    "callback": {"url": "%s/statuses", "headers": []},
    "_event_meta": {"user": "driver-ada", "device": "handheld-88"}
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  updateDispatchStatus      ' :data

SELECT dispatch.request('updateDispatchSubStatus', :'route', format(
$$ {
    "subStatus": "ON_THE_ROAD",
    "callback": {"url": "%s/statuses", "headers": []},
    "_event_meta": {"user": "driver-ada", "device": "handheld-88"}
} $$, :'receiver')::jsonb) -> 'data' AS data \gset
\echo '  updateDispatchSubStatus   ' :data

-- Jobs and participants go.
SELECT dispatch.request('removeJob', :'route' || '{"jobId": "P-1002"}'::jsonb,
$$ {
    "_event_meta": {"user": "counter-3", "reason": "collected"}
} $$) -> 'data' AS data \gset
\echo '  removeJob                 ' :data

SELECT dispatch.request('removeMultipleJobs', :'route',
$$ {
    "jobs": ["P-1005", "P-1006"],
    "_event_meta": {"user": "counter-3", "reason": "sent back"}
} $$) -> 'data' AS data \gset
\echo '  removeMultipleJobs        ' :data

SELECT dispatch.request('removeParticipant', :'route' || '{"participantId": "helper-ben"}'::jsonb,
$$ {
    "_event_meta": {"user": "fleet", "reason": "needed on another route"}
} $$) -> 'data' AS data \gset
\echo '  removeParticipant         ' :data

--
-- 2. The rest of the day, with the typed functions
--
\echo
\echo 'The day: 300 dispatches with 3,000 jobs'

-- Routes of one zone, each with ten jobs, a driver and a van, each a transaction of its own.
CREATE PROCEDURE pg_temp.plan(zone text, routes integer, callback jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    ref text;
BEGIN
    FOR i IN 1 .. routes LOOP
        ref := format('%s-%s', upper(zone), to_char(i, 'FM000'));
        PERFORM dispatch.create_dispatch('lastmile', ref,
            jobs => ARRAY(SELECT format('%s-job-%s', ref, j) FROM generate_series(1, 10) AS j),
            participants => ARRAY['driver-' || ref, 'van-' || ref],
            custom_data => jsonb_build_object(
                'licensePlate', format('B-%s %s', chr(64 + 1 + i % 26), 100 + i),
                'weightKg', 40 + (i * 37) % 900,
                'zone', zone,
                'refrigerated', i % 10 = 0),
            callback => callback,
            event_meta => '{"user": "planner"}');
        COMMIT;
    END LOOP;
END $$;

-- Moves what is in one status to the next, all or the first few. ROUTE-17 stays on the road:
-- part 3 needs it there.
CREATE PROCEDURE pg_temp.move(before text, after text, sub_status text, callback jsonb,
                              few integer DEFAULT NULL)
LANGUAGE plpgsql AS $$
DECLARE
    route uuid;
BEGIN
    FOR route IN SELECT id
                   FROM dispatch.dispatches
                  WHERE status = before AND dispatch_ref <> 'ROUTE-17'
                  ORDER BY id
                  LIMIT few LOOP
        PERFORM dispatch.update_status(route, after, sub_status, callback => callback,
            event_meta => '{"user": "handheld"}');
        COMMIT;
    END LOOP;
END $$;

-- Every so many of the routes on the road lose a job, or three, or get another driver.
CREATE PROCEDURE pg_temp.change_plans(callback jsonb)
LANGUAGE plpgsql AS $$
DECLARE
    route record;
BEGIN
    FOR route IN SELECT id, dispatch_ref AS ref, row_number() OVER (ORDER BY id) AS n
                   FROM dispatch.dispatches
                  WHERE status = 'IN_PROGRESS' AND dispatch_ref <> 'ROUTE-17' LOOP
        IF route.n % 9 = 0 THEN
            PERFORM dispatch.remove_job(route.id, route.ref || '-job-4', callback,
                '{"user": "hotline", "reason": "cancelled"}');
        ELSIF route.n % 20 = 0 THEN
            PERFORM dispatch.remove_jobs(route.id,
                ARRAY(SELECT format('%s-job-%s', route.ref, j) FROM generate_series(7, 9) AS j),
                callback, '{"user": "hotline", "reason": "wrong depot"}');
        ELSIF route.n % 50 = 0 THEN
            PERFORM dispatch.remove_participant(route.id, 'driver-' || route.ref, callback,
                '{"user": "fleet", "reason": "ill"}');
            PERFORM dispatch.add_participant(route.id, 'driver-grace', callback,
                '{"user": "fleet", "reason": "stands in"}');
        END IF;
        COMMIT;
    END LOOP;
END $$;

-- A driver reports stop after stop, with time between them: how soon does anybody know?
CREATE PROCEDURE pg_temp.report_stops(ref text, stops integer, callback jsonb)
LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. stops LOOP
        PERFORM dispatch.update_sub_status(dispatch.dispatch_id(ref), 'STOP_' || i,
            callback => callback, event_meta => '{"user": "handheld"}');
        COMMIT;
        PERFORM pg_sleep(0.1);
    END LOOP;
END $$;

SELECT format('{"url": "%s/day", "headers": [{"key": "X-Tenant", "value": "parcels"}]}',
              :'receiver') AS callback,
       format('{"url": "%s/stops"}', :'receiver') AS stop_callback \gset

\echo '  06:00  routes for the north'
CALL pg_temp.plan('north', 75, :'callback');
\echo '  06:10  routes for the east'
CALL pg_temp.plan('east', 75, :'callback');
\echo '  06:20  routes for the south'
CALL pg_temp.plan('south', 75, :'callback');
\echo '  06:30  routes for the west'
CALL pg_temp.plan('west', 75, :'callback');
\echo '  07:00  drivers take their routes'
CALL pg_temp.move('INITIATED', 'ASSIGNED', NULL, :'callback');
\echo '  08:00  the first 270 are on the road'
CALL pg_temp.move('ASSIGNED', 'IN_PROGRESS', 'ON_THE_ROAD', :'callback', 270);
\echo '  11:00  customers cancel, a driver falls ill'
CALL pg_temp.change_plans(:'callback');
\echo '  12:00  a quiet hour: one driver reports stop after stop'
CALL pg_temp.report_stops('NORTH-001', 30, :'stop_callback');
\echo '  16:00  240 have no parcel left'
CALL pg_temp.move('IN_PROGRESS', 'PENDING_CLOSURE', 'BACK_AT_DEPOT', :'callback', 240);
\echo '  18:00  200 are settled and closed'
CALL pg_temp.move('PENDING_CLOSURE', 'CLOSED', NULL, :'callback', 200);

--
-- 3. What is refused, and how. None of it leaves a trace.
--
\set ON_ERROR_STOP off
\echo
\echo 'Six bad requests'

\echo
\echo '1. A dispatch whose data breaks its attributes: every fault is named'
SELECT dispatch.request('createDispatch', '{}',
$$ {
    "dispatchTypeName": "lastmile",
    "customData": {
        "licensePlate": "no plate", "weightKg": 5000, "zone": "nowhere", "priority": "high",
        "instructions": "Hi", "colour": "blue"
    }
} $$);
\echo 'SQLSTATE:' :SQLSTATE

\echo
\echo '2. A type that does not exist'
SELECT dispatch.create_dispatch('pickup', 'ROUTE-18');
\echo 'SQLSTATE:' :SQLSTATE

\echo
\echo '3. Jobs of which some are there already: all or nothing'
SELECT dispatch.request('addMultipleJobs', '{"dispatchRef": "ROUTE-17"}',
$$ {
    "jobs": ["P-1001", "P-1008", "P-1004"]
} $$);
\echo 'SQLSTATE:' :SQLSTATE

\echo
\echo '4. A status that lies behind'
SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-17'), 'ASSIGNED');
\echo 'SQLSTATE:' :SQLSTATE

\echo
\echo '5. A callback that would leak a password'
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'P-1009',
    callback => '{"url": "https://user:secret@example.com/jobs", "headers": []}');
\echo 'SQLSTATE:' :SQLSTATE

\echo
\echo '6. An attribute whose pattern does not compile'
SELECT dispatch.create_attributes('lastmile',
    '[{"name": "barcode", "dataType": "string", "validation": {"regex": "^([0-9]{12}$"}}]');
\echo 'SQLSTATE:' :SQLSTATE
