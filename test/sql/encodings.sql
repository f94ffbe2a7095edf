-- In databases of other encodings: characters, patterns and seals are the same, and so are the keys
-- by which dispatches are found and their order.
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
SELECT current_database() AS home \gset
\set make_findable 'SELECT dispatch.create_type(''findable'') IS NOT NULL AS made; SELECT dispatch.create_attributes(''findable'', ''[{"name": "word", "dataType": "string", "indexed": true}]''); SELECT count(dispatch.create_dispatch(''findable'', ''WORD-'' || n, custom_data => jsonb_build_object(''word'', w))) FROM unnest(ARRAY[''z'', ''ä'', ''ÿ'', repeat(''ä'', 200), repeat(''ä'', 200) || ''b'']) WITH ORDINALITY AS v(w, n);'
\set show_keys 'SELECT d.dispatch_ref, length(d.slot1), encode(substr(d.slot1, 9, 3), ''hex'') AS first, encode(substr(d.slot1, 264), ''hex'') AS hash FROM dispatch.dispatches AS d WHERE d.dispatch_ref ~ ''WORD'' ORDER BY d.slot1;'
\set find_words 'SELECT f.what, (SELECT string_agg(d.dispatch_ref, '' '' ORDER BY d.id) FROM dispatch.find_dispatches(''findable'', jsonb_build_object(''word'', f.asked)) AS i JOIN dispatch.dispatches AS d ON d.id = i) AS found FROM (VALUES (''equal'', ''"ä"''::jsonb), (''long'', to_jsonb(repeat(''ä'', 200))), (''above'', ''{"gt": "ä"}''), (''below'', ''{"lt": "ä"}''), (''above long'', jsonb_build_object(''gt'', repeat(''ä'', 200))), (''up to long'', jsonb_build_object(''lte'', repeat(''ä'', 200)))) AS f(what, asked);'
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
:make_findable
:show_keys
:find_words
DROP EXTENSION dispatch CASCADE;
DROP DATABASE IF EXISTS regress_dispatch_latin1;
CREATE DATABASE regress_dispatch_latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_dispatch_latin1
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel', additional_attributes => true) IS NOT NULL AS created;
UPDATE dispatch.types SET id = '00000000-0000-7000-8000-00000000000a' WHERE name = 'parcel';
SELECT dispatch.create_attributes('parcel', '[
    {"name": "street", "dataType": "string", "validation": {"range": {"min": 3, "max": 3}}},
    {"name": "town", "dataType": "string", "validation": {"regex": "^\\p{L}+ß$"}},
    {"name": "size", "dataType": "string", "validation": {"valueOneOf": ["groß", "größer"]}}]');

-- Lengths are characters; patterns see characters; values are equal.
SELECT c.document, coalesce((SELECT string_agg(v.message, ', ') FROM dispatch.validate('parcel', c.document) AS v), 'valid') AS verdict
  FROM (VALUES ('{"street": "äöü"}'::jsonb), ('{"street": "äö"}'), ('{"town": "Größß"}'), ('{"town": "Gro1ß"}'), ('{"town": "Groß "}'), ('{"size": "größer"}'), ('{"size": "grösser"}'), ('{"ünknown": "é"}')) AS c(document);
-- A pattern of 1,000 characters, one more, and a broken one.
SELECT dispatch.create_attributes('parcel', jsonb_build_array(jsonb_build_object('name', 'long', 'dataType', 'string', 'validation', jsonb_build_object('regex', repeat('ä', 1000)))));
\set VERBOSITY sqlstate
SELECT dispatch.create_attributes('parcel', jsonb_build_array(jsonb_build_object('name', 'longer', 'dataType', 'string', 'validation', jsonb_build_object('regex', repeat('ä', 1001)))));
SELECT dispatch.create_attributes('parcel', '[{"name": "broken", "dataType": "string", "validation": {"regex": "ä("}}]');
\set VERBOSITY default

:make_findable
:show_keys
:find_words

-- A row that was sealed in a database of UTF-8 fits, in whatever order the keys lie here.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, status, type_revision, seal, custom_data)
VALUES ('00000000-0000-7000-8000-0000000000ff', 'sealed-utf8', 'INITIATED', 3, -4620499135313769695, '{"ü": "ä", "zz": [1.50, "é"], "öö": null, "a": {"ß": true}}');
SELECT d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'sealed-utf8';

-- What is indexed has the same keys as in a database of UTF-8, and their order, by code points.
SELECT dispatch.create_type('words') IS NOT NULL AS created, dispatch.create_attributes('words', '[{"name": "word", "dataType": "string", "indexed": true}]');
SELECT count(dispatch.create_dispatch('words', custom_data => jsonb_build_object('word', w))) FROM unnest('{Z,z,ß,ÿ,"éa",é}'::text[]) AS w;
SELECT d.custom_data ->> 'word' AS word, substr(d.slot1, 9) AS key FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id WHERE t.name = 'words' ORDER BY d.slot1;
SELECT string_agg(d.custom_data ->> 'word', ' ' ORDER BY d.slot1) AS found FROM dispatch.find_dispatches('words', '{"word": {"gt": "z", "lte": "é"}}') AS f JOIN dispatch.dispatches AS d ON d.id = f;
SELECT dispatch.count_dispatches('words', '{"word": "ß"}') AS one, dispatch.count_dispatches('words', jsonb_build_object('word', jsonb_build_object('lt', repeat('é', 300)))) AS below, dispatch.count_dispatches('words', jsonb_build_object('word', jsonb_build_object('gte', repeat('é', 300)))) AS above;

DROP EXTENSION dispatch CASCADE;
\c :home
SET client_min_messages = warning;
DROP DATABASE regress_dispatch_latin1;

-- Where no encoding is known, text is bytes: a length counts them, equality compares them, and what
-- a pattern searches must be UTF-8.
DROP DATABASE IF EXISTS regress_dispatch_ascii;
CREATE DATABASE regress_dispatch_ascii ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_dispatch_ascii
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION dispatch;
SELECT dispatch.create_type('parcel') IS NOT NULL AS created;
SELECT dispatch.create_attributes('parcel', '[
    {"name": "street", "dataType": "string", "validation": {"range": {"min": 6, "max": 6}}},
    {"name": "town", "dataType": "string", "validation": {"regex": "^\\p{L}+ß$"}},
    {"name": "size", "dataType": "string", "validation": {"valueOneOf": ["groß", "größer"]}}]');
SELECT c.document, coalesce((SELECT string_agg(v.message, ', ') FROM dispatch.validate('parcel', c.document) AS v), 'valid') AS verdict
  FROM (VALUES ('{"street": "äöü"}'::jsonb), ('{"street": "äö"}'), ('{"town": "Größß"}'), ('{"town": "Gro1ß"}'), ('{"size": "größer"}'), ('{"size": "grösser"}'), ('{"ünknown": "é"}')) AS c(document);
-- Bytes that are no UTF-8: kept, compared and sealed, and refused by a pattern.
CREATE FUNCTION pg_temp.rules(document text) RETURNS text LANGUAGE sql AS $$ SELECT coalesce((SELECT string_agg(v.attribute || ' ' || v.rule, ', ') FROM dispatch.validate('parcel', document::jsonb) AS v), 'valid') $$;
SELECT pg_temp.rules('{"street": "' || E'\xE4\xF6\xFC' || 'abc"}') AS length, pg_temp.rules('{"street": "' || E'\xE4' || '"}') AS length_of_one, pg_temp.rules('{"size": "gro' || E'\xDF' || '"}') AS other, pg_temp.rules('{"town": "Gro' || E'\xDF' || '"}') AS pattern,
       length(dispatch.create_dispatch('parcel', 'BYTES-1', custom_data => ('{"street": "' || E'\xE4\xF6\xFC' || 'abc"}')::jsonb)::text) AS created;
SELECT d.custom_data = ('{"street": "' || E'\xE4\xF6\xFC' || 'abc"}')::jsonb AS kept, dispatch.is_sealed(d.type_id, d.type_revision, d.custom_data, d.status, d.closed_at, d.seal) AS sealed FROM dispatch.dispatches AS d;
:make_findable
:show_keys
:find_words
-- ... which are found by their bytes.
SELECT dispatch.create_dispatch('findable', 'WORD-6', custom_data => ('{"word": "' || E'\xE4' || '"}')::jsonb) IS NOT NULL AS created;
SELECT (SELECT string_agg(d.dispatch_ref, ' ' ORDER BY d.id) FROM dispatch.find_dispatches('findable', f.filter) AS i JOIN dispatch.dispatches AS d ON d.id = i) AS found
  FROM (VALUES (('{"word": "' || E'\xE4' || '"}')::jsonb), (('{"word": {"gt": "' || E'\xE3' || '"}}')::jsonb)) AS f(filter);
\set VERBOSITY sqlstate
SELECT dispatch.create_attributes('parcel', ('[{"name": "broken", "dataType": "string", "validation": {"regex": "' || E'\xDF' || '"}}]')::jsonb);
\set VERBOSITY default

SELECT dispatch.create_type('words') IS NOT NULL AS created, dispatch.create_attributes('words', '[{"name": "word", "dataType": "string", "indexed": true}]');
SELECT count(dispatch.create_dispatch('words', custom_data => ('{"word": "' || w || '"}')::jsonb)) FROM unnest(ARRAY['z', 'é', E'\xDF', E'\xFF\xFE']) AS w;
SELECT substr(d.slot1, 9) AS key FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id WHERE t.name = 'words' ORDER BY d.slot1;
SELECT dispatch.count_dispatches('words', ('{"word": {"gte": "' || E'\xDF' || '"}}')::jsonb) AS above;

DROP EXTENSION dispatch CASCADE;
\c :home
SET client_min_messages = warning;
DROP DATABASE regress_dispatch_ascii;
