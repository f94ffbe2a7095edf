-- DROP and CREATE EXTENSION in one session that has types cached and plans saved.
SET client_min_messages = warning;
\pset format unaligned
\pset footer off

-- All that a session caches, used: the operations, reading, validation, the trigger.
CREATE FUNCTION pg_temp.use(pattern text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    type_id uuid := dispatch.create_type('parcel');
    id uuid;
BEGIN
    PERFORM dispatch.create_attributes('parcel', jsonb_build_array(jsonb_build_object('name', 'plate', 'dataType', 'string',
        'validation', jsonb_build_object('regex', pattern, 'required', true))));
    id := dispatch.create_dispatch('parcel', 'the-one', ARRAY['a', 'b'], ARRAY['p'], '{"plate": "AB"}', '{"url": "https://example.com/"}');
    PERFORM dispatch.add_job(id, 'c'), dispatch.remove_participant(id, 'p'), dispatch.update_custom_data(id, '{"plate": "BA"}'),
            dispatch.update_status(id, 'ASSIGNED'), dispatch.update_sub_status(id, 'x');
    RETURN concat_ws(' ', dispatch.get_type(type_id) ->> 'dispatchTypeName', dispatch.get_dispatch(id) ->> 'version',
        dispatch.is_valid('parcel', '{"plate": "AB"}'), dispatch.is_valid(type_id, '{"plate": "12"}'),
        (SELECT count(*) FROM dispatch.history(id)), (SELECT count(*) FROM dispatch.list_types()),
        (SELECT count(*) FROM dispatch.validate('parcel', '{"plate": "?"}')), (SELECT count(*) FROM dispatch.callbacks));
END
$$;

CREATE EXTENSION dispatch;
SELECT pg_temp.use('^[A-Z]+$');
SELECT dispatch.create_type('onlyfirst') AS old_id \gset
SELECT dispatch.is_valid('onlyfirst', '{}') AS cached;
SELECT (SELECT t.id FROM dispatch.types AS t WHERE t.name = 'parcel') AS old_parcel \gset

-- Nothing of it is there any more: no schema, no function, whatever is cached.
DROP EXTENSION dispatch;
SELECT dispatch.is_valid('parcel', '{}');
\echo :SQLSTATE

-- The second time: types of the first are gone, the one that is made again has its new attributes.
CREATE EXTENSION dispatch;
SELECT dispatch.is_valid('onlyfirst', '{}');
\echo :SQLSTATE
SELECT dispatch.is_valid('parcel', '{"plate": "AB"}');
\echo :SQLSTATE
\set VERBOSITY sqlstate
SELECT dispatch.is_valid(:'old_id'::uuid, '{}');
SELECT dispatch.is_valid(:'old_parcel'::uuid, '{}');
\set VERBOSITY default
SELECT pg_temp.use('^[0-9]+|B');
SELECT dispatch.is_valid('parcel', '{"plate": "A"}') AS by_the_old_pattern, dispatch.is_valid('parcel', '{"plate": "1"}') AS by_the_new_pattern;

-- Again and again, with rows written directly before any function is called.
DROP EXTENSION dispatch;
CREATE EXTENSION dispatch;
INSERT INTO dispatch.types (id, name, lifecycle, additional_attributes, attributes)
VALUES ('00000000-0000-7000-8000-00000000000a', 'parcel', '{"initial": "NEW", "final": ["OLD"], "transitions": {"NEW": ["OLD"]}}', true, '[]');
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', '{"any": "thing"}');
SELECT d.status, d.type_revision, d.custom_data FROM dispatch.dispatches AS d;
DROP EXTENSION dispatch;
CREATE EXTENSION dispatch;
SELECT pg_temp.use('^[A-Z]+$');
DROP EXTENSION dispatch;

-- In a transaction that is rolled back: the old one is as it was.
CREATE EXTENSION dispatch;
SELECT pg_temp.use('^[A-Z]+$');
BEGIN;
DROP EXTENSION dispatch;
CREATE EXTENSION dispatch;
SELECT pg_temp.use('B');
ROLLBACK;
SELECT dispatch.is_valid('parcel', '{"plate": "XY"}') AS by_its_pattern, dispatch.is_valid('parcel', '{"plate": "B1"}') AS by_the_other;
SELECT dispatch.update_custom_data(dispatch.dispatch_id('the-one'), '{"plate": "ZZ"}');
-- Made in a transaction that is rolled back.
DROP EXTENSION dispatch;
BEGIN;
CREATE EXTENSION dispatch;
SELECT pg_temp.use('B');
ROLLBACK;
SELECT dispatch.is_valid('parcel', '{"plate": "B1"}');
\echo :SQLSTATE
CREATE EXTENSION dispatch;
SELECT pg_temp.use('^[A-Z]+$');

-- A user's table that leans on a function goes only by CASCADE.
CREATE TABLE shipment (data jsonb CHECK (dispatch.is_valid('parcel', data)));
DROP EXTENSION dispatch;
\echo :SQLSTATE
DROP EXTENSION dispatch CASCADE;
INSERT INTO shipment VALUES ('{"no": "check"}');
DROP TABLE shipment;

-- Whatever the session's search_path: the schema is the extension's own, nothing lands in another.
CREATE SCHEMA regress_other;
SET search_path = regress_other, public;
CREATE EXTENSION dispatch;
SELECT pg_temp.use('^[A-Z]+$');
SELECT count(*) AS elsewhere FROM pg_class AS c WHERE c.relnamespace = 'regress_other'::regnamespace;
-- Objects of the same names before ours on the path are not taken for ours.
CREATE TABLE regress_other.types (id uuid, name text, lifecycle jsonb, additional_attributes boolean, attributes jsonb, revision integer);
CREATE TABLE regress_other.dispatches (id uuid);
CREATE FUNCTION regress_other.never(uuid, uuid) RETURNS boolean LANGUAGE sql AS 'SELECT false';
CREATE OPERATOR regress_other.= (FUNCTION = regress_other.never, LEFTARG = uuid, RIGHTARG = uuid);
SET search_path = regress_other, dispatch, public, pg_catalog;
SELECT dispatch.is_valid('parcel', '{"plate": "AB"}') AS valid,
       (SELECT dispatch.is_valid(t.id, '{"plate": "AB"}') FROM dispatch.types AS t) AS valid_by_id;
SELECT dispatch.update_custom_data(dispatch.dispatch_id('the-one'), '{"plate": "QQ"}');
-- The same where no plan is saved and no type cached yet.
\c -
SET client_min_messages = warning;
\pset format unaligned
\pset footer off
SET search_path = regress_other, dispatch, public, pg_catalog;
SELECT dispatch.is_valid('parcel', '{"plate": "AB"}') AS valid,
       (SELECT dispatch.is_valid(t.id, '{"plate": "AB"}') FROM dispatch.types AS t) AS valid_by_id;
INSERT INTO dispatch.dispatches (type_id, custom_data) SELECT t.id, '{"plate": "RR"}' FROM dispatch.types AS t;
SELECT dispatch.update_custom_data(dispatch.dispatch_id('the-one'), '{"plate": "SS"}');
RESET search_path;
DROP SCHEMA regress_other CASCADE;

-- CREATE EXTENSION ... SCHEMA puts it where it belongs all the same, or says that it cannot.
DROP EXTENSION dispatch CASCADE;
CREATE SCHEMA regress_other;
CREATE EXTENSION dispatch SCHEMA regress_other;
\echo :SQLSTATE
SELECT count(*) AS elsewhere FROM pg_class AS c WHERE c.relnamespace = 'regress_other'::regnamespace;
DROP EXTENSION IF EXISTS dispatch CASCADE;
DROP SCHEMA regress_other CASCADE;
