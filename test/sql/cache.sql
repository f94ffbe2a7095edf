-- A session keeps compiled types; none that it uses is ever stale.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') AS id \gset
-- What the type says of an empty document, by name and by id.
CREATE FUNCTION pg_temp.ask(dispatch_type text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce((SELECT string_agg(v.attribute, ' ' ORDER BY v.attribute COLLATE "C") FROM dispatch.validate(dispatch_type, '{}') AS v), 'valid');
EXCEPTION WHEN no_data_found THEN
    RETURN 'no such type';
END
$$;
CREATE FUNCTION pg_temp.require(dispatch_type text, attribute text) RETURNS integer LANGUAGE sql AS $$
SELECT dispatch.create_attributes(dispatch_type, jsonb_build_array(jsonb_build_object('name', attribute, 'dataType', 'string', 'validation', '{"required": true}'::jsonb)))
$$;

-- An attribute that is added binds at once, in the same transaction too.
SELECT pg_temp.ask('parcel');
BEGIN;
SELECT pg_temp.require('parcel', 'a');
SELECT pg_temp.ask('parcel'), pg_temp.ask(:'id');
COMMIT;
SELECT pg_temp.ask('parcel'), pg_temp.ask(:'id');

-- One that is rolled back binds no more.
BEGIN;
SELECT pg_temp.require('parcel', 'b');
SELECT pg_temp.ask('parcel');
ROLLBACK;
SELECT pg_temp.ask('parcel');
SELECT dispatch.get_attributes('parcel') -> 'revision' AS revision;

-- Savepoints: each level as it stands.
BEGIN;
SELECT pg_temp.require('parcel', 'b');
SAVEPOINT one;
SELECT pg_temp.require('parcel', 'c');
SELECT pg_temp.ask('parcel');
SAVEPOINT two;
SELECT pg_temp.require('parcel', 'd');
SELECT pg_temp.ask('parcel');
ROLLBACK TO two;
SELECT pg_temp.ask('parcel');
ROLLBACK TO one;
SELECT pg_temp.ask('parcel');
SELECT pg_temp.require('parcel', 'c');
RELEASE one;
SELECT pg_temp.ask('parcel');
ROLLBACK;
SELECT pg_temp.ask('parcel');

-- A failed statement in between changes nothing.
BEGIN;
SAVEPOINT one;
SELECT pg_temp.require('parcel', 'a');
ROLLBACK TO one;
SELECT pg_temp.ask('parcel');
COMMIT;

-- In one statement, what came earlier in it binds later in it.
SELECT pg_temp.ask('parcel') AS before, pg_temp.require('parcel', 'b') AS added, pg_temp.ask('parcel') AS after;

-- A type that was created and rolled back is no type, though it was used meanwhile.
BEGIN;
SELECT dispatch.create_type('ghost') AS ghost \gset
SELECT pg_temp.ask('ghost'), pg_temp.ask(:'ghost');
ROLLBACK;
SELECT pg_temp.ask('ghost'), pg_temp.ask(:'ghost');
SELECT dispatch.create_dispatch('ghost');
\echo :SQLSTATE
-- Another that is created by its name is the one that its name means.
SELECT dispatch.create_type('ghost') AS second \gset
SELECT pg_temp.require('ghost', 'z');
SELECT pg_temp.ask('ghost'), pg_temp.ask(:'second'), pg_temp.ask(:'ghost') AS first;
-- The same by a savepoint, and by an error that is caught.
BEGIN;
SAVEPOINT one;
SELECT dispatch.create_type('spectre') IS NOT NULL AS created;
SELECT pg_temp.ask('spectre');
ROLLBACK TO one;
SELECT pg_temp.ask('spectre');
COMMIT;
DO $$
BEGIN
    PERFORM dispatch.create_type('spectre');
    PERFORM dispatch.create_dispatch('spectre');
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    RAISE WARNING '%', pg_temp.ask('spectre');
END
$$;
SELECT pg_temp.ask('spectre');

-- UPDATE of a type by the owner: attributes, a name, whether more members are allowed, the lifecycle.
SELECT pg_temp.ask('parcel');
UPDATE dispatch.types SET attributes = '[{"name": "x", "dataType": "number", "validation": {"required": true}}]' WHERE name = 'parcel';
SELECT pg_temp.ask('parcel');
UPDATE dispatch.types SET name = 'package' WHERE name = 'parcel';
SELECT pg_temp.ask('parcel') AS old_name, pg_temp.ask('package') AS new_name, pg_temp.ask(:'id') AS id;
SELECT dispatch.is_valid('package', '{"x": 1, "more": 1}') AS more;
UPDATE dispatch.types SET additional_attributes = true WHERE name = 'package';
SELECT dispatch.is_valid('package', '{"x": 1, "more": 1}') AS more;
UPDATE dispatch.types SET lifecycle = '{"initial": "NEW", "final": ["OLD"], "transitions": {"NEW": ["OLD"]}}' WHERE name = 'package';
SELECT dispatch.create_dispatch('package', custom_data => '{"x": 1}') AS dispatch \gset
SELECT dispatch.get_dispatch(:'dispatch') ->> 'status' AS status;
BEGIN;
UPDATE dispatch.types SET name = 'parcel', attributes = '[]' WHERE name = 'package';
SELECT pg_temp.ask('parcel') AS old_name, pg_temp.ask('package') AS new_name;
ROLLBACK;
SELECT pg_temp.ask('parcel') AS old_name, pg_temp.ask('package') AS new_name;

-- Two types that swap their names.
SELECT dispatch.create_type('other') IS NOT NULL AS created;
SELECT pg_temp.ask('other'), pg_temp.ask('package');
UPDATE dispatch.types SET name = 'swapped' WHERE name = 'other';
UPDATE dispatch.types SET name = 'other' WHERE name = 'package';
UPDATE dispatch.types SET name = 'package' WHERE name = 'swapped';
SELECT pg_temp.ask('other'), pg_temp.ask('package');

-- A definition that the owner broke is an error that says what is wrong, and no crash; mended, the type is itself again.
UPDATE dispatch.types SET attributes = '[{"name": "x", "dataType": "text"}]' WHERE name = 'other';
SELECT dispatch.is_valid('other', '{}');
\echo :SQLSTATE
UPDATE dispatch.types SET attributes = '[{"name": "y", "dataType": "string", "validation": {"required": true}}]' WHERE name = 'other';
SELECT pg_temp.ask('other');

-- DELETE of a type, rolled back and not.
BEGIN;
DELETE FROM dispatch.types WHERE name = 'other';
SELECT pg_temp.ask('other'), pg_temp.ask(:'id');
ROLLBACK;
SELECT pg_temp.ask('other'), pg_temp.ask(:'id');
DELETE FROM dispatch.types WHERE name = 'other';
SELECT pg_temp.ask('other'), pg_temp.ask(:'id');

-- TRUNCATE, rolled back and not.
SELECT pg_temp.ask('package'), pg_temp.ask('ghost');
BEGIN;
TRUNCATE dispatch.types;
SELECT pg_temp.ask('package'), pg_temp.ask('ghost');
ROLLBACK;
SELECT pg_temp.ask('package'), pg_temp.ask('ghost');
TRUNCATE dispatch.types;
SELECT pg_temp.ask('package'), pg_temp.ask('ghost');

-- In REPEATABLE READ, where the transaction's own snapshot is old.
SELECT dispatch.create_type('steady') IS NOT NULL AS created;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.ask('steady');
SELECT pg_temp.require('steady', 'a');
SELECT pg_temp.ask('steady');
SAVEPOINT one;
SELECT pg_temp.require('steady', 'b');
SELECT pg_temp.ask('steady');
ROLLBACK TO one;
SELECT pg_temp.ask('steady');
COMMIT;
SELECT pg_temp.ask('steady');
BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY;
SELECT pg_temp.ask('steady');
SELECT dispatch.create_dispatch('steady', custom_data => '{"a": "x"}');
\echo :SQLSTATE
ROLLBACK;

-- With triggers off for replication, as an apply worker has it, the cache hears of it all the same.
SET session_replication_role = replica;
UPDATE dispatch.types SET attributes = '[]' WHERE name = 'steady';
RESET session_replication_role;
SELECT pg_temp.ask('steady');

-- In the workers of a parallel plan, of a type that is not committed yet too.
CREATE TABLE shipment AS SELECT jsonb_build_object('a', CASE WHEN i % 3 = 0 THEN to_jsonb(i) ELSE to_jsonb(i::text) END) AS data FROM generate_series(1, 9000) AS i;
ALTER TABLE shipment SET (parallel_workers = 2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
BEGIN;
SELECT dispatch.create_type('parallel') IS NOT NULL AS created;
SELECT pg_temp.require('parallel', 'a');
SELECT count(*) AS valid FROM shipment AS s WHERE dispatch.is_valid('parallel', s.data);
ROLLBACK;
SELECT dispatch.create_type('parallel') IS NOT NULL AS created;
SELECT pg_temp.require('parallel', 'a');
SELECT count(*) AS valid FROM shipment AS s WHERE dispatch.is_valid('parallel', s.data);
SELECT count(*) AS valid FROM shipment AS s, LATERAL dispatch.validate('parallel', s.data);
DROP TABLE shipment;

-- A type in use while it changes: each row meets it as it then is.
SELECT dispatch.create_type('moving', additional_attributes => true) IS NOT NULL AS created;
SELECT count(*) FILTER (WHERE r.before = 'valid') AS valid, count(*) FILTER (WHERE r.after = r.expected) AS as_expected
  FROM (SELECT i, pg_temp.ask('moving') AS before, pg_temp.require('moving', chr(96 + i)) AS added, pg_temp.ask('moving') AS after,
               (SELECT string_agg(chr(96 + j), ' ') FROM generate_series(1, i) AS j) AS expected
          FROM generate_series(1, 20) AS i) AS r;

-- Many types, more than once.
SELECT count(dispatch.create_type('many' || translate(i::text, '0123456789', 'abcdefghij'))) AS created FROM generate_series(1, 300) AS i;
SELECT count(*) FILTER (WHERE dispatch.is_valid('many' || translate(i::text, '0123456789', 'abcdefghij'), '{}')) AS valid
  FROM generate_series(1, 300) AS i, generate_series(1, 3) AS again;
UPDATE dispatch.types SET additional_attributes = true WHERE name LIKE 'many%';
SELECT count(*) FILTER (WHERE dispatch.is_valid('many' || translate(i::text, '0123456789', 'abcdefghij'), '{"a": 1}')) AS valid
  FROM generate_series(1, 300) AS i;

DROP EXTENSION dispatch CASCADE;
