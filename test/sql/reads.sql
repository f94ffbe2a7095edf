-- What is read: get_dispatch(), dispatch_id(), history() and the views.
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

SELECT dispatch.create_type('lastmile') AS type_id \gset
SELECT dispatch.create_attributes('lastmile', '[
    {"name": "zone", "description": "where", "tags": ["geo", "x"], "dataType": "string", "indexed": true, "defaultValue": "north", "validation": {"valueOneOf": ["north", "south"], "required": true}},
    {"name": "weight", "dataType": "number"}]');
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{j2,j1}', '{van}', '{"weight": 1.0}', event_meta => '{"n": 1}',
                                callback => '{"url": "https://secret.example.com:8443/token-1?x=token-2", "method": "PUT", "headers": [{"key": "Authorization", "value": "token-3"}]}',
                                extra => '{"tenant": "acme", "tags": []}') AS id \gset

-- Section 2: get_dispatch() has the documented names, none that is NULL, and the extra members.
SELECT string_agg(name, ' ') FROM jsonb_object_keys(dispatch.get_dispatch(:'id')) AS name;
SELECT dispatch.update_status(:'id', 'ASSIGNED', 'ready');
SELECT string_agg(name, ' ') FROM jsonb_object_keys(dispatch.get_dispatch(:'id')) AS name;
SELECT d ->> 'dispatchId' = :'id', d ->> 'dispatchTypeId' = :'type_id', d ->> 'dispatchRef', d ->> 'dispatchTypeName', d ->> 'status', d ->> 'subStatus',
       d -> 'jobs', d -> 'participants', d -> 'customData', d -> 'version', d -> 'tenant', d -> 'tags'
  FROM dispatch.get_dispatch(:'id') AS d;
SELECT dispatch.create_dispatch('lastmile') AS bare \gset
SELECT string_agg(name, ' ') FROM jsonb_object_keys(dispatch.get_dispatch(:'bare')) AS name;
SELECT pg_temp.fails($$SELECT dispatch.get_dispatch(NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.get_dispatch('00000000-0000-7000-8000-000000000000')$$);
SELECT pg_temp.fails($$SELECT dispatch.get_dispatch('x')$$);

-- Times are RFC 3339 in UTC, whatever the session's settings; the fraction is that of the row.
CREATE FUNCTION pg_temp.times() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', d ->> 'createdAt' ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3,6}Z$',
                          (d ->> 'createdAt')::timestamptz = r.created_at, (d ->> 'updatedAt')::timestamptz = r.updated_at,
                          md5((d ->> 'createdAt') || (d ->> 'updatedAt')) = current_setting('test.seen', true))
      FROM dispatch.dispatches AS r, dispatch.get_dispatch(r.id) AS d WHERE r.dispatch_ref = 'ROUTE-17';
$$;
SELECT set_config('test.seen', md5((d ->> 'createdAt') || (d ->> 'updatedAt')), false) <> '' FROM dispatch.get_dispatch(:'id') AS d;
SET TimeZone = 'Asia/Kathmandu';
SELECT pg_temp.times();
SET TimeZone = 'America/St_Johns';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'iso_8601';
SELECT pg_temp.times();
SET DateStyle = 'German';
SET TimeZone = '<+14:45>-14:45';
SET extra_float_digits = -15;
SELECT pg_temp.times();
SET DateStyle = 'Postgres, YMD';
SET TimeZone = 'UTC';
SELECT pg_temp.times();
-- Whole seconds, the last day of a leap February, the end of the years of four digits.
UPDATE dispatch.dispatches SET created_at = '2024-02-29 23:59:59Z', updated_at = '9999-12-31 23:59:59.999999Z' WHERE id = :'bare';
SET TimeZone = 'Pacific/Kiritimati';
SELECT d ->> 'createdAt', d ->> 'updatedAt' FROM dispatch.get_dispatch(:'bare') AS d;
RESET TimeZone;
RESET DateStyle;
RESET IntervalStyle;
RESET extra_float_digits;

-- dispatch_id(): the id that has the reference, to the letter; every call by reference is made with it.
SELECT dispatch.dispatch_id('ROUTE-17') = :'id';
SELECT pg_temp.fails($$SELECT dispatch.dispatch_id('route-17')$$);
SELECT pg_temp.fails($$SELECT dispatch.dispatch_id('')$$);
SELECT pg_temp.fails($$SELECT dispatch.dispatch_id(repeat('x', 200))$$);
SELECT pg_temp.fails($$SELECT dispatch.dispatch_id(NULL)$$);
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j3');
SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), '{j4,j5}');
SELECT dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'j4');
SELECT dispatch.remove_jobs(dispatch.dispatch_id('ROUTE-17'), '{j5}');
SELECT dispatch.add_participant(dispatch.dispatch_id('ROUTE-17'), 'driver');
SELECT dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'late');
SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"zone": "south"}');
SELECT d ->> 'version', d ->> 'subStatus', d -> 'customData' FROM dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) AS d;
SELECT count(*) FROM dispatch.history(dispatch.dispatch_id('ROUTE-17'));

-- history(): oldest first, with event_meta and the caller, who is whoever called, not who defined the functions.
CREATE ROLE regress_dispatch_app;
CREATE ROLE regress_dispatch_reader;
GRANT USAGE ON SCHEMA dispatch TO regress_dispatch_app, regress_dispatch_reader;
GRANT EXECUTE ON FUNCTION dispatch.add_job(uuid, text, jsonb, jsonb, text, bigint), dispatch.dispatch_id(text), dispatch.history(uuid) TO regress_dispatch_app;
SET ROLE regress_dispatch_app;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j9', event_meta => '{"n": 2, "nested": {"a": null}}');
SELECT sequence, type, event_meta, CASE caller WHEN session_user::text THEN 'who began the session' ELSE caller END AS caller
  FROM dispatch.history(dispatch.dispatch_id('ROUTE-17'));
RESET ROLE;
-- Inside of somebody else's SECURITY DEFINER function it is still whoever called from outside.
CREATE FUNCTION public.adds_job() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j10');
$$;
ALTER FUNCTION public.adds_job() OWNER TO regress_dispatch_app;
SET ROLE regress_dispatch_reader;
SELECT public.adds_job();
RESET ROLE;
SELECT sequence, caller FROM dispatch.history(:'id') ORDER BY sequence DESC LIMIT 1;
DROP FUNCTION public.adds_job();
SELECT bool_and(at >= before) FROM (SELECT at, lag(at, 1, '-infinity') OVER () AS before FROM dispatch.history(:'id')) AS h;
SELECT pg_temp.fails($$SELECT dispatch.history(NULL)$$);
SELECT pg_temp.fails($$SELECT * FROM dispatch.history('00000000-0000-7000-8000-000000000000')$$);
-- As a join, with a LIMIT, and in the select list.
SELECT r.dispatch_ref, h.sequence, h.type FROM dispatch.dispatches AS r, LATERAL dispatch.history(r.id) AS h ORDER BY r.id, h.sequence LIMIT 3;
SELECT (dispatch.history(:'bare')).type;

-- Views: they have the columns that section 2 names.
SELECT c.relname, string_agg(a.attname, ' ' ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relkind = 'v' GROUP BY c.relname ORDER BY c.relname COLLATE "C";
SELECT job_id, state, sequence, ordinal FROM dispatch.jobs WHERE dispatch_id = :'id' ORDER BY sequence, ordinal;
SELECT participant_id, state, sequence, ordinal FROM dispatch.participants WHERE dispatch_id = :'id' ORDER BY sequence, ordinal;
SELECT j.added_at = e.at FROM dispatch.jobs AS j JOIN dispatch.events AS e USING (dispatch_id, sequence) WHERE j.job_id = 'j3';
SELECT e.sequence, e.type, e.data = h.data AND e.at = h.at AND e.caller = h.caller AND e.event_meta IS NOT DISTINCT FROM h.event_meta
  FROM dispatch.events AS e JOIN dispatch.history(:'id') AS h USING (sequence) WHERE e.dispatch_id = :'id' ORDER BY e.sequence;
SELECT dispatch_id = :'id', sequence, host, state, attempts, last_status, last_error, next_at IS NOT NULL FROM dispatch.callbacks;
SELECT type_name, name, data_type, description, tags, required, indexed, default_value, validation, position FROM dispatch.attributes ORDER BY position;

-- URLs and headers stand in no view for readers, in no event and in nothing that a reader calls.
GRANT SELECT ON dispatch.types, dispatch.attributes, dispatch.dispatches, dispatch.jobs, dispatch.participants,
                dispatch.events, dispatch.callbacks TO regress_dispatch_reader;
GRANT EXECUTE ON FUNCTION dispatch.get_dispatch(uuid), dispatch.history(uuid), dispatch.request(text, jsonb, jsonb) TO regress_dispatch_reader;
SELECT set_config('test.id', :'id', false) = :'id';
SET ROLE regress_dispatch_reader;
SELECT name, doc ~ 'token-|:8443|Authorization' AS leaks
  FROM (SELECT 'callbacks', string_agg(c::text, ' ') FROM dispatch.callbacks AS c
        UNION ALL SELECT 'events', string_agg(e::text, ' ') FROM dispatch.events AS e
        UNION ALL SELECT 'dispatches', string_agg(d::text, ' ') FROM dispatch.dispatches AS d
        UNION ALL SELECT 'get_dispatch', dispatch.get_dispatch(current_setting('test.id')::uuid)::text
        UNION ALL SELECT 'history', string_agg(h::text, ' ') FROM dispatch.history(current_setting('test.id')::uuid) AS h
        UNION ALL SELECT 'request', dispatch.request('getDispatchHistory', '{"dispatchRef": "ROUTE-17"}')::text) AS seen(name, doc);
\set VERBOSITY sqlstate
SELECT callback_url FROM dispatch.event_log;
SELECT * FROM dispatch.queue;
SELECT * FROM dispatch.members;
SELECT * FROM dispatch.claim_callbacks();
SELECT dispatch.add_job(current_setting('test.id')::uuid, 'j');
INSERT INTO dispatch.dispatches (type_id) SELECT id FROM dispatch.types;
UPDATE dispatch.jobs SET job_id = 'x';
RESET ROLE;
\set VERBOSITY default
-- Nothing for PUBLIC.
SELECT count(*) FROM pg_proc AS p, aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
 WHERE p.pronamespace = 'dispatch'::regnamespace AND a.grantee = 0;
SELECT count(*) FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.relnamespace = 'dispatch'::regnamespace AND a.grantee = 0;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_app, regress_dispatch_reader;
