-- Dispatch types: created, found by id and by name, listed, their history.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off

-- A name matches ^[a-zA-Z]{4,16}$: both edges, both sides.
SELECT dispatch.create_type('abcd') IS NOT NULL AS four;
SELECT dispatch.create_type('ABCDefghIJKLmnop') IS NOT NULL AS sixteen;
SELECT dispatch.create_type('abc');
\echo :SQLSTATE
SELECT dispatch.create_type('ABCDefghIJKLmnopq');
\echo :SQLSTATE
SELECT dispatch.create_type('');
\echo :SQLSTATE
SELECT dispatch.create_type(NULL);
\echo :SQLSTATE

-- Letters from A to Z only: no digits, signs, spaces, line ends, no letters of other alphabets.
\set VERBOSITY terse
SELECT dispatch.create_type('lastmile2');
\echo :SQLSTATE
SELECT dispatch.create_type('last_mile');
\echo :SQLSTATE
SELECT dispatch.create_type('last mile');
\echo :SQLSTATE
SELECT dispatch.create_type(E'lastmile\n');
\echo :SQLSTATE
SELECT dispatch.create_type('fünf');
\echo :SQLSTATE
SELECT dispatch.create_type('ｌａｓｔ');
\echo :SQLSTATE
\set VERBOSITY default

-- What is shown of a name that is too long is cut.
SELECT dispatch.create_type(repeat('ä', 1000));
\echo :SQLSTATE

-- A name is unique; another case is another name.
SELECT dispatch.create_type('abcd');
\echo :SQLSTATE
SELECT dispatch.create_type('ABCD') IS NOT NULL AS other_case;

-- The driver is told which constraint was broken.
DO $$
DECLARE
    schema_name text;
    table_name text;
    constraint_name text;
BEGIN
    PERFORM dispatch.create_type('abcd');
EXCEPTION WHEN unique_violation THEN
    GET STACKED DIAGNOSTICS schema_name = SCHEMA_NAME, table_name = TABLE_NAME,
        constraint_name = CONSTRAINT_NAME;
    RAISE WARNING '% % %', schema_name, table_name, constraint_name;
END
$$;

-- The id is a UUID of version 7, and a later one is larger.
SELECT dispatch.create_type('first') AS first \gset
SELECT dispatch.create_type('second') AS second \gset
SELECT :'first' ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS version_7,
       :'first'::uuid < :'second'::uuid AS ordered;

-- The other arguments by name; event_meta is an object, additional_attributes no NULL.
SELECT dispatch.create_type(name => 'named', additional_attributes => true,
                            event_meta => '{"by": "a test", "n": [1, {"deep": null}]}') IS NOT NULL AS named;
SELECT dispatch.create_type('other', event_meta => '["a"]');
\echo :SQLSTATE
SELECT dispatch.create_type('other', additional_attributes => NULL);
\echo :SQLSTATE

-- get_type(): by id as uuid, by name, by id as text. Times are RFC 3339 in UTC whatever the settings.
SELECT dispatch.get_type('named') - '{dispatchTypeId,createdAt,updatedAt}'::text[] AS type;
SELECT dispatch.get_type(:'first'::uuid) ->> 'dispatchTypeName' AS by_uuid,
       dispatch.get_type(:'first'::text) ->> 'dispatchTypeName' AS by_text_of_id,
       dispatch.get_type(upper(:'first')) ->> 'dispatchTypeName' AS by_capitals,
       dispatch.get_type('first') ->> 'dispatchTypeId' = :'first' AS by_name;
SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German';
SELECT t.type ->> 'createdAt' ~ '^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$' AS rfc_3339,
       (t.type ->> 'createdAt')::timestamptz = c.created_at AS true_time
  FROM dispatch.get_type('named') AS t(type), dispatch.types AS c
 WHERE c.name = 'named';
RESET TimeZone;
RESET DateStyle;

-- list_types(): all, by name.
SELECT t.type ->> 'dispatchTypeName' AS name, t.type ->> 'revision' AS revision,
       t.type ->> 'additionalAttributes' AS additional
  FROM dispatch.list_types() AS t(type);

-- get_attributes() of a type that has none.
SELECT dispatch.get_attributes('named') - 'dispatchTypeId' AS attributes;
SELECT dispatch.get_attributes(:'first'::uuid) ->> 'dispatchTypeId' = :'first' AS by_uuid;

-- type_history(): created, attributes added, each with its event_meta and the caller.
SELECT dispatch.create_attributes('named', '[{"name": "zone", "dataType": "string"}]', '{"why": "zones"}');
SELECT dispatch.create_attributes(dispatch_type => 'named', attributes => '[{"name": "weight", "dataType": "number"}, {"name": "loaded", "dataType": "boolean"}]');
SELECT h.sequence, h.type, h.data, h.event_meta, h.caller = current_user AS by_me, h.at <= clock_timestamp() AS past
  FROM dispatch.type_history('named') AS h;
SELECT (SELECT count(*) FROM dispatch.type_history(:'first'::uuid)) AS by_uuid,
       (SELECT count(*) FROM dispatch.type_history(:'first')) AS by_text_of_id;

-- A type that is not there: P0002, whoever asks, by name and by id.
SELECT dispatch.get_type('missing');
\echo :SQLSTATE
SELECT dispatch.get_type('00000000-0000-7000-8000-000000000000'::uuid);
\echo :SQLSTATE
SELECT dispatch.get_type('00000000-0000-7000-8000-000000000000');
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT dispatch.get_attributes('missing');
SELECT dispatch.create_attributes('missing', '[{"name": "zone", "dataType": "string"}]');
SELECT dispatch.create_attributes('00000000-0000-7000-8000-000000000000'::uuid, '[{"name": "zone", "dataType": "string"}]');
SELECT * FROM dispatch.type_history('missing');
SELECT * FROM dispatch.type_history('00000000-0000-7000-8000-000000000000'::uuid);
SELECT * FROM dispatch.validate('missing', '{}');
SELECT dispatch.is_valid('missing', '{}');
SELECT dispatch.create_dispatch('missing');
SELECT dispatch.get_type('');
SELECT dispatch.get_type(repeat('x', 100000));

-- NULL is no type: 22023.
SELECT dispatch.get_type(NULL::text);
SELECT dispatch.get_type(NULL::uuid);
SELECT dispatch.get_attributes(NULL::text);
SELECT dispatch.create_attributes(NULL::uuid, '[{"name": "zone", "dataType": "string"}]');
SELECT dispatch.is_valid(NULL::text, '{}');
\set VERBOSITY default

-- A failed call leaves nothing behind: types and their histories are as many.
SELECT (SELECT count(*) FROM dispatch.types) AS types,
       (SELECT count(*) FROM dispatch.type_events WHERE type = 'dispatch_type.created') AS created;

DROP EXTENSION dispatch CASCADE;
