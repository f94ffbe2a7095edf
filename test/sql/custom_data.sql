-- update_custom_data(): JSON merge patch, validation of the whole, defaults.
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

CREATE FUNCTION pg_temp.data(ref text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', 'version', version, custom_data) FROM dispatch.dispatches WHERE dispatch_ref = ref;
$$;

-- RFC 7396, appendix A: its cases in which target and patch are objects.
SELECT dispatch.create_type('open', additional_attributes => true) IS NOT NULL;
CREATE FUNCTION pg_temp.patched(target jsonb, patch jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    id uuid := dispatch.create_dispatch('open', custom_data => target);
BEGIN
    PERFORM dispatch.update_custom_data(id, patch);
    RETURN dispatch.get_dispatch(id) -> 'customData';
END $$;
SELECT target, patch, pg_temp.patched(target, patch), pg_temp.patched(target, patch) = result AS as_the_rfc_says
  FROM (VALUES (1, '{"a":"b"}'::jsonb, '{"a":"c"}'::jsonb, '{"a":"c"}'::jsonb),
               (2, '{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
               (3, '{"a":"b"}', '{"a":null}', '{}'),
               (4, '{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
               (5, '{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
               (6, '{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
               (7, '{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
               (8, '{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
               (9, '{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
               (10, '{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'))
       AS appendix(n, target, patch, result)
 ORDER BY n;
-- The example of its section 3.
SELECT pg_temp.patched('{
    "title": "Goodbye!",
    "author": {"givenName": "John", "familyName": "Doe"},
    "tags": ["example", "sample"],
    "content": "This will be unchanged"
}', '{
    "title": "Hello!",
    "phoneNumber": "+01-123-456-7890",
    "author": {"familyName": null},
    "tags": ["example"]
}');
-- An object over what is none starts from nothing; nulls inside arrays stay; nothing to do is fine.
SELECT pg_temp.patched('{"a": 1, "b": [1], "c": "x", "d": null}', '{"a": {"x": 1, "y": null}, "b": {"z": {"w": null}}, "c": {}, "d": {"e": 1}}');
SELECT pg_temp.patched('{}', '{"a": [null, {"b": null}]}');
SELECT pg_temp.patched('{"a": {"b": {"c": {"d": 1, "e": 2}, "f": 3}}, "g": 4}', '{"a": {"b": {"c": {"d": null}}}}');
SELECT pg_temp.patched('{"a": 1}', '{}'), pg_temp.patched('{"a": 1}', '{"b": null}'), pg_temp.patched('{}', '{}');
-- Names of any length and form, among others.
SELECT pg_temp.patched('{"": 1, "b": 2, "aa": 3, "ü": 4, "zzz": 5}', '{"": 6, "c": 7, "aa": null, "ü": "x", "aaa": 8, "日本": 9}');
-- Numbers that no double holds stay as they are.
SELECT pg_temp.patched('{"n": 12345678901234567890.123456789}', '{"m": 0.1000, "k": 1e30}');
-- 2,000 members at once.
SELECT (SELECT count(*) FROM jsonb_object_keys(pg_temp.patched(a, b)))
  FROM (SELECT jsonb_object_agg('k' || n, n) AS a FROM generate_series(1, 2000) AS n) AS a,
       (SELECT jsonb_object_agg('k' || n, CASE WHEN n % 2 = 0 THEN n END) AS b FROM generate_series(1001, 3000) AS n) AS b;

-- A patch that is no object, and NULL.
SELECT dispatch.create_dispatch('open', 'OPEN', custom_data => '{"a": 1}') AS open \gset
SELECT pg_temp.fails(format($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OPEN'), %L)$$, patch))
  FROM unnest(ARRAY['[]', '["c"]', 'null', '1', '"bar"', 'true', NULL]) AS patch;
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(NULL, '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data('00000000-0000-7000-8000-000000000000', '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OPEN'), '{}', event_meta => '1')$$);
SELECT pg_temp.data('OPEN');

-- A type with rules: the whole result is validated, and all violations are listed.
SELECT dispatch.create_type('lastmile') IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[
    {"name": "plate", "dataType": "string", "validation": {"required": true, "regex": "^[A-Z]{2}[0-9]{2}$"}},
    {"name": "weightKg", "dataType": "number", "validation": {"range": {"min": 0, "max": 100}}},
    {"name": "zone", "dataType": "string", "defaultValue": "north", "validation": {"valueOneOf": ["north", "south"]}},
    {"name": "address", "dataType": "object"},
    {"name": "fragile", "dataType": "boolean", "defaultValue": false}]');
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', custom_data => '{"plate": "AB12", "weightKg": 1, "address": {"street": "Main", "city": "X"}}') AS id \gset
SELECT pg_temp.data('ROUTE-17');
SELECT dispatch.update_custom_data(:'id', '{"weightKg": 2.50, "zone": "south", "fragile": true, "address": {"city": "Y", "zip": "1"}}');
SELECT pg_temp.data('ROUTE-17');
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"plate": null}')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'),
    '{"plate": "nope", "weightKg": 100.01, "zone": "west", "address": [], "fragile": "yes", "colour": "red", "size": 1}')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"weightKg": {"value": 1}}')$$);
SELECT pg_temp.data('ROUTE-17');
-- Removing a member removes it; one that has a default gets the default again.
SELECT dispatch.update_custom_data(:'id', '{"weightKg": null, "zone": null, "fragile": null, "address": {"street": null}}');
SELECT pg_temp.data('ROUTE-17');
-- Both edges of a range are in it.
SELECT dispatch.update_custom_data(:'id', '{"weightKg": 0}'), dispatch.update_custom_data(:'id', '{"weightKg": 100.000}');
SELECT pg_temp.data('ROUTE-17');

-- One event and one version each: the whole, and the patch; event_meta and callback go with it.
SELECT dispatch.update_custom_data(dispatch_id => :'id', patch => '{"address": null}',
                                   callback => '{"url": "http://example.com/"}', event_meta => '{"by": "app"}');
SELECT sequence, type, data, event_meta FROM dispatch.history(:'id');
SELECT sequence, host, state FROM dispatch.callbacks;
-- A patch that changes nothing is an operation as well.
SELECT dispatch.update_custom_data(:'id', '{"zone": "north"}');
SELECT dispatch.update_custom_data(:'id', '{}');
SELECT pg_temp.data('ROUTE-17');

-- Attributes that come later bind what is patched afterwards: the patch fills their defaults …
SELECT dispatch.create_dispatch('lastmile', 'OLDER', custom_data => '{"plate": "AB12"}') AS older \gset
SELECT dispatch.create_attributes('lastmile', '[
    {"name": "depot", "dataType": "string", "defaultValue": "main"},
    {"name": "driver", "dataType": "string", "validation": {"required": true}}]');
-- … other changes leave the data as it is …
SELECT dispatch.add_job(:'older', 'j');
SELECT dispatch.update_status(:'older', 'ASSIGNED');
SELECT dispatch.update_sub_status(:'older', 'x');
SELECT pg_temp.data('OLDER');
-- … and a patch, an empty one too, has to fit the type as it is now.
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OLDER'), '{}')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_custom_data(dispatch.dispatch_id('OLDER'), '{"weightKg": 3}')$$);
SELECT dispatch.update_custom_data(:'older', '{"driver": "Kim"}');
SELECT pg_temp.data('OLDER');

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
