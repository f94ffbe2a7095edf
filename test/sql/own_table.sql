-- validate_custom_data(): a trigger by which a table of one's own has a column checked as custom data is.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') AS id \gset
SELECT dispatch.create_attributes('parcel', '[
    {"name": "plate", "dataType": "string", "validation": {"required": true, "regex": "^[A-Z]{1,3}-[0-9]+$"}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0.5, "max": 1200}}},
    {"name": "zone", "dataType": "string", "defaultValue": "north", "validation": {"required": true, "valueOneOf": ["north", "south"]}}]');

-- Runs a statement; says what came of it, with the fields of the error that drivers read.
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text; names text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    DECLARE
        schema_field text; table_field text; column_field text; constraint_field text;
    BEGIN
        GET STACKED DIAGNOSTICS schema_field = SCHEMA_NAME, table_field = TABLE_NAME, column_field = COLUMN_NAME, constraint_field = CONSTRAINT_NAME;
        names := concat_ws(' ', NULLIF(schema_field, ''), NULLIF(table_field, ''), NULLIF(column_field, ''), NULLIF(constraint_field, ''));
    END;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, ''), 'FIELDS: ' || NULLIF(names, ''));
END
$$;

--
-- The same check as that of validate() and is_valid()
--
CREATE TABLE shipment (gone integer, id integer PRIMARY KEY, note text, data jsonb);
ALTER TABLE shipment DROP COLUMN gone;
CREATE TRIGGER check_data BEFORE INSERT OR UPDATE OF data ON shipment FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
INSERT INTO shipment VALUES (1, 'one', '{"plate": "B-1", "weight": 1200, "zone": "south"}');
SELECT pg_temp.try($$INSERT INTO shipment VALUES (2, 'two', '{"weight": 1200.5, "zone": null, "colour": "red", "plate": "b-1"}')$$);
-- Of many documents: what is refused, and with which words.
CREATE TEMP TABLE documents AS
SELECT row_number() OVER () AS id, p.v || w.v || z.v || o.v AS data
  FROM (VALUES ('{}'::jsonb), ('{"plate": "A-1"}'), ('{"plate": "A"}'), ('{"plate": null}'), ('{"plate": 1}')) AS p(v),
       (VALUES ('{}'::jsonb), ('{"weight": 0.5}'), ('{"weight": 0.4}'), ('{"weight": "1"}'), ('{"weight": null}')) AS w(v),
       (VALUES ('{}'::jsonb), ('{"zone": "north"}'), ('{"zone": "east"}'), ('{"zone": []}')) AS z(v),
       (VALUES ('{}'::jsonb), ('{"more": 1}')) AS o(v)
UNION ALL
SELECT 1000 + row_number() OVER (), d.v FROM (VALUES ('[]'::jsonb), ('"text"'), ('1'), ('null'), ('true'), ('[{"plate": "A-1"}]')) AS d(v);
CREATE FUNCTION pg_temp.detail_of(id bigint, document jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    INSERT INTO shipment VALUES (1000 + id, 'many', document);
    RETURN NULL;
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;
SELECT count(*) AS documents, count(*) FILTER (WHERE dispatch.is_valid('parcel', data)) AS valid,
       count(*) FILTER (WHERE detail IS NULL <> dispatch.is_valid('parcel', data)) AS other_verdict,
       count(*) FILTER (WHERE detail IS DISTINCT FROM (SELECT string_agg(v.message || '.', E'\n') FROM dispatch.validate('parcel', data) AS v)) AS other_words
  FROM (SELECT data, pg_temp.detail_of(id, data) AS detail FROM documents) AS d;
SELECT pg_temp.try($$INSERT INTO shipment VALUES (2, 'two', '[]')$$);
-- What is valid is stored as it came: no defaults are filled in.
SELECT count(*) AS stored, count(*) FILTER (WHERE s.data = d.data) AS as_it_came, count(*) FILTER (WHERE NOT s.data ? 'zone') AS without_the_default
  FROM shipment AS s JOIN documents AS d ON s.id = 1000 + d.id;
DELETE FROM shipment WHERE note = 'many';

-- NULL is valid, as in a CHECK constraint.
INSERT INTO shipment VALUES (3, 'three', NULL), (4, 'four', DEFAULT);
UPDATE shipment SET data = NULL WHERE id = 3;
SELECT pg_temp.try($$UPDATE shipment SET data = '{}' WHERE id = 3$$);

-- However a row is written.
COPY shipment FROM stdin;
5	five	{"plate": "B-5"}
6	six	{"plate": "B-6"}
\.
COPY shipment FROM stdin;
7	seven	{"plate": "B-7"}
8	eight	{"plate": "8"}
\.
SELECT count(*) AS eight FROM shipment WHERE id IN (7, 8);
SELECT pg_temp.try($$INSERT INTO shipment VALUES (5, 'again', '{"plate": "B-5"}') ON CONFLICT (id) DO UPDATE SET data = '{"plate": "5"}'$$);
SELECT pg_temp.try($$INSERT INTO shipment VALUES (5, 'again', '{"plate": "B-5"}') ON CONFLICT (id) DO UPDATE SET data = '{"plate": "B-55"}'$$);
SELECT pg_temp.try($$INSERT INTO shipment VALUES (5, 'again', '{"plate": "5"}') ON CONFLICT DO NOTHING$$);
SELECT pg_temp.try($$WITH moved AS (DELETE FROM shipment WHERE id = 6 RETURNING *) INSERT INTO shipment SELECT id, note, data - 'plate' FROM moved$$);
SELECT pg_temp.try($$UPDATE shipment SET data = jsonb_set(data, '{weight}', '0') WHERE id IN (1, 5)$$);
SELECT id, note, data FROM shipment ORDER BY id;

--
-- An attribute that comes later binds what is written afterwards; an update that leaves the column as it is does not validate it
--
ALTER TABLE shipment ADD COLUMN extra text DEFAULT 'x';
INSERT INTO shipment VALUES (9, 'nine', jsonb_build_object('plate', (SELECT 'B-' || string_agg(translate(md5(i::text), 'abcdef', '012345'), '') FROM generate_series(1, 1000) AS i)));
SELECT dispatch.create_attributes('parcel', '[{"name": "driver", "dataType": "string", "validation": {"required": true}}]');
SELECT pg_temp.try($$INSERT INTO shipment VALUES (10, 'ten', '{"plate": "B-10"}')$$);
SELECT pg_temp.try($$UPDATE shipment SET note = 'new'$$);
SELECT pg_temp.try($$UPDATE shipment SET note = 'newer', data = data$$);
SELECT pg_temp.try($$UPDATE shipment SET data = data || '{"weight": 2}' WHERE id = 5$$);
SELECT pg_temp.try($$UPDATE shipment SET data = data || '{"weight": 2, "driver": "ada"}' WHERE id = 5$$);
DROP TRIGGER check_data ON shipment;
CREATE TRIGGER check_data BEFORE INSERT OR UPDATE ON shipment FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
SELECT pg_temp.try($$UPDATE shipment SET note = 'newest'$$);
SELECT pg_temp.try($$UPDATE shipment SET data = data || '{"weight": 3}' WHERE id = 9$$);
SELECT count(*) AS newest FROM shipment WHERE note = 'newest';
-- It binds within a statement that is under way.
CREATE TABLE tour (id integer, data jsonb);
CREATE TRIGGER check_data BEFORE INSERT ON tour FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
SELECT pg_temp.try($$INSERT INTO tour
    SELECT i, CASE WHEN i = 2 AND dispatch.create_attributes('parcel', '[{"name": "helper", "dataType": "string"}]') = 0 THEN '{}' WHEN i = 1 THEN '{"plate": "B-1", "driver": "x"}' ELSE '{"plate": "B-1", "driver": "x", "helper": 3}'::jsonb END
      FROM generate_series(1, 3) AS i$$);
DROP TABLE tour;

--
-- The trigger names the type by name or id; a table may have several
--
CREATE SCHEMA "Other Place";
CREATE TABLE "Other Place"."Two ""Columns""" (a jsonb, "The Data" jsonb);
SELECT dispatch.create_type('free', additional_attributes => true) IS NOT NULL AS created;
SELECT dispatch.create_attributes('free', '[{"name": "n", "dataType": "number"}]');
CREATE TRIGGER by_id BEFORE INSERT OR UPDATE ON "Other Place"."Two ""Columns""" FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data(:'id', 'The Data');
CREATE TRIGGER by_name BEFORE INSERT OR UPDATE ON "Other Place"."Two ""Columns""" FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('free', 'a');
INSERT INTO "Other Place"."Two ""Columns""" VALUES ('{"n": 1, "any": {}}', '{"plate": "B-1", "driver": "x"}');
SELECT pg_temp.try($$INSERT INTO "Other Place"."Two ""Columns""" VALUES ('{"n": "1"}', '{"plate": "B-1", "driver": "x"}')$$);
SELECT pg_temp.try($$UPDATE "Other Place"."Two ""Columns""" SET "The Data" = '{}'$$);

--
-- After the row was written: what other triggers made of it, and at the end of the transaction
--
CREATE TABLE late (id integer, data jsonb);
CREATE FUNCTION pg_temp.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.data := NEW.data || '{"weight": -1}';
    RETURN NEW;
END
$$;
CREATE TRIGGER zz_spoil BEFORE INSERT ON late FOR EACH ROW EXECUTE FUNCTION pg_temp.spoil();
CREATE TRIGGER before BEFORE INSERT OR UPDATE ON late FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
SELECT pg_temp.try($$INSERT INTO late VALUES (1, '{"plate": "B-1", "driver": "x"}')$$);
CREATE TRIGGER after AFTER INSERT OR UPDATE ON late FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
SELECT pg_temp.try($$INSERT INTO late VALUES (2, '{"plate": "B-1", "driver": "x"}')$$);
SELECT pg_temp.try($$UPDATE late SET data = '{}'$$);
SELECT pg_temp.try($$UPDATE late SET id = 7$$);
SELECT pg_temp.try($$UPDATE late SET data = '{"plate": "B-1", "driver": "x"}'$$);
DROP TRIGGER zz_spoil ON late;
DROP TRIGGER before ON late;
DROP TRIGGER after ON late;
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT OR UPDATE ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
BEGIN;
INSERT INTO late VALUES (3, '{"plate": "B-1", "driver": "x"}'), (4, '{"plate": "no"}');
COMMIT;
\echo :SQLSTATE
SELECT id FROM late;
-- Of several types in one table each has its rows, by WHEN.
CREATE TABLE partly (kind text, data jsonb);
CREATE TRIGGER parcels BEFORE INSERT OR UPDATE ON partly FOR EACH ROW WHEN (NEW.kind = 'parcel') EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
CREATE TRIGGER others BEFORE INSERT OR UPDATE ON partly FOR EACH ROW WHEN (NEW.kind = 'free') EXECUTE FUNCTION dispatch.validate_custom_data('free', 'data');
SELECT pg_temp.try($$INSERT INTO partly VALUES ('parcel', '{"plate": "B-1", "driver": "x"}'), ('free', '{"x": 1}'), ('unknown', '{"x": 1}')$$);
SELECT pg_temp.try($$INSERT INTO partly VALUES ('parcel', '{"x": 1}')$$);

--
-- Partitions, whose columns may have other places
--
CREATE TABLE log (day integer, data jsonb) PARTITION BY RANGE (day);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (1) TO (2);
CREATE TABLE log_2 (gone text, data jsonb, day integer);
ALTER TABLE log_2 DROP COLUMN gone;
ALTER TABLE log ATTACH PARTITION log_2 FOR VALUES FROM (2) TO (3);
CREATE TRIGGER check_data BEFORE INSERT OR UPDATE OF data ON log FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('free', 'data');
INSERT INTO log VALUES (1, '{"n": 1}'), (2, '{"n": 2}'), (1, '{"n": 3}');
SELECT pg_temp.try($$INSERT INTO log VALUES (1, '{"n": 1}'), (2, '{"n": "2"}')$$);
SELECT pg_temp.try($$UPDATE log SET data = '{"n": {}}' WHERE day = 1$$);
SELECT pg_temp.try($$UPDATE log SET day = 2 WHERE data = '{"n": 1}'$$);
-- A row that moves is a new row where it goes.
SELECT dispatch.create_attributes('free', '[{"name": "later", "dataType": "number", "validation": {"required": true}}]');
SELECT pg_temp.try($$UPDATE log SET day = 2 WHERE day = 1$$);
SELECT tableoid::regclass AS partition, day, data FROM log ORDER BY 1, 2, 3;

--
-- Generated columns, views, other types of columns
--
CREATE TABLE computed (given jsonb, made jsonb GENERATED ALWAYS AS (given -> 'inner') STORED, last text GENERATED ALWAYS AS (given ->> 'x') STORED);
CREATE TRIGGER check_given BEFORE INSERT OR UPDATE ON computed FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('open', 'given');
CREATE TRIGGER check_made BEFORE INSERT OR UPDATE ON computed FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'made');
SELECT dispatch.create_type('open', additional_attributes => true) IS NOT NULL AS created;
SELECT pg_temp.try($$INSERT INTO computed VALUES ('{}')$$);
DROP TRIGGER check_made ON computed;
CREATE TRIGGER check_made AFTER INSERT OR UPDATE ON computed FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'made');
SELECT pg_temp.try($$INSERT INTO computed VALUES ('{"inner": {"plate": "B-1", "driver": "x"}}'), ('{}'), ('{"x": 1}')$$);
SELECT pg_temp.try($$INSERT INTO computed VALUES ('{"inner": {"plate": "x"}}')$$);
SELECT pg_temp.try($$UPDATE computed SET given = '{"inner": []}'$$);
CREATE VIEW shipment_view AS SELECT id, data FROM shipment;
SELECT pg_temp.try($$INSERT INTO shipment_view VALUES (20, '{}')$$);
CREATE TRIGGER instead INSTEAD OF INSERT OR UPDATE ON shipment_view FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
SELECT pg_temp.try($$INSERT INTO shipment_view VALUES (20, '{"plate": "B-1", "driver": "x"}')$$);
CREATE DOMAIN object AS jsonb CHECK (jsonb_typeof(VALUE) = 'object');
CREATE TABLE odd (j json, t text, a jsonb[], d object, ok jsonb, gone jsonb);
ALTER TABLE odd DROP COLUMN gone;
-- Runs an insert into the table with a trigger of these arguments.
CREATE FUNCTION pg_temp.odd(definition text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE format('CREATE TRIGGER odd_trigger %s EXECUTE FUNCTION dispatch.validate_custom_data(%s)', definition, call);
    result := pg_temp.try($s$INSERT INTO odd (d, ok) VALUES ('{"plate": "B-1", "driver": "x"}', '{"plate": "B-1", "driver": "x"}'); UPDATE odd SET ok = '{}'; DELETE FROM odd$s$);
    DROP TRIGGER odd_trigger ON odd;
    RETURN result;
END
$$;
SELECT arguments, pg_temp.odd('BEFORE INSERT ON odd FOR EACH ROW', arguments)
  FROM (VALUES ($$'parcel', 'ok'$$), ($$'parcel', 'd'$$), ($$'parcel', 'j'$$), ($$'parcel', 't'$$), ($$'parcel', 'a'$$), ($$'parcel', 'gone'$$), ($$'parcel', 'nowhere'$$), ($$'parcel', 'OK'$$), ($$'parcel', ''$$), ($$'parcel', 'ctid'$$),
               ($$'parcel', 'tableoid'$$), ($$$$), ($$'parcel'$$), ($$'parcel', 'ok', 'more'$$), ($$'unheard', 'ok'$$), ($$'', 'ok'$$), ($$'00000000-0000-7000-8000-000000000000', 'ok'$$)) AS a(arguments);
SELECT definition, pg_temp.odd(definition, $$'parcel', 'ok'$$)
  FROM (VALUES ('BEFORE INSERT ON odd FOR EACH STATEMENT'), ('AFTER INSERT ON odd FOR EACH STATEMENT'), ('BEFORE DELETE ON odd FOR EACH ROW'), ('AFTER DELETE ON odd FOR EACH ROW'), ('BEFORE UPDATE ON odd FOR EACH ROW'), ('AFTER UPDATE OF ok ON odd FOR EACH ROW')) AS d(definition);
SELECT dispatch.validate_custom_data();
\echo :SQLSTATE
-- A column that was renamed is named.
CREATE TABLE renamed (data jsonb);
CREATE TRIGGER check_data BEFORE INSERT ON renamed FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
ALTER TABLE renamed RENAME COLUMN data TO content;
SELECT pg_temp.try($$INSERT INTO renamed VALUES ('{}')$$);

--
-- Roles: who makes the trigger has "read"; who writes needs no right of ours
--
CREATE ROLE regress_dispatch_maker;
CREATE ROLE regress_dispatch_writer;
CREATE SCHEMA workshop AUTHORIZATION regress_dispatch_maker;
SET ROLE regress_dispatch_maker;
CREATE TABLE workshop.item (data jsonb);
SELECT split_part(pg_temp.try($$CREATE TRIGGER check_data BEFORE INSERT ON workshop.item FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data')$$), E'\n', 1);
RESET ROLE;
SELECT dispatch.grant_access('regress_dispatch_maker', 'read') IS NOT NULL AS granted;
SET ROLE regress_dispatch_maker;
CREATE TRIGGER check_data BEFORE INSERT ON workshop.item FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('parcel', 'data');
GRANT USAGE ON SCHEMA workshop TO regress_dispatch_writer;
GRANT INSERT ON workshop.item TO regress_dispatch_writer;
SET ROLE regress_dispatch_writer;
SELECT pg_temp.try($$SELECT dispatch.is_valid('parcel', '{}')$$);
SELECT pg_temp.try($$INSERT INTO workshop.item VALUES ('{"plate": "B-1", "driver": "x"}')$$);
SELECT pg_temp.try($$INSERT INTO workshop.item VALUES ('{"plate": "B-1"}')$$);
-- Nothing is found by the writer's search_path, and nothing of the writer's is run with other rights.
CREATE FUNCTION pg_temp.eq(jsonb, jsonb) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE TEMP TABLE types AS SELECT 'parcel' AS name;
SET search_path = pg_temp, '';
SELECT pg_temp.try($$INSERT INTO workshop.item VALUES ('{"plate": "B-1", "driver": "x"}')$$);
SELECT pg_temp.try($$INSERT INTO workshop.item VALUES ('{"plate": "B-1"}')$$);
RESET search_path;
DROP TABLE pg_temp.types;
DROP FUNCTION pg_temp.eq(jsonb, jsonb);
RESET ROLE;

--
-- Replication: as any trigger, it is for rows that come from elsewhere only where it is ENABLE ALWAYS
--
SET session_replication_role = replica;
INSERT INTO workshop.item VALUES ('{"replicated": 1}');
ALTER TABLE workshop.item ENABLE ALWAYS TRIGGER check_data;
SELECT pg_temp.try($$INSERT INTO workshop.item VALUES ('{"replicated": 1}')$$);
RESET session_replication_role;

-- It belongs to the table: the extension goes only with it.
DROP EXTENSION dispatch;
\echo :SQLSTATE
DROP EXTENSION dispatch CASCADE;
INSERT INTO workshop.item VALUES ('{"free": "of it"}');
SELECT count(*) AS items FROM workshop.item;
DROP TABLE shipment, late, partly, log, computed, odd, renamed CASCADE;
DROP DOMAIN object;
DROP SCHEMA workshop, "Other Place" CASCADE;
DROP ROLE regress_dispatch_maker, regress_dispatch_writer;
