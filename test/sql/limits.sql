-- What is large, deep or long is handled or refused with a clear error, never by a crash.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off

-- What a statement comes to: its result, or the SQLSTATE; and whether in time.
CREATE FUNCTION pg_temp.outcome(statement text, deadline interval DEFAULT '60 s') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    result text;
BEGIN
    BEGIN
        EXECUTE statement INTO result;
    EXCEPTION WHEN OTHERS OR query_canceled THEN
        result := SQLSTATE;
    END;
    RETURN result || CASE WHEN clock_timestamp() - started < deadline THEN '' ELSE ', late' END;
END
$$;
-- A name of letters for a number.
CREATE FUNCTION pg_temp.name(n integer) RETURNS text LANGUAGE sql AS $$ SELECT 'member' || translate(n::text, '0123456789', 'abcdefghij') $$;

-- 1,600 attributes in a type, each with rules of its own.
SELECT dispatch.create_type('wide') IS NOT NULL AS created;
SELECT dispatch.create_attributes('wide', jsonb_agg(jsonb_build_object('name', pg_temp.name(g), 'dataType', (ARRAY['string', 'number', 'boolean', 'object'])[g % 4 + 1],
    'validation', CASE g % 4 WHEN 0 THEN jsonb_build_object('regex', '^v' || g || '$', 'range', '{"max": 5}'::jsonb) WHEN 1 THEN jsonb_build_object('range', jsonb_build_object('min', g, 'max', g), 'required', true)
        ELSE '{}' END))) AS attributes
  FROM generate_series(1, 1600) AS g;
CREATE TABLE wide AS
SELECT jsonb_object_agg(pg_temp.name(g), CASE g % 4 WHEN 0 THEN to_jsonb('v' || g) WHEN 1 THEN to_jsonb(g) WHEN 2 THEN 'true' ELSE '{"a": 1}' END) AS document
  FROM generate_series(1, 1600) AS g;
SELECT dispatch.is_valid('wide', document) AS valid, (SELECT count(*) FROM dispatch.validate('wide', '{}')) AS absent,
       (SELECT string_agg(v.attribute || ' ' || v.rule, ', ' ORDER BY v.attribute) FROM dispatch.validate('wide', document || '{"memberh": 8, "memberbgaa": "v1601", "memberbgab": 1}') AS v) AS broken
  FROM wide;
SELECT (SELECT string_agg(v.rule || ' ' || n, ', ' ORDER BY v.rule) FROM (SELECT v.rule, count(*) AS n FROM dispatch.validate('wide', (SELECT jsonb_object_agg(key, '[]'::jsonb) FROM jsonb_each(document))) AS v GROUP BY v.rule) AS v) AS every_one
  FROM wide;
SELECT length(dispatch.create_dispatch('wide', 'WIDE-1', custom_data => document)::text) AS created FROM wide;
SELECT d.custom_data = w.document AS kept FROM dispatch.dispatches AS d, wide AS w WHERE d.dispatch_ref = 'WIDE-1';

-- 250 levels of nesting: kept, compared, patched, sealed.
CREATE FUNCTION pg_temp.nested(levels integer, inside text) RETURNS text LANGUAGE sql AS $$ SELECT repeat('{"a":', levels) || inside || repeat('}', levels) $$;
SELECT dispatch.create_type('deep') IS NOT NULL AS created;
SELECT dispatch.create_attributes('deep', ('[{"name": "free", "dataType": "object"}, {"name": "one", "dataType": "object", "validation": {"valueOneOf": [' || pg_temp.nested(250, '1') || ']}}]')::jsonb);
SELECT dispatch.is_valid('deep', ('{"free": ' || pg_temp.nested(250, '"x"') || ', "one": ' || pg_temp.nested(250, '1.0') || '}')::jsonb) AS same,
       dispatch.is_valid('deep', ('{"one": ' || pg_temp.nested(250, '2') || '}')::jsonb) AS other, dispatch.is_valid('deep', ('{"one": ' || pg_temp.nested(249, '1') || '}')::jsonb) AS less;
SELECT length(dispatch.create_dispatch('deep', 'DEEP-1', custom_data => ('{"free": ' || pg_temp.nested(250, '"x"') || '}')::jsonb)::text) AS created;
SELECT dispatch.update_custom_data(dispatch.dispatch_id('DEEP-1'), ('{"free": ' || pg_temp.nested(249, '{"b": 2}') || '}')::jsonb) AS version;
SELECT custom_data = ('{"free": ' || pg_temp.nested(249, '{"a": "x", "b": 2}') || '}')::jsonb AS patched FROM dispatch.dispatches WHERE dispatch_ref = 'DEEP-1';

-- Thousands of levels, more than the stack has room for: 54001, whatever is done with them.
CREATE TABLE deeper AS SELECT ('{"free": ' || pg_temp.nested(4000, '1') || '}')::jsonb AS free, ('{"one": ' || pg_temp.nested(4000, '1') || '}')::jsonb AS one;
SELECT dispatch.create_type('deeper') IS NOT NULL AS created;
SELECT dispatch.create_attributes('deeper', ('[{"name": "one", "dataType": "object", "validation": {"valueOneOf": [' || pg_temp.nested(4000, '1') || ']}}]')::jsonb);
SELECT dispatch.is_valid('deep', free) AS walked, dispatch.is_valid('deeper', one) AS compared FROM deeper;
SET max_stack_depth = '100kB';
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''deep'', free) FROM deeper') AS walked;
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''deeper'', one) FROM deeper') AS compared;
SELECT pg_temp.outcome('SELECT dispatch.create_dispatch(''deep'', custom_data => free) FROM deeper') AS sealed;
SELECT pg_temp.outcome('SELECT dispatch.update_custom_data(dispatch.dispatch_id(''DEEP-1''), free) FROM deeper') AS patched;
SELECT pg_temp.outcome('INSERT INTO dispatch.dispatches (type_id, custom_data) SELECT t.id, d.free FROM deeper AS d, dispatch.types AS t WHERE t.name = ''deep'' RETURNING 1') AS inserted;
RESET max_stack_depth;
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''deep'', (''{"free": '' || pg_temp.nested(1000000, ''1'') || ''}'')::jsonb)') AS the_servers_own;

-- A value set of 20,000.
SELECT dispatch.create_type('choices') IS NOT NULL AS created;
SELECT dispatch.create_attributes('choices', jsonb_build_array(jsonb_build_object('name', 's', 'dataType', 'string', 'validation', jsonb_build_object('valueOneOf', (SELECT jsonb_agg('value ' || g) FROM generate_series(1, 20000) AS g)))));
SELECT dispatch.is_valid('choices', '{"s": "value 1"}') AS first, dispatch.is_valid('choices', '{"s": "value 20000"}') AS last, dispatch.is_valid('choices', '{"s": "value 20001"}') AS beyond;

-- Strings of 1 MB, by every rule.
SELECT dispatch.create_type('texts') IS NOT NULL AS created;
SELECT dispatch.create_attributes('texts', '[
    {"name": "linear", "dataType": "string", "validation": {"regex": "^[a-zä]+$"}},
    {"name": "range", "dataType": "string", "validation": {"range": {"min": 1000000, "max": 1000000}}},
    {"name": "one", "dataType": "string", "validation": {"valueOneOf": ["a", "b"]}},
    {"name": "free", "dataType": "string"},
    {"name": "bomb", "dataType": "string", "validation": {"regex": "(?=.*[0-9])[a-z]"}}]');
SET dispatch.regex_timeout = '20s'; -- for machines that are slow today
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''linear'', repeat(''ä'', 1000000)))') AS linear,
       pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''range'', repeat(''ä'', 1000000)))') AS characters,
       pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''range'', repeat(''ä'', 1000001)))') AS one_more,
       pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''one'', repeat(''a'', 1000000)))') AS other;
RESET dispatch.regex_timeout;
-- A search without end stops soon, and can be cancelled in between.
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''bomb'', repeat(''a'', 1000000)))', '10 s') AS bomb;
SET statement_timeout = '500ms';
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''bomb'', repeat(''a'', 300000)))', '2 s') AS cancelled;
RESET statement_timeout;

-- Documents of 100 MB are validated; more than jsonb can hold is the server's own error.
SELECT pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''free'', repeat(''x'', 100000000)))') AS valid,
       pg_temp.outcome('SELECT left(string_agg(message, '' ''), 70) FROM dispatch.validate(''texts'', jsonb_build_object(''range'', repeat(''x'', 100000000)))') AS shown,
       pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''linear'', repeat(''x'', 100000000))) IN (true, false)', '10 s') IN ('true', '54000') AS searched,
       pg_temp.outcome('SELECT dispatch.is_valid(''texts'', jsonb_build_object(''free'', repeat(''x'', 300000000)))') AS beyond_jsonb;
SELECT pg_temp.outcome('SELECT length(dispatch.create_dispatch(''texts'', custom_data => jsonb_build_object(''free'', repeat(''x'', 100000000)))::text)') AS written;

DROP TABLE wide, deeper;
DROP EXTENSION dispatch CASCADE;
