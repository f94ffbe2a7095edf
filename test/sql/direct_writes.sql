-- Rows that reach dispatch.dispatches by INSERT, UPDATE and COPY of its owner meet the check that the functions meet.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') IS NOT NULL AS created;
-- A known id, so that it can be written in data.
UPDATE dispatch.types SET id = '00000000-0000-7000-8000-00000000000a' WHERE name = 'parcel';
SELECT dispatch.create_attributes('parcel', '[
    {"name": "plate", "dataType": "string", "validation": {"regex": "^[A-Z]+-[0-9]+$", "required": true}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0, "max": 10}}},
    {"name": "zone", "dataType": "string", "defaultValue": "north"}]');
CREATE FUNCTION pg_temp.sealed(ref text) RETURNS boolean LANGUAGE sql AS $$
SELECT d.seal IS NOT NULL AND d.type_revision = t.revision
  FROM dispatch.dispatches AS d
  JOIN dispatch.types AS t ON t.id = d.type_id
 WHERE d.dispatch_ref = ref
$$;

-- INSERT: a good row is completed and sealed; its status is the initial one unless given.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data)
VALUES ('00000000-0000-7000-8000-00000000000a', 'good', '{"plate": "AB-1"}');
SELECT d.status, d.version, d.custom_data, d.closed_at, pg_temp.sealed('good') AS sealed FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
-- A bad one is refused with all violations: 23514.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data)
VALUES ('00000000-0000-7000-8000-00000000000a', 'not-good', '{"plate": "AB", "weight": 11, "colour": "red"}');
\echo :SQLSTATE
-- One bad row among many: none is written.
INSERT INTO dispatch.dispatches (type_id, custom_data)
SELECT '00000000-0000-7000-8000-00000000000a', jsonb_build_object('plate', 'AB-1', 'weight', i) FROM generate_series(1, 11) AS i;
\echo :SQLSTATE
SELECT count(*) AS rows FROM dispatch.dispatches;
-- What else a row cannot be.
\set VERBOSITY terse
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', '[]');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', NULL);
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES (NULL, '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES ('00000000-0000-7000-8000-00000000000b', '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', 'abc', '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, sub_status, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', '', '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', 'good', '{"plate": "AB-1"}');
\echo :SQLSTATE
\set VERBOSITY default

-- The status is one of the type's; whether it is final decides about closed_at, not what is given.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, status, custom_data)
VALUES ('00000000-0000-7000-8000-00000000000a', 'unknown', 'UNHEARD', '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, status, closed_at, updated_at, custom_data)
VALUES ('00000000-0000-7000-8000-00000000000a', 'open', 'ASSIGNED', '2020-01-01Z', '2020-01-02Z', '{"plate": "AB-1"}'),
       ('00000000-0000-7000-8000-00000000000a', 'closed', 'CLOSED', NULL, '2020-01-02Z', '{"plate": "AB-1"}'),
       ('00000000-0000-7000-8000-00000000000a', 'closed-then', 'CLOSED', '2020-01-01Z', '2020-01-02Z', '{"plate": "AB-1"}');
SELECT d.dispatch_ref, d.status, d.closed_at AT TIME ZONE 'UTC' AS closed_at FROM dispatch.dispatches AS d WHERE d.dispatch_ref IN ('open', 'closed', 'closed-then') ORDER BY d.dispatch_ref;
UPDATE dispatch.dispatches SET closed_at = NULL WHERE dispatch_ref = 'closed-then';
-- Only by a transition that the lifecycle has, and when it is final nothing changes any more.
CREATE FUNCTION pg_temp.changed(ref text, setting text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE 'UPDATE dispatch.dispatches SET ' || setting || ' WHERE dispatch_ref = $1' USING ref;
    RETURN setting || ': changed';
EXCEPTION WHEN OTHERS THEN
    RETURN setting || ': ' || SQLSTATE || ' ' || regexp_replace(SQLERRM, '"[0-9a-f-]{36}"', '"<id>"');
END $$;
SELECT pg_temp.changed('open', s) FROM unnest(ARRAY[$$status = 'INITIATED'$$, $$status = 'IN_PROGRESS'$$, $$status = 'ASSIGNED'$$, $$status = 'CLOSED'$$]) AS s;
SELECT pg_temp.changed('closed', s) FROM unnest(ARRAY[
    $$status = 'ASSIGNED'$$, $$sub_status = 'late'$$, $$custom_data = '{"plate": "AB-2"}'$$, $$custom_data = '{"plate": 1}'$$, $$extra = '{"a": 1}'$$,
    $$type_id = '00000000-0000-7000-8000-00000000000b'$$, $$updated_at = '2020-01-03Z'$$, $$closed_at = '2020-01-03Z'$$, $$status = 'CLOSED', version = version + 1$$]) AS s;
SELECT d.dispatch_ref, d.status, d.closed_at IS NOT NULL AS closed FROM dispatch.dispatches AS d WHERE d.dispatch_ref IN ('open', 'closed', 'closed-then') ORDER BY d.dispatch_ref;
UPDATE dispatch.dispatches SET status = 'UNHEARD' WHERE dispatch_ref = 'closed';
\echo :SQLSTATE

-- Extra members have no name of the service's own.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, extra, custom_data)
VALUES ('00000000-0000-7000-8000-00000000000a', 'extra', '{"route": 1, "status": "MINE"}', '{"plate": "AB-1"}');
\echo :SQLSTATE
UPDATE dispatch.dispatches SET extra = '{"version": 5}' WHERE dispatch_ref = 'good';
\echo :SQLSTATE

-- UPDATE: the same check, the same seal.
UPDATE dispatch.dispatches SET custom_data = '{"plate": "", "weight": -1, "zone": 5}' WHERE dispatch_ref = 'good';
\echo :SQLSTATE
UPDATE dispatch.dispatches SET custom_data = custom_data || '{"weight": 10}' WHERE dispatch_ref = 'good';
SELECT d.custom_data, pg_temp.sealed('good') AS sealed FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
-- Of another type: by its attributes.
SELECT dispatch.create_type('bare') AS bare \gset
UPDATE dispatch.dispatches SET type_id = :'bare' WHERE dispatch_ref = 'good';
\echo :SQLSTATE
-- A row without a seal, or with a wrong one, is validated and sealed again.
UPDATE dispatch.dispatches SET seal = NULL WHERE dispatch_ref = 'good';
SELECT pg_temp.sealed('good') AS sealed;
UPDATE dispatch.dispatches SET seal = seal + 1, type_revision = 0 WHERE dispatch_ref = 'good';
SELECT pg_temp.sealed('good') AS sealed;
-- The version and the times are the owner's; nothing else is looked at.
UPDATE dispatch.dispatches SET version = 7, updated_at = '2020-01-03Z' WHERE dispatch_ref = 'good';
SELECT d.version, dispatch.get_dispatch(d.id) ->> 'updatedAt' AS updated_at FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
-- INSERT ... ON CONFLICT and MERGE's like: both ways are checked.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', 'good', '{"plate": "CD-2"}')
ON CONFLICT (dispatch_ref) DO UPDATE SET custom_data = EXCLUDED.custom_data;
SELECT d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', 'good', '{"plate": "CD-2"}')
ON CONFLICT (dispatch_ref) DO UPDATE SET custom_data = '{"plate": 1}';
\echo :SQLSTATE

-- COPY: good rows.
COPY dispatch.dispatches (type_id, dispatch_ref, custom_data) FROM STDIN;
00000000-0000-7000-8000-00000000000a	copied-1	{"plate": "AB-1"}
00000000-0000-7000-8000-00000000000a	copied-2	{"plate": "AB-2", "zone": null}
\.
SELECT d.dispatch_ref, d.status, d.custom_data, pg_temp.sealed(d.dispatch_ref) AS sealed FROM dispatch.dispatches AS d WHERE d.dispatch_ref LIKE 'copied-%' ORDER BY d.dispatch_ref;
-- COPY: a bad row among good ones.
COPY dispatch.dispatches (type_id, dispatch_ref, custom_data) FROM STDIN;
00000000-0000-7000-8000-00000000000a	copied-3	{"plate": "AB-1"}
00000000-0000-7000-8000-00000000000a	copied-4	{"plate": "AB", "weight": "5"}
00000000-0000-7000-8000-00000000000a	copied-5	{"plate": "AB-1"}
\.
\set VERBOSITY sqlstate
COPY dispatch.dispatches (type_id, dispatch_ref, custom_data) FROM STDIN;
00000000-0000-7000-8000-00000000000a	copied-4	{"plate": "AB", "weight": "5"}
\.
\set VERBOSITY default
SELECT count(*) AS copied FROM dispatch.dispatches WHERE dispatch_ref LIKE 'copied-%';

-- A seal is the same at all times and on every machine: rows that were sealed elsewhere fit.
SELECT dispatch.create_attributes('parcel', '[{"name": "driver", "dataType": "string", "validation": {"required": true}}]');
COPY dispatch.dispatches (type_id, dispatch_ref, status, type_revision, seal, custom_data) FROM STDIN;
00000000-0000-7000-8000-00000000000a	sealed-old	INITIATED	1	-4829168846506530060	{"zone": "north", "plate": "AB-1"}
00000000-0000-7000-8000-0000000000ff	sealed-none	INITIATED	3	-5768753568415194022	{"any": ["thing", 1.50, null, true, {"ü": "ä"}], "zone": -0.001}
\.
-- They are taken as they are, although the type got a required attribute meanwhile, or does not exist.
SELECT d.dispatch_ref, d.type_revision, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref LIKE 'sealed-%' ORDER BY d.dispatch_ref;
-- With a seal that does not fit they are validated like any: by the type as it is now.
\set VERBOSITY sqlstate
COPY dispatch.dispatches (type_id, dispatch_ref, status, type_revision, seal, custom_data) FROM STDIN;
00000000-0000-7000-8000-00000000000a	unsealed-1	INITIATED	1	1	{"zone": "north", "plate": "AB-1"}
\.
COPY dispatch.dispatches (type_id, dispatch_ref, status, type_revision, seal, custom_data) FROM STDIN;
00000000-0000-7000-8000-0000000000ff	unsealed-2	INITIATED	3	1	{"any": "thing"}
\.
-- The seal covers the type, the revision and the data.
INSERT INTO dispatch.dispatches (type_id, type_revision, seal, status, custom_data)
SELECT :'bare', d.type_revision, d.seal, d.status, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-old';
INSERT INTO dispatch.dispatches (type_id, type_revision, seal, status, custom_data)
SELECT d.type_id, d.type_revision + 1, d.seal, d.status, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-old';
INSERT INTO dispatch.dispatches (type_id, type_revision, seal, status, custom_data)
SELECT d.type_id, d.type_revision, d.seal, d.status, d.custom_data || '{"plate": "AB-2"}' FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-old';
INSERT INTO dispatch.dispatches (type_id, type_revision, seal, status, custom_data)
SELECT d.type_id, NULL, d.seal, d.status, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-old';
\set VERBOSITY default
DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'sealed-none';

-- Attributes that come later bind new dispatches and patched ones. A change that leaves custom data equal never validates it again.
SELECT dispatch.is_valid('parcel', d.custom_data) AS valid_now FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-old';
SELECT dispatch.add_job(dispatch.dispatch_id('good'), 'job');
SELECT dispatch.update_status(dispatch.dispatch_id('good'), 'ASSIGNED', 'by hand');
SELECT dispatch.update_sub_status(dispatch.dispatch_id('good'), 'later');
UPDATE dispatch.dispatches SET custom_data = custom_data, sub_status = 'directly' WHERE dispatch_ref = 'good';
UPDATE dispatch.dispatches SET custom_data = '{"zone": "north", "plate": "CD-2"}' WHERE dispatch_ref = 'good';
SELECT d.sub_status, d.type_revision, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
-- update_custom_data validates the whole under the type as it is now, even where the patch changes nothing.
SELECT dispatch.update_custom_data(dispatch.dispatch_id('good'), '{}');
\echo :SQLSTATE
SELECT dispatch.update_custom_data(dispatch.dispatch_id('good'), '{"driver": "Ann"}');
SELECT d.type_revision, d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'good';
SELECT dispatch.create_dispatch('parcel', custom_data => '{"plate": "AB-1"}');
\echo :SQLSTATE
INSERT INTO dispatch.dispatches (type_id, custom_data) VALUES ('00000000-0000-7000-8000-00000000000a', '{"plate": "AB-1"}');
\echo :SQLSTATE

-- Also where the data is too large to lie in its row.
SELECT dispatch.create_type('large', additional_attributes => true) IS NOT NULL AS created;
SELECT dispatch.create_dispatch('large', 'large', custom_data => jsonb_build_object('list', (SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 5000) AS i))) AS id \gset
SELECT dispatch.create_attributes('large', '[{"name": "driver", "dataType": "string", "validation": {"required": true}}]');
SELECT dispatch.add_job(:'id', 'job');
SELECT dispatch.update_status(:'id', 'ASSIGNED');
UPDATE dispatch.dispatches SET custom_data = custom_data || '{}', sub_status = 'same' WHERE id = :'id';
UPDATE dispatch.dispatches SET custom_data = custom_data || '{"a": 1}' WHERE id = :'id';
\echo :SQLSTATE
SELECT dispatch.update_custom_data(:'id', '{"list": null, "driver": "Ann"}');

-- Out by COPY and in again: complete and the same to the last column, with no type there at first, as a restore may load tables in any order.
\copy dispatch.dispatches TO 'results/dispatches.data'
\copy dispatch.types TO 'results/types.data'
CREATE TEMP TABLE before AS SELECT * FROM dispatch.dispatches;
TRUNCATE dispatch.dispatches, dispatch.types;
\copy dispatch.dispatches FROM 'results/dispatches.data'
\copy dispatch.types FROM 'results/types.data'
SELECT (SELECT count(*) > 0 FROM before) AS some,
       (SELECT count(*) FROM (TABLE before EXCEPT TABLE dispatch.dispatches) AS d) AS missing,
       (SELECT count(*) FROM (TABLE dispatch.dispatches EXCEPT TABLE before) AS d) AS added;
SELECT dispatch.update_custom_data(dispatch.dispatch_id('good'), '{"weight": 3}');

-- Users' own triggers run as on any table; what they make of the data is validated if they run first.
CREATE FUNCTION pg_temp.shout() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.custom_data := NEW.custom_data || jsonb_build_object('plate', upper(NEW.custom_data ->> 'plate'));
    RETURN NEW;
END
$$;
CREATE TRIGGER a_shout BEFORE INSERT ON dispatch.dispatches FOR EACH ROW EXECUTE FUNCTION pg_temp.shout();
SELECT dispatch.create_dispatch('parcel', custom_data => '{"plate": "ab-1", "driver": "Ann"}') AS id \gset
SELECT dispatch.get_dispatch(:'id') #> '{customData,plate}' AS plate;
DROP TRIGGER a_shout ON dispatch.dispatches;

-- The check belongs to its table: elsewhere it says so.
CREATE TEMP TABLE other (id integer);
CREATE TRIGGER wrong AFTER INSERT ON other FOR EACH ROW EXECUTE FUNCTION dispatch.check_dispatch();
INSERT INTO other VALUES (1);
\echo :SQLSTATE
SELECT dispatch.check_dispatch();
\echo :SQLSTATE

-- The seal covers the status and when it was closed: a row that says CLOSED with the seal of an open one is not
-- taken as it is, and its dispatch is closed.
INSERT INTO dispatch.dispatches (type_id, type_revision, seal, custom_data, status, dispatch_ref)
SELECT type_id, type_revision, seal, custom_data, 'CLOSED', 'says-closed'
  FROM dispatch.dispatches WHERE status = 'INITIATED' AND seal IS NOT NULL
   AND type_id IN (SELECT t.id FROM dispatch.types AS t WHERE t.revision = type_revision) LIMIT 1;
SELECT closed_at IS NOT NULL AS closed FROM dispatch.dispatches WHERE dispatch_ref = 'says-closed';
\set VERBOSITY sqlstate
SELECT dispatch.add_job(dispatch.dispatch_id('says-closed'), 'j') IS NULL;
\set VERBOSITY default
-- A reference never changes.
UPDATE dispatch.dispatches SET dispatch_ref = 'another-one' WHERE dispatch_ref = 'says-closed';
DROP EXTENSION dispatch CASCADE;
