-- Attribute definitions: every rule at its edge, both sides.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') IS NOT NULL AS created;

-- Tries definitions and leaves nothing behind.
CREATE FUNCTION pg_temp.define(VARIADIC definitions jsonb[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    PERFORM dispatch.create_attributes('parcel', to_jsonb(definitions));
    RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN
        RETURN 'accepted';
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
        RETURN concat_ws(': ', SQLSTATE, message, nullif(detail, ''));
END
$$;
-- The same for one attribute of a type, with more members.
CREATE FUNCTION pg_temp.define(data_type text, members jsonb) RETURNS text LANGUAGE sql AS $$
SELECT pg_temp.define(VARIADIC ARRAY[jsonb_build_object('name', 'tried', 'dataType', data_type) || members])
$$;
-- The same for its validation.
CREATE FUNCTION pg_temp.rule(data_type text, rules jsonb) RETURNS text LANGUAGE sql AS $$
SELECT pg_temp.define(data_type, jsonb_build_object('validation', rules))
$$;

-- Names match ^[a-zA-Z]{1,32}$.
SELECT c.title, pg_temp.define('string', jsonb_build_object('name', c.name)) AS result
  FROM (VALUES
    ('1 letter', to_jsonb('a'::text)), ('32 letters', to_jsonb(repeat('aZ', 16))), ('33 letters', to_jsonb(repeat('a', 33))),
    ('none', '""'), ('a digit', '"zone1"'), ('an underscore', '"zone_a"'), ('a space', '"zone a"'), ('a line end', '"zone\n"'),
    ('an umlaut', '"größe"'), ('signs beside the letters', '"a[b"'), ('others', '"a@b"'), ('a brace', '"a{b"'), ('null', 'null'), ('a number', '5'),
    ('1,000 signs', to_jsonb(repeat('€', 1000)))
  ) AS c(title, name);
SELECT pg_temp.define('{"dataType": "string"}') AS without_name;

-- dataType is one of five.
SELECT c.data_type, pg_temp.define('string', jsonb_build_object('dataType', c.data_type)) AS result
  FROM (VALUES ('"string"'::jsonb), ('"number"'), ('"boolean"'), ('"object"'), ('"array"'),
    ('"String"'), ('"integer"'), ('"null"'), ('""'), ('null'), ('5'), ('["string"]')) AS c(data_type);
SELECT pg_temp.define('{"name": "tried"}') AS without_type;

-- Which rule goes with which data type.
SELECT t.data_type, r.rule, pg_temp.rule(t.data_type, jsonb_build_object(r.rule,
           CASE r.rule WHEN 'range' THEN '{"min": 1, "max": 2}'::jsonb
                       WHEN 'regex' THEN '"^x"'
                       WHEN 'required' THEN 'true'
                       ELSE t.values END)) AS result
  FROM (VALUES (1, 'string', '["a"]'::jsonb), (2, 'number', '[1]'), (3, 'boolean', '[true]'), (4, 'object', '[{"a": 1}]'),
               (5, 'array', '[[1]]')) AS t(place, data_type, values)
 CROSS JOIN (VALUES (1, 'range'), (2, 'regex'), (3, 'valueOneOf'), (4, 'required')) AS r(place, rule)
 ORDER BY t.place, r.place;

-- range: either end may be absent, both are inclusive, min may not be above max; compared as numeric, not as double.
SELECT c.range, pg_temp.rule('number', jsonb_build_object('range', c.range)) AS result
  FROM (VALUES ('{"min": 1, "max": 2}'::jsonb), ('{"min": 1}'), ('{"max": 1}'), ('{}'), ('{"min": null, "max": 1}'), ('{"min": 2, "max": 2}'),
    ('{"min": 2, "max": 2.0}'), ('{"min": -1.5, "max": -0.5}'), ('{"min": 2, "max": 1}'), ('{"min": -1, "max": -2}'),
    ('{"min": 9007199254740993, "max": 9007199254740992}'), ('{"min": 9007199254740992, "max": 9007199254740993}'),
    ('{"min": 0.1000000000000000000001, "max": 0.1}'), ('{"min": "1"}'), ('{"max": true}'), ('{"max": [1]}'), ('{"low": 1}'), ('{"Min": 1}'),
    ('[1, 2]'), ('"1-2"'), ('5'), ('null')) AS c(range);
SELECT c.title, pg_temp.rule('number', jsonb_build_object('range', c.range)) AS result
  FROM (VALUES ('above double', '{"min": -1e400, "max": 1e400}'::jsonb), ('above double, turned', '{"min": 1e400, "max": -1e400}')) AS c(title, range);

-- The range of a string is a number of characters: whole and not negative.
SELECT c.range, pg_temp.rule('string', jsonb_build_object('range', c.range)) AS result
  FROM (VALUES ('{"min": 0, "max": 0}'::jsonb), ('{"min": 1.0, "max": 1e3}'), ('{"max": 99999999999999999999}'), ('{"min": -0}'), ('{"min": 1.5}'),
    ('{"max": 0.5}'), ('{"min": -1}'), ('{"max": -1}'), ('{"min": 5, "max": 4}'), ('{"min": "1"}')) AS c(range);

-- regex: at most 1,000 characters, not bytes.
SELECT pg_temp.rule('string', jsonb_build_object('regex', repeat('a', 1000))) AS thousand,
       pg_temp.rule('string', jsonb_build_object('regex', repeat('€', 1000))) AS thousand_of_three_bytes;
SELECT pg_temp.rule('string', jsonb_build_object('regex', repeat('a', 1001))) AS one_more;
SELECT pg_temp.rule('string', jsonb_build_object('regex', repeat('€', 1001))) AS one_more_of_three_bytes;

-- A pattern that cannot be compiled fails here, with PCRE2's message and offset: 2201B.
SELECT c.regex, pg_temp.rule('string', jsonb_build_object('regex', c.regex)) AS result
  FROM (VALUES ('('), ('[a'), ('äöü('), ('\')) AS c(regex);
-- More of them; what PCRE2 says of these depends on its version.
SELECT c.regex, left(pg_temp.rule('string', jsonb_build_object('regex', c.regex)), 5) AS result
  FROM (VALUES ('a{2,1}'), ('(?<n>a)(?<n>b)'), ('\1'), ('\p{Nothing}'), ('(?<=a*)b'), ('[z-a]'), ('(?<n'), ('(*NOSUCHVERB)a'), ('\x{110000}'), ('\x{d800}')) AS c(regex);

-- \C, which can split a character, is refused, but not a backslash before a C.
SELECT c.regex, pg_temp.rule('string', jsonb_build_object('regex', c.regex)) AS result
  FROM (VALUES ('\C'), ('a\\\C'), ('a\\C'), ('[C]')) AS c(regex);
SELECT c.regex, pg_temp.rule('string', jsonb_build_object('regex', c.regex)) AS result
  FROM (VALUES (''::text), ('^[A-Z]{1,3}-\d+$'), ('(?i)straße'), ('(?=.*\d)(?<!x)y')) AS c(regex);
SELECT pg_temp.rule('string', '{"regex": 5}') AS number, pg_temp.rule('string', '{"regex": ["a"]}') AS list,
       pg_temp.rule('string', '{"regex": null}') AS json_null;
-- A long pattern is cut where it is shown.
SELECT pg_temp.rule('string', jsonb_build_object('regex', '(' || repeat('long', 200))) AS result;

-- valueOneOf: a list, not empty, of values of the data type.
SELECT c.data_type, c.list, pg_temp.rule(c.data_type, jsonb_build_object('valueOneOf', c.list)) AS result
  FROM (VALUES
    ('string', '["a", "b", ""]'::jsonb), ('number', '[1, 2.5, -0]'), ('boolean', '[true]'), ('object', '[{}, {"a": [1]}]'), ('array', '[[], [1, "a"]]'),
    ('number', '[1, 1.0]'), ('string', '[]'), ('string', '"a"'), ('string', '{"a": 1}'), ('string', '["a", 1]'), ('string', '["a", null]'),
    ('number', '["1"]'), ('number', '[[1]]'), ('boolean', '["true"]'), ('object', '[[]]'), ('array', '[{}]'), ('string', 'null'), ('string', '[["a"]]')
  ) AS c(data_type, list);

-- required is a boolean.
SELECT c.required, pg_temp.rule('string', jsonb_build_object('required', c.required)) AS result
  FROM (VALUES ('true'::jsonb), ('false'), ('null'), ('"true"'), ('1')) AS c(required);

-- validation is an object; a member that it does not have is named. JSON null is the same as absent.
SELECT c.validation, pg_temp.define('string', jsonb_build_object('validation', c.validation)) AS result
  FROM (VALUES ('null'::jsonb), ('{}'), ('[]'), ('"required"'), ('{"Required": true}'), ('{"minimum": 1}'), ('{"unheard": null}'),
    ('{"range": null, "regex": null, "valueOneOf": null, "required": null}')) AS c(validation);
SELECT pg_temp.rule('boolean', '{"range": null, "regex": null}') AS null_rules_of_other_types;

-- defaultValue must pass the attribute's own validation. JSON null, and {} on a non-object attribute, mean none.
SELECT c.data_type, c.members, pg_temp.define(c.data_type, c.members) AS result
  FROM (VALUES
    ('string', '{"defaultValue": "a"}'::jsonb), ('string', '{"defaultValue": ""}'), ('number', '{"defaultValue": 0}'), ('boolean', '{"defaultValue": false}'),
    ('array', '{"defaultValue": []}'), ('object', '{"defaultValue": {}}'), ('object', '{"defaultValue": {"a": 1}}'),
    ('string', '{"defaultValue": null}'), ('string', '{"defaultValue": {}}'), ('number', '{"defaultValue": {}}'), ('boolean', '{"defaultValue": {}}'), ('array', '{"defaultValue": {}}'),
    ('string', '{"defaultValue": {}, "validation": {"range": {"min": 1}, "required": true}}'),
    ('string', '{"defaultValue": 5}'), ('number', '{"defaultValue": "5"}'), ('boolean', '{"defaultValue": "true"}'), ('array', '{"defaultValue": {"a": 1}}'), ('object', '{"defaultValue": []}'),
    ('string', '{"defaultValue": "", "validation": {"range": {"min": 1}}}'), ('number', '{"defaultValue": 5, "validation": {"range": {"max": 4.9}}}'),
    ('string', '{"defaultValue": "b", "validation": {"regex": "^a"}}'), ('string', '{"defaultValue": "b", "validation": {"valueOneOf": ["a"]}}'),
    ('number', '{"defaultValue": 1.00, "validation": {"valueOneOf": [1]}}'), ('object', '{"defaultValue": {}, "validation": {"valueOneOf": [{"a": 1}]}}'),
    ('string', '{"defaultValue": "a", "validation": {"required": true}}'),
    ('string', '{"defaultValue": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "validation": {"regex": "^(a+)+$"}}')
  ) AS c(data_type, members);

-- tags are strings; description is a string.
SELECT c.members, pg_temp.define('string', c.members) AS result
  FROM (VALUES ('{"tags": ["a", "a", "", "ü x"]}'::jsonb), ('{"tags": []}'), ('{"tags": null}'), ('{"tags": "a"}'), ('{"tags": ["a", 1]}'), ('{"tags": [null]}'), ('{"tags": {"a": 1}}'),
    ('{"description": "what it is"}'), ('{"description": ""}'), ('{"description": null}'), ('{"description": 5}')) AS c(members);

-- indexed: for scalar types, eight in a type.
SELECT t.data_type, pg_temp.define(t.data_type, '{"indexed": true}') AS indexed, pg_temp.define(t.data_type, '{"indexed": false}') AS not_indexed
  FROM unnest('{string,number,boolean,object,array}'::text[]) AS t(data_type);
SELECT pg_temp.define('string', '{"indexed": "yes"}') AS no_boolean, pg_temp.define('string', '{"indexed": null}') AS json_null;
CREATE FUNCTION pg_temp.indexed(first integer, last integer, indexed boolean) RETURNS jsonb[] LANGUAGE sql AS $$
SELECT array_agg(jsonb_build_object('name', chr(96 + i), 'dataType', 'string', 'indexed', indexed)) FROM generate_series(first, last) AS i
$$;
SELECT pg_temp.define(VARIADIC pg_temp.indexed(1, 8, true)) AS eight,
       pg_temp.define(VARIADIC pg_temp.indexed(1, 9, true)) AS nine,
       pg_temp.define(VARIADIC pg_temp.indexed(1, 20, false)) AS twenty_not_indexed;
SELECT dispatch.create_type('manyindexed') IS NOT NULL AS created;
SELECT dispatch.create_attributes('manyindexed', to_jsonb(pg_temp.indexed(1, 8, true)));
SELECT dispatch.create_attributes('manyindexed', to_jsonb(pg_temp.indexed(9, 9, true)));
\echo :SQLSTATE
SELECT dispatch.create_attributes('manyindexed', to_jsonb(pg_temp.indexed(9, 10, false)));

-- A member that a definition does not have is named.
SELECT c.members, pg_temp.define('string', c.members) AS result
  FROM (VALUES ('{"defaultvalue": "a"}'::jsonb), ('{"type": "string"}'), ('{"": 1}'), ('{"unheard": null}'), ('{"required": true}')) AS c(members);

-- A name occurs once in a call and once in a type: 23505. Another case is another name.
SELECT pg_temp.define(VARIADIC ARRAY['{"name": "zone", "dataType": "string"}', '{"name": "zone", "dataType": "number"}']::jsonb[]) AS twice,
       pg_temp.define(VARIADIC ARRAY['{"name": "zone", "dataType": "string"}', '{"name": "Zone", "dataType": "string"}']::jsonb[]) AS other_case;

-- attributes is an array of objects, not empty.
SELECT c.attributes, pg_temp.define(VARIADIC c.attributes) AS result
  FROM (VALUES (ARRAY['5'::jsonb]), (ARRAY['null'::jsonb]), (ARRAY['[]'::jsonb]), (ARRAY['{}'::jsonb]), ('{}'::jsonb[]),
    (ARRAY['{"name": "zone", "dataType": "string"}'::jsonb, '"second"'])) AS c(attributes);
SELECT dispatch.create_attributes('parcel', '{"name": "zone", "dataType": "string"}');
\echo :SQLSTATE
SELECT dispatch.create_attributes('parcel', 'null');
\echo :SQLSTATE
SELECT dispatch.create_attributes('parcel', NULL);
\echo :SQLSTATE
SELECT dispatch.create_attributes('parcel', '[{"name": "zone", "dataType": "string"}]', '"meta"');
\echo :SQLSTATE

-- A failed call leaves nothing behind, however late it fails.
SELECT dispatch.create_attributes('parcel', '[{"name": "zone", "dataType": "string"}, {"name": "weight", "dataType": "number"},
    {"name": "plate", "dataType": "string", "validation": {"regex": "("}}]');
\echo :SQLSTATE
SELECT t.revision, t.attributes FROM dispatch.types AS t WHERE t.name = 'parcel';
SELECT count(*) AS events FROM dispatch.type_history('parcel');

-- The answer is how many; the definitions are returned as they were given, in the order of their creation.
SELECT dispatch.create_attributes('parcel', '[
    {"name": "zone", "description": "where", "tags": ["b", "a", "b"], "dataType": "string", "indexed": true, "defaultValue": "north", "validation": {"valueOneOf": ["north", "south"], "required": true}},
    {"name": "a", "dataType": "number", "tags": null, "defaultValue": {}, "validation": {"range": {"min": 1.50}}}]');
SELECT dispatch.create_attributes('parcel', '[{"name": "notes", "dataType": "array"}]');
SELECT jsonb_pretty(dispatch.get_attributes('parcel') - 'dispatchTypeId') AS attributes;
SELECT a.type_name, a.name, a.data_type, a.description, a.tags, a.required, a.indexed, a.default_value, a.validation, a.position
  FROM dispatch.attributes AS a
 WHERE a.type_name = 'parcel'
 ORDER BY a.position;

-- What is there already cannot be created again, beside new ones neither.
SELECT dispatch.create_attributes('parcel', '[{"name": "extra", "dataType": "string"}, {"name": "zone", "dataType": "string"}]');
\echo :SQLSTATE
SELECT t.revision, jsonb_array_length(t.attributes) AS attributes FROM dispatch.types AS t WHERE t.name = 'parcel';

DROP EXTENSION dispatch CASCADE;
