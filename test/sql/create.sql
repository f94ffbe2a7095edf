-- create_dispatch(): arguments, limits, what is stored and returned.
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
    {"name": "plate", "dataType": "string", "validation": {"required": true, "regex": "^[A-Z]{2}[0-9]+$"}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0, "max": 100}}},
    {"name": "zone", "dataType": "string", "defaultValue": "north"}]');
SELECT dispatch.create_type('plain') IS NOT NULL;

-- Section 2: every argument, by name; what is given is what get_dispatch() returns.
SELECT dispatch.create_dispatch(
           dispatch_type => 'lastmile',
           dispatch_ref => 'ROUTE-17',
           jobs => ARRAY['j2', 'j1'],
           participants => ARRAY['driver', 'van'],
           custom_data => '{"plate": "AB12", "weight": 12.50}',
           callback => '{"url": "https://example.com/hook", "headers": [{"key": "X-Token", "value": "secret"}]}',
           event_meta => '{"source": "app"}',
           extra => '{"tenant": "acme", "nested": {"a": [1, null]}}') AS id \gset
SELECT jsonb_pretty(dispatch.get_dispatch(:'id') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt');
SELECT d ->> 'dispatchId' = :'id', d ->> 'dispatchTypeId' = :'type_id', d ->> 'createdAt' = d ->> 'updatedAt'
  FROM dispatch.get_dispatch(:'id') AS d;

-- One event and version 1, with event_meta, and one callback in the queue.
SELECT sequence, type, data, event_meta FROM dispatch.history(:'id');
SELECT dispatch_id = :'id', sequence, host, state, attempts FROM dispatch.callbacks;

-- Only the type is required; empty arrays are the default, and fine when given.
SELECT dispatch.create_dispatch('plain') AS bare \gset
SELECT dispatch.get_dispatch(:'bare') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT dispatch.create_dispatch('plain', jobs => '{}', participants => '{}') AS bare \gset
SELECT dispatch.get_dispatch(:'bare') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT sequence, type, data, event_meta FROM dispatch.history(:'bare');
-- The arguments stand in the order of the contract.
SELECT dispatch.create_dispatch('plain', 'ROUTE-18', '{a}', '{b}', '{}', NULL, '{"m": 1}') AS bare \gset
SELECT dispatch.get_dispatch(:'bare') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';

-- dispatch_type: a name, an id as text, an id as uuid.
SELECT dispatch.create_dispatch(:'type_id', custom_data => '{"plate": "AA1"}') AS by_text \gset
SELECT dispatch.create_dispatch(:'type_id'::text, custom_data => '{"plate": "AA1"}') AS by_text \gset
SELECT dispatch.create_dispatch(:'type_id'::uuid, custom_data => '{"plate": "AA1"}') AS by_uuid \gset
SELECT dispatch.get_dispatch(:'by_text') ->> 'dispatchTypeName', dispatch.get_dispatch(:'by_uuid') ->> 'dispatchTypeName';
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('nosuch')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('00000000-0000-7000-8000-000000000000')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('00000000-0000-7000-8000-000000000000'::uuid)$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('LASTMILE')$$);

-- The id is a UUID of version 7 and of the RFC's variant, and ids rise with time.
SELECT substr(:'id', 15, 1), substr(:'id', 20, 1) ~ '[89ab]';
SELECT abs(extract(epoch FROM d.created_at) * 1000
           - ('x' || translate(left(d.id::text, 13), '-', ''))::bit(48)::bigint) < 60000
  FROM dispatch.dispatches AS d WHERE d.id = :'id';
SELECT count(*), count(DISTINCT id), bool_and(id > before)
  FROM (SELECT id, lag(id, 1, '00000000-0000-0000-0000-000000000000') OVER (ORDER BY n) AS before
          FROM (SELECT n, dispatch.create_dispatch('plain') AS id FROM generate_series(1, 1000) AS n) AS made) AS ordered;

-- dispatchRef: 4 to 64 characters, not bytes.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', 'abc')$$);
SELECT dispatch.create_dispatch('plain', 'abcd') IS NOT NULL;
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', 'üüü')$$);
SELECT dispatch.create_dispatch('plain', 'üüüü') IS NOT NULL;
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', '😀')$$);
SELECT dispatch.create_dispatch('plain', repeat('x', 64)) IS NOT NULL;
SELECT dispatch.create_dispatch('plain', repeat('😀', 64)) IS NOT NULL;
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', repeat('x', 65))$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', repeat('😀', 65))$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', repeat('x', 100000))$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', '')$$);
SELECT dispatch.get_dispatch(dispatch.dispatch_id(repeat('😀', 64))) ->> 'dispatchRef' = repeat('😀', 64);

-- It is unique among dispatches, of other types too, to the letter.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', 'ROUTE-17')$$);
SELECT dispatch.create_dispatch('plain', 'route-17') IS NOT NULL, dispatch.create_dispatch('plain', 'ROUTE-17 ') IS NOT NULL;

-- jobId, participantId: 1 to 64 characters.
SELECT dispatch.create_dispatch('plain', 'EDGE-IDS', ARRAY['j', repeat('ß', 64)], ARRAY['p', repeat('😀', 64)]) IS NOT NULL;
SELECT count(*), min(length(job_id)), max(length(job_id)) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('EDGE-IDS');
SELECT count(*), min(length(participant_id)), max(length(participant_id)) FROM dispatch.participants WHERE dispatch_id = dispatch.dispatch_id('EDGE-IDS');
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => ARRAY['j', ''])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => ARRAY['p', ''])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => ARRAY['j', repeat('j', 65)])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => ARRAY[repeat('😀', 65)])$$);

-- A NULL element, more than one dimension, an id that is named twice.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => ARRAY['j', NULL])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => ARRAY[NULL]::text[])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => ARRAY[['a', 'b'], ['c', 'd']])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => ARRAY[['a']])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => ARRAY['a', 'b', 'a'])$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => ARRAY['p', 'p'])$$);
-- An array that does not begin at 1 is one like any other; a job and a participant may have the same id.
SELECT dispatch.create_dispatch('plain', 'BOUNDS', '[5:6]={a,b}', '[-1:0]={a,b}') IS NOT NULL;
SELECT d -> 'jobs', d -> 'participants' FROM dispatch.get_dispatch(dispatch.dispatch_id('BOUNDS')) AS d;

-- custom_data: validated (all violations), completed by defaults, an object.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('lastmile')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('lastmile', custom_data => '{"plate": "x", "weight": 101, "zone": 1, "colour": "red"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => '{"colour": "red"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => '[]')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => '"text"')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => 'null')$$);

-- extra: any members but those that get_dispatch() itself uses.
SELECT pg_temp.fails(format('SELECT dispatch.create_dispatch(''plain'', extra => %L)', jsonb_build_object('fine', 1, name, 1)))
  FROM unnest(ARRAY['dispatchId', 'dispatchRef', 'dispatchTypeId', 'dispatchTypeName', 'status', 'subStatus', 'jobs',
                    'participants', 'customData', 'version', 'createdAt', 'updatedAt']) AS name;
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', extra => '{"version": null}')$$);
SELECT dispatch.create_dispatch('plain', 'EXTRA', extra => '{"STATUS": 1, "sequence": 7, "": "", "reason": "x"}') IS NOT NULL;
SELECT dispatch.get_dispatch(dispatch.dispatch_id('EXTRA')) - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', extra => '[1]')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', extra => '1')$$);
-- event_meta: an object.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', event_meta => '"x"')$$);

-- NULL where a value must be: an error that names the argument. Elsewhere it is the same as absent.
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch(NULL::text)$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch(NULL::uuid)$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', participants => NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => NULL)$$);
SELECT dispatch.create_dispatch('plain', dispatch_ref => NULL, callback => NULL, event_meta => NULL, extra => NULL) AS bare \gset
SELECT dispatch.get_dispatch(:'bare') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT dispatch.create_dispatch('plain', callback => 'null') IS NOT NULL;

-- What failed left nothing: each dispatch has one event, and nothing else has any.
SELECT (SELECT count(*) FROM dispatch.dispatches) = (SELECT count(*) FROM dispatch.events),
       (SELECT count(*) FROM dispatch.jobs WHERE dispatch_id NOT IN (SELECT id FROM dispatch.dispatches)),
       (SELECT count(*) FROM dispatch.callbacks);

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
