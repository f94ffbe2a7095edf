-- validate() and is_valid(): every rule, every violation, no coercion.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off

-- Shows what validate() says of documents, one a line, and whether is_valid() agrees.
CREATE FUNCTION pg_temp.verdict(dispatch_type text, document jsonb) RETURNS text LANGUAGE sql AS $$
SELECT CASE WHEN count(*) = 0 THEN 'valid' ELSE string_agg(v.rule || ': ' || v.message, E'\n') END
       || CASE WHEN dispatch.is_valid(dispatch_type, document) = (count(*) = 0) THEN '' ELSE ' (is_valid differs)' END
  FROM dispatch.validate(dispatch_type, document) AS v
$$;

SELECT dispatch.create_type('parcel') IS NOT NULL AS created;
SELECT dispatch.create_attributes('parcel', '[
    {"name": "plate", "dataType": "string", "validation": {"regex": "^[A-Z]{1,3}-[0-9]+$", "range": {"min": 4, "max": 8}, "required": true}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0.5, "max": 100}}},
    {"name": "zone", "dataType": "string", "validation": {"valueOneOf": ["north", "south", ""]}},
    {"name": "loaded", "dataType": "boolean", "validation": {"required": true}},
    {"name": "box", "dataType": "object"},
    {"name": "stops", "dataType": "array"}]');

-- A document that fits, with all and with the least that it needs.
SELECT pg_temp.verdict('parcel', '{"plate": "AB-123", "weight": 0.5, "zone": "north", "loaded": false, "box": {"any": ["thing"]}, "stops": [1, "a", null]}') AS all_of_it;
SELECT pg_temp.verdict('parcel', '{"plate": "A-12", "loaded": true}') AS the_least;
SELECT count(*) AS rows_when_valid FROM dispatch.validate('parcel', '{"plate": "A-12", "loaded": true}');

-- All violations are returned, not only the first; a value can break several rules.
SELECT v.attribute, v.rule, v.message
  FROM dispatch.validate('parcel', '{"plate": "ab", "weight": 100.01, "zone": "east", "loaded": "no", "box": [], "stops": {}, "colour": "red", "Zone": "north"}') AS v;
SELECT v.attribute, v.rule, v.message FROM dispatch.validate('parcel', '{}') AS v;
-- The same by the type's id.
SELECT count(*) AS by_uuid
  FROM dispatch.types AS t
 CROSS JOIN LATERAL dispatch.validate(t.id, '{}')
 WHERE t.name = 'parcel' AND NOT dispatch.is_valid(t.id, '{}');
-- The error that a create raises lists them too: 23514.
SELECT dispatch.create_dispatch('parcel', custom_data => '{"plate": "ab", "weight": 100.01, "zone": "east", "loaded": "no", "box": [], "stops": {}, "colour": "red", "Zone": "north"}');
\echo :SQLSTATE

-- No type is taken for another.
SELECT c.document, pg_temp.verdict('parcel', '{"plate": "A-12", "loaded": true}' || c.document) AS verdict
  FROM (VALUES ('{"weight": "5"}'::jsonb), ('{"weight": true}'), ('{"weight": [5]}'), ('{"loaded": "true"}'), ('{"loaded": 1}'), ('{"loaded": 0}'),
    ('{"zone": 5}'), ('{"zone": ["north"]}'), ('{"box": []}'), ('{"box": "{}"}'), ('{"stops": {}}'), ('{"stops": "[]"}'), ('{"box": {}, "stops": []}'),
    ('{"plate": {}}')) AS c(document);

-- JSON null counts as absent: fine where nothing is required, a violation where it is.
SELECT c.document, pg_temp.verdict('parcel', c.document) AS verdict
  FROM (VALUES ('{"plate": "A-12", "loaded": true, "weight": null, "zone": null, "box": null, "stops": null}'::jsonb),
    ('{"plate": null, "loaded": null}')) AS c(document);

-- Ranges of numbers: both ends are inclusive. An empty string is a string like any.
SELECT c.document, pg_temp.verdict('parcel', '{"plate": "A-12", "loaded": true}' || c.document) AS verdict
  FROM (VALUES ('{"weight": 0.5}'::jsonb), ('{"weight": 0.50}'), ('{"weight": 0.49999999999999999999}'), ('{"weight": 100}'), ('{"weight": 1e2}'), ('{"weight": 100.00000000000000000001}'),
    ('{"weight": -1}'), ('{"zone": ""}'), ('{"zone": "North"}'), ('{"zone": "north "}'), ('{"plate": ""}')) AS c(document);

-- A member that no attribute describes is named; where the type allows it, it is fine, but not what breaks an attribute.
SELECT pg_temp.verdict('parcel', '{"plate": "A-12", "loaded": true, "": 1, "Plate": "A-12", "platé": null}') AS unknown_ones;
SELECT dispatch.create_type('openparcel', additional_attributes => true) IS NOT NULL AS created;
SELECT dispatch.create_attributes('openparcel', '[{"name": "weight", "dataType": "number", "validation": {"required": true}}]');
SELECT pg_temp.verdict('openparcel', '{"weight": 1, "": 1, "colour": {"r": [1]}, "Weight": "x", "a": null, "zzzzzzzzzz": 0}') AS additional,
       pg_temp.verdict('openparcel', '{"weights": 1, "a": 1}') AS still_required;
-- A type without attributes has no room for data.
SELECT dispatch.create_type('bare') IS NOT NULL AS created;
SELECT pg_temp.verdict('bare', '{}') AS nothing, pg_temp.verdict('bare', '{"a": null}') AS something;

-- Custom data is an object.
SELECT c.document, pg_temp.verdict('parcel', c.document) AS verdict
  FROM (VALUES ('[]'::jsonb), ('[{"plate": "A-12", "loaded": true}]'), ('"A-12"'), ('5'), ('null'), ('true')) AS c(document);
SELECT dispatch.create_dispatch('parcel', custom_data => '[]');
\echo :SQLSTATE

-- Lengths are characters, not bytes.
SELECT dispatch.create_type('lengths') IS NOT NULL AS created;
SELECT dispatch.create_attributes('lengths', '[{"name": "s", "dataType": "string", "validation": {"range": {"min": 2, "max": 3}}}]');
SELECT c.title, octet_length(c.value) AS bytes, pg_temp.verdict('lengths', jsonb_build_object('s', c.value)) AS verdict
  FROM (VALUES ('ascii', 'abc'), ('ascii, one more', 'abcd'), ('umlauts', 'äöü'), ('umlauts, one more', 'äöüß'), ('one umlaut', 'ä'),
    ('emoji', '😀😀😀'), ('emoji, one more', '😀😀😀😀'), ('e and a combining accent are two', E'e\u0301'), ('twice that is four', E'e\u0301e\u0301'),
    ('a family is many', '👨‍👩‍👧'), ('white space counts', E' \t\n'), ('empty', '')) AS c(title, value);
-- Either end alone, and none.
SELECT dispatch.create_attributes('lengths', '[{"name": "least", "dataType": "string", "validation": {"range": {"min": 1}}},
    {"name": "most", "dataType": "string", "validation": {"range": {"max": 0}}}, {"name": "free", "dataType": "string", "validation": {"range": {}}},
    {"name": "huge", "dataType": "string", "validation": {"range": {"max": 99999999999999999999}}}]');
SELECT pg_temp.verdict('lengths', '{"least": "a", "most": "", "free": "abc", "huge": "abc"}') AS inside, pg_temp.verdict('lengths', '{"least": "", "most": "a"}') AS outside;

-- Numbers are compared exactly, whatever a double can hold.
SELECT dispatch.create_type('numbers') IS NOT NULL AS created;
SELECT dispatch.create_attributes('numbers', jsonb_build_array(
    '{"name": "big", "dataType": "number", "validation": {"range": {"max": 9007199254740992}}}'::jsonb,
    '{"name": "odd", "dataType": "number", "validation": {"valueOneOf": [9007199254740993]}}'::jsonb,
    '{"name": "tenth", "dataType": "number", "validation": {"range": {"min": 0.1, "max": 0.1}}}'::jsonb,
    '{"name": "zero", "dataType": "number", "validation": {"valueOneOf": [0]}}'::jsonb,
    '{"name": "positive", "dataType": "number", "validation": {"range": {"min": 0}}}'::jsonb,
    '{"name": "one", "dataType": "number", "validation": {"valueOneOf": [1, 2.50]}}'::jsonb,
    '{"name": "beyond", "dataType": "number", "validation": {"range": {"min": -1e400, "max": 1e400}}}'::jsonb,
    '{"name": "tiny", "dataType": "number", "validation": {"range": {"min": 1e-400}}}'::jsonb,
    jsonb_build_object('name', 'long', 'dataType', 'number', 'validation', jsonb_build_object('range', jsonb_build_object('max', repeat('9', 30000)::numeric)))));
SELECT c.document, pg_temp.verdict('numbers', c.document) AS verdict
  FROM (VALUES ('{"big": 9007199254740992}'::jsonb), ('{"big": 9007199254740992.0}'), ('{"big": 9007199254740993}'), ('{"big": 9007199254740992.0000000001}'),
    ('{"odd": 9007199254740993}'), ('{"odd": 9007199254740992}'), ('{"odd": 9007199254740994}'),
    ('{"tenth": 0.1}'), ('{"tenth": 0.10000}'), ('{"tenth": 1e-1}'), ('{"tenth": 0.1000000000000000055511151231257827}'), ('{"tenth": 0.09999999999999999999999}'),
    ('{"zero": 0}'), ('{"zero": -0}'), ('{"zero": 0.000}'), ('{"zero": -0.0e5}'), ('{"zero": 1e-500}'),
    ('{"positive": -0}'), ('{"positive": -0.0}'), ('{"positive": -0.0000000000000000000000000001}'),
    ('{"one": 1}'), ('{"one": 1.0}'), ('{"one": 1.000000000000000000000000000}'), ('{"one": 10e-1}'), ('{"one": 2.5}'), ('{"one": 1.0000000000000000000000000001}'), ('{"one": -1}'), ('{"one": 10000}')
  ) AS c(document);
SELECT c.title, pg_temp.verdict('numbers', c.document) AS verdict
  FROM (VALUES ('1e400', '{"beyond": 1e400}'::jsonb), ('-1e400', '{"beyond": -1e400}'), ('a little more', jsonb_build_object('beyond', 1e400 + 0.1)), ('a little less', jsonb_build_object('beyond', -1e400 - 0.1)),
    ('1e401', '{"beyond": 1e401}'), ('1e-400', '{"tiny": 1e-400}'), ('less', '{"tiny": 0.99e-400}'), ('0', '{"tiny": 0}'),
    ('30,000 nines', jsonb_build_object('long', repeat('9', 30000)::numeric)), ('one less', jsonb_build_object('long', repeat('9', 30000)::numeric - 1)),
    ('a tenth more', jsonb_build_object('long', repeat('9', 30000)::numeric + 0.1)), ('negative', jsonb_build_object('long', -(repeat('9', 30000)::numeric) - 1))) AS c(title, document);

-- One value of many digits against what PostgreSQL says: every pair of some numbers, by range and by equality.
SELECT dispatch.create_type('pairs') IS NOT NULL AS created;
CREATE TEMP TABLE number AS
SELECT DISTINCT ON (n) n, row_number() OVER () AS place
  FROM (SELECT s * m * p AS n
          FROM unnest('{-1,1}'::numeric[]) AS s, unnest('{0,1,1.5,9999,9999.9999,10000,12345678.0001}'::numeric[]) AS m,
               unnest(ARRAY[1e-40, 1e-4, 1, 1e4, 1e40]) AS p) AS made;
SELECT dispatch.create_attributes('pairs', jsonb_agg(jsonb_build_object('name', d.prefix || translate(n.place::text, '0123456789', 'abcdefghij'), 'dataType', 'number', 'validation', d.validation)))
  FROM number AS n
 CROSS JOIN LATERAL (VALUES ('min', jsonb_build_object('range', jsonb_build_object('min', n.n))), ('max', jsonb_build_object('range', jsonb_build_object('max', n.n))),
     ('eq', jsonb_build_object('valueOneOf', jsonb_build_array(n.n)))) AS d(prefix, validation);
SELECT count(*) AS compared,
       count(*) FILTER (WHERE dispatch.is_valid('pairs', jsonb_build_object(t.prefix || translate(a.place::text, '0123456789', 'abcdefghij'), b.n)) IS DISTINCT FROM t.holds) AS wrong
  FROM number AS a
 CROSS JOIN number AS b
 CROSS JOIN LATERAL (VALUES ('min', b.n >= a.n), ('max', b.n <= a.n), ('eq', b.n = a.n)) AS t(prefix, holds);

-- valueOneOf is JSON equality: members in any order, elements in theirs, 1 equals 1.0, "1" does not.
SELECT dispatch.create_type('choices') IS NOT NULL AS created;
SELECT dispatch.create_attributes('choices', '[
    {"name": "o", "dataType": "object", "validation": {"valueOneOf": [{}, {"a": 1, "b": [true, null, {"c": "x"}]}]}},
    {"name": "l", "dataType": "array", "validation": {"valueOneOf": [[1, 2], [[]], [{"a": null}]]}},
    {"name": "b", "dataType": "boolean", "validation": {"valueOneOf": [true]}},
    {"name": "s", "dataType": "string", "validation": {"valueOneOf": ["é", "a"]}}]');
SELECT c.document, pg_temp.verdict('choices', c.document) AS verdict
  FROM (VALUES ('{"o": {}}'::jsonb), ('{"o": {"b": [true, null, {"c": "x"}], "a": 1.00}}'), ('{"o": {"a": "1", "b": [true, null, {"c": "x"}]}}'), ('{"o": {"a": 1, "b": [true, null, {"c": "y"}]}}'),
    ('{"o": {"a": 1, "b": [null, true, {"c": "x"}]}}'), ('{"o": {"a": 1}}'), ('{"o": {"a": null}}'), ('{"o": {"a": 1, "c": [true, null, {"c": "x"}]}}'),
    ('{"l": [1, 2]}'), ('{"l": [1.0, 2e0]}'), ('{"l": [2, 1]}'), ('{"l": []}'), ('{"l": [[]]}'), ('{"l": [{}]}'), ('{"l": [{"a": null}]}'), ('{"l": [[[]]]}'), ('{"l": [1, 2, 3]}'),
    ('{"b": true}'), ('{"b": false}'), ('{"s": "a"}'), ('{"s": "A"}'), ('{"s": "aa"}')) AS c(document);
-- Strings are equal by their characters, not by how they look.
SELECT pg_temp.verdict('choices', jsonb_build_object('s', E'\u00e9')) AS same_characters, pg_temp.verdict('choices', jsonb_build_object('s', E'e\u0301')) AS same_look;

-- Documents of great depth and width.
SELECT pg_temp.verdict('parcel', ('{"plate": "A-12", "loaded": true, "stops": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb) AS deep;
SELECT dispatch.create_type('deeptype') IS NOT NULL AS created;
SELECT dispatch.create_attributes('deeptype', ('[{"name": "l", "dataType": "array", "validation": {"valueOneOf": [' || repeat('[', 1000) || repeat(']', 1000) || ']}}]')::jsonb);
SELECT dispatch.is_valid('deeptype', ('{"l": ' || repeat('[', 1000) || repeat(']', 1000) || '}')::jsonb) AS same_depth,
       dispatch.is_valid('deeptype', ('{"l": ' || repeat('[', 999) || repeat(']', 999) || '}')::jsonb) AS other_depth;
SELECT count(*) AS violations
  FROM dispatch.validate('parcel', (SELECT jsonb_object_agg('member' || i, i) FROM generate_series(1, 10000) AS i));

-- What is shown of values is cut to a sane length.
SELECT dispatch.create_type('shown') IS NOT NULL AS created;
SELECT dispatch.create_attributes('shown', jsonb_build_array(
    jsonb_build_object('name', 'p', 'dataType', 'string', 'validation', jsonb_build_object('regex', '^' || repeat('x', 999))),
    jsonb_build_object('name', 'one', 'dataType', 'string', 'validation', jsonb_build_object('valueOneOf', (SELECT jsonb_agg(repeat(chr(96 + i), 1000)) FROM generate_series(1, 12) AS i)))));
SELECT left(v.attribute, 12) AS attribute, v.rule, length(v.message) < 1000 AS sane
  FROM dispatch.validate('shown', jsonb_build_object('p', repeat('é', 100000), 'one', repeat('q', 100000), repeat('member', 1000), 1)) AS v;

-- One violation is one line, whatever stands in the document.
CREATE FUNCTION pg_temp.lines(dispatch_type text, document jsonb) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM dispatch.create_dispatch(dispatch_type, custom_data => document);
    RETURN 0;
EXCEPTION WHEN check_violation THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN cardinality(string_to_array(detail, E'\n'));
END
$$;
SELECT pg_temp.lines('parcel', '{"plate": "A\n\n", "weight": 0, "loaded": true}') AS three,
       pg_temp.lines('parcel', '{"plate": "A-12", "loaded": true, "line\nend": 1}') AS one;

-- NULL is no document.
SELECT * FROM dispatch.validate('parcel', NULL);
\echo :SQLSTATE
SELECT dispatch.is_valid('parcel', NULL) IS NULL AS unknown;

-- As a check of a table of one's own.
CREATE TABLE shipment (id integer, data jsonb CHECK (dispatch.is_valid('parcel', data)));
INSERT INTO shipment VALUES (1, '{"plate": "A-12", "loaded": true}'), (2, NULL);
INSERT INTO shipment VALUES (3, '{"plate": "A-12"}');
\echo :SQLSTATE
SELECT count(*) AS shipments FROM shipment;
DROP TABLE shipment;

-- What breaks a type a million times is told twenty thousand times.
SELECT dispatch.create_type('flooded') IS NOT NULL;
SELECT count(*) FROM dispatch.validate('flooded', (SELECT jsonb_object_agg('k' || g, 1) FROM generate_series(1, 1000000) AS g));

DROP EXTENSION dispatch CASCADE;
