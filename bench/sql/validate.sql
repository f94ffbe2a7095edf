-- Documents of the eight attributes of bench/sql/type.sql, valid ones and others that break one attribute each, and what people
-- validate them by: an expression for a CHECK, and a function in PL/pgSQL.
CREATE TABLE documents AS
SELECT jsonb_build_object('zone', (ARRAY['north', 'south', 'east', 'west'])[1 + n % 4], 'weightKg', round((n % 100000) / 100.0, 2),
                          'plate', chr(65 + n % 26) || chr(65 + n / 26 % 26) || '-' || lpad((n % 10000)::text, 4, '0'),
                          'phone', '+4915' || lpad(n::text, 8, '0'), 'express', n % 2 = 0, 'note', 'ring twice, floor ' || n % 9,
                          'stops', 1 + n % 100, 'contact', jsonb_build_object('name', 'Ada', 'floor', n % 9)) AS custom_data
  FROM generate_series(1, :documents) AS n;

CREATE TABLE broken AS
SELECT CASE row_number() OVER () % 8
       WHEN 0 THEN custom_data || '{"zone": "up"}' WHEN 1 THEN custom_data || '{"weightKg": -1}' WHEN 2 THEN custom_data || '{"plate": "AB1234"}'
       WHEN 3 THEN custom_data || '{"phone": "04915"}' WHEN 4 THEN custom_data - 'express' WHEN 5 THEN custom_data || '{"stops": 101}'
       WHEN 6 THEN custom_data || '{"contact": []}' ELSE custom_data || '{"colour": "red"}' END AS custom_data
  FROM documents;

CREATE FUNCTION by_check(custom_data jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT custom_data ?& '{zone,weightKg,plate,express}'
       AND custom_data - '{zone,weightKg,plate,phone,express,note,stops,contact}'::text[] = '{}'
       AND jsonb_typeof(custom_data -> 'zone') = 'string' AND custom_data ->> 'zone' IN ('north', 'south', 'east', 'west')
       AND jsonb_typeof(custom_data -> 'weightKg') = 'number' AND (custom_data ->> 'weightKg')::numeric BETWEEN 0 AND 1000
       AND jsonb_typeof(custom_data -> 'plate') = 'string' AND custom_data ->> 'plate' ~ '^[A-Z]{2}-[0-9]{4}$'
       AND (custom_data -> 'phone' IS NULL OR jsonb_typeof(custom_data -> 'phone') = 'string' AND custom_data ->> 'phone' ~ '^\+[0-9]{6,15}$')
       AND jsonb_typeof(custom_data -> 'express') = 'boolean'
       AND (custom_data -> 'note' IS NULL OR jsonb_typeof(custom_data -> 'note') = 'string' AND length(custom_data ->> 'note') <= 200)
       AND (custom_data -> 'stops' IS NULL OR jsonb_typeof(custom_data -> 'stops') = 'number' AND (custom_data ->> 'stops')::numeric BETWEEN 1 AND 100)
       AND (custom_data -> 'contact' IS NULL OR jsonb_typeof(custom_data -> 'contact') = 'object')
$$;

-- The same by somebody who trusts the documents' shape.
CREATE FUNCTION by_lean_check(custom_data jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT custom_data ->> 'zone' IN ('north', 'south', 'east', 'west')
       AND (custom_data ->> 'weightKg')::numeric BETWEEN 0 AND 1000
       AND custom_data ->> 'plate' ~ '^[A-Z]{2}-[0-9]{4}$'
       AND custom_data ->> 'phone' ~ '^\+[0-9]{6,15}$'
       AND length(custom_data ->> 'note') <= 200
       AND (custom_data ->> 'stops')::numeric BETWEEN 1 AND 100
$$;

-- The function of bench/peers/plpgsql.sql raises an error.
CREATE FUNCTION by_hand(custom_data jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hand.check_custom_data(custom_data);
    RETURN true;
EXCEPTION WHEN check_violation THEN
    RETURN false;
END $$;

-- Types and documents of more attributes: of four, one has a pattern, one a range, one a value set; and the same as an expression.
CREATE FUNCTION attribute_name(n integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'attribute' || chr(97 + n / 676 % 26) || chr(97 + n / 26 % 26) || chr(97 + n % 26)
$$;

CREATE FUNCTION make_growth(attributes integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'growth' || translate(attributes::text, '0123456789', 'abcdefghij');
BEGIN
    PERFORM dispatch.create_type(name);
    PERFORM dispatch.create_attributes(name, (SELECT jsonb_agg(jsonb_build_object('name', attribute_name(n), 'dataType', CASE n % 4 WHEN 1 THEN 'number' WHEN 3 THEN 'boolean' ELSE 'string' END,
        'validation', CASE n % 4 WHEN 0 THEN '{"required": true, "regex": "^[A-Z]{2}-[0-9]{4}$"}' WHEN 1 THEN '{"required": true, "range": {"min": 0, "max": 1000}}'
                                 WHEN 2 THEN '{"required": true, "valueOneOf": ["north", "south", "east", "west"]}' ELSE '{"required": true}' END::jsonb))
        FROM generate_series(1, attributes) AS n));
    EXECUTE format('CREATE TABLE growth_%s AS SELECT (SELECT jsonb_object_agg(attribute_name(n), CASE n %% 4 WHEN 0 THEN ''"AB-1234"'' WHEN 1 THEN to_jsonb(n) WHEN 2 THEN ''"east"'' ELSE ''true'' END::jsonb)
        FROM generate_series(1, %s) AS n) AS custom_data FROM generate_series(1, %s)', attributes, attributes, 400000 / attributes);
    EXECUTE format('CREATE FUNCTION by_check_%s(custom_data jsonb) RETURNS boolean LANGUAGE sql IMMUTABLE AS %L', attributes,
        format('SELECT custom_data ?& %1$L AND custom_data - %1$L::text[] = ''{}'' AND ', (SELECT array_agg(attribute_name(n)) FROM generate_series(1, attributes) AS n)) ||
        (SELECT string_agg(format(CASE n % 4 WHEN 0 THEN 'jsonb_typeof(custom_data -> %1$L) = ''string'' AND custom_data ->> %1$L ~ ''^[A-Z]{2}-[0-9]{4}$'''
                                             WHEN 1 THEN 'jsonb_typeof(custom_data -> %1$L) = ''number'' AND (custom_data ->> %1$L)::numeric BETWEEN 0 AND 1000'
                                             WHEN 2 THEN 'jsonb_typeof(custom_data -> %1$L) = ''string'' AND custom_data ->> %1$L IN (''north'', ''south'', ''east'', ''west'')'
                                             ELSE 'jsonb_typeof(custom_data -> %1$L) = ''boolean''' END, attribute_name(n)), ' AND ') FROM generate_series(1, attributes) AS n));
END $$;

SELECT make_growth(8), make_growth(32), make_growth(128), make_growth(512);

-- One string that grows, with a length and a pattern: a plain one, and the same as PCRE2 alone understands it.
SELECT dispatch.create_type('plain'), dispatch.create_type('searched');
SELECT dispatch.create_attributes('plain', '[{"name": "text", "dataType": "string", "validation": {"range": {"max": 10000000}, "regex": "^[a-z ]*$"}}]');
SELECT dispatch.create_attributes('searched', '[{"name": "text", "dataType": "string", "validation": {"range": {"max": 10000000}, "regex": "^[^A-Z0-9]*$"}}]');
CREATE TABLE sized_100 AS SELECT jsonb_build_object('text', repeat('words and ', 10)) AS custom_data FROM generate_series(1, 100000);
CREATE TABLE sized_1000 AS SELECT jsonb_build_object('text', repeat('words and ', 100)) AS custom_data FROM generate_series(1, 10000);
CREATE TABLE sized_10000 AS SELECT jsonb_build_object('text', repeat('words and ', 1000)) AS custom_data FROM generate_series(1, 1000);
CREATE TABLE sized_100000 AS SELECT jsonb_build_object('text', repeat('words and ', 10000)) AS custom_data FROM generate_series(1, 100);

-- Tables that validate what is inserted.
CREATE TABLE unchecked (custom_data jsonb);
CREATE TABLE checked (custom_data jsonb CHECK (by_check(custom_data)));
CREATE TABLE triggered (custom_data jsonb);
CREATE TRIGGER check_custom_data BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION dispatch.validate_custom_data('lastmile', 'custom_data');

VACUUM ANALYZE;
