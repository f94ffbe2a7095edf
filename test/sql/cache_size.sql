-- The types that a session keeps take no more memory than they may; those that were not used for longest go first.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT name, setting, unit, context FROM pg_settings WHERE name = 'dispatch.type_cache_size';

-- Types of the same size, of which four are looked at one by one.
CREATE FUNCTION public.letters(number integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'type' || translate(number::text, '0123456789', 'abcdefghij') $$;
SELECT dispatch.create_type('model') IS NOT NULL AS created;
SELECT dispatch.create_attributes('model', '[
    {"name": "plate", "dataType": "string", "validation": {"required": true, "regex": "^[A-Z]{1,3}-[0-9]+$"}},
    {"name": "note", "dataType": "string", "validation": {"regex": "(a|b|[c-z])+[0-9]"}},
    {"name": "zone", "dataType": "string", "defaultValue": "north", "validation": {"valueOneOf": ["north", "east", "south", "west"]}},
    {"name": "weight", "dataType": "number", "validation": {"range": {"min": 0.5, "max": 1200}}},
    {"name": "stops", "dataType": "array"}]');
INSERT INTO dispatch.types (id, name, lifecycle, additional_attributes, attributes)
SELECT dispatch.uuidv7(), n.name, t.lifecycle, false, t.attributes
  FROM dispatch.types AS t, (SELECT unnest('{aaaa,bbbb,cccc,dddd}'::text[]) UNION ALL SELECT public.letters(i) FROM generate_series(1, 1000) AS i) AS n(name)
 WHERE t.name = 'model';
SELECT id AS aaaa FROM dispatch.types WHERE name = 'aaaa' \gset
SELECT id AS bbbb FROM dispatch.types WHERE name = 'bbbb' \gset

-- A new session has none. A look-up by name, by id, by id as text finds the same type.
\c
SET client_min_messages = warning;
\pset format unaligned
\pset footer off
SELECT * FROM dispatch.cache_stats();
SELECT dispatch.is_valid('aaaa', '{}');
SELECT types, bytes > 0 AS bytes, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('aaaa', '{}'), dispatch.is_valid(:'aaaa'::uuid, '{}'), dispatch.is_valid(:'aaaa'::text, '{}'), dispatch.is_valid(upper(:'aaaa'), '{}');
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
SELECT count(*) FROM dispatch.validate('aaaa', '{}');
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
-- Every row is a look-up.
SELECT count(*) FILTER (WHERE dispatch.is_valid('aaaa', '{"plate": "A-1"}')) AS valid FROM generate_series(1, 10) AS i WHERE i > random() - 1;
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
-- What there is not is no type that was built.
SELECT dispatch.is_valid('nothing', '{}');
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
-- A change of any type drops all.
SELECT dispatch.is_valid('bbbb', '{}');
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();
UPDATE dispatch.types SET updated_at = now() WHERE name = 'dddd';
SELECT types, hits, builds, invalidations, evictions FROM dispatch.cache_stats();

-- As much as three types take: the fourth puts out that which was not used for longest.
\c
SET client_min_messages = warning;
\pset format unaligned
\pset footer off
SELECT dispatch.is_valid('aaaa', '{}');
SELECT dispatch.is_valid('bbbb', '{}');
SELECT dispatch.is_valid('cccc', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT set_config('dispatch.type_cache_size', (bytes / 1024 + 1)::text, false) IS NOT NULL AS set FROM dispatch.cache_stats();
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('aaaa', '{}');
SELECT dispatch.is_valid('dddd', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('aaaa', '{}');
SELECT dispatch.is_valid('cccc', '{}');
SELECT dispatch.is_valid('dddd', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
-- That one is loaded again, by its id, and found by its name; now the first has to go, and so on.
SELECT dispatch.is_valid(:'bbbb'::uuid, '{}');
SELECT dispatch.is_valid('bbbb', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('cccc', '{}');
SELECT dispatch.is_valid('dddd', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('aaaa', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('bbbb', '{}');
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
-- Lowered, it holds at once.
SET dispatch.type_cache_size = 0;
SELECT types, bytes, hits, builds, evictions FROM dispatch.cache_stats();

-- Where nothing may be kept, a type in use stays until its use ends: for all rows of a query, beside others.
SELECT count(*) FILTER (WHERE dispatch.is_valid('aaaa', data)) AS first, count(*) FILTER (WHERE dispatch.is_valid(:'bbbb'::uuid, data)) AS second,
       count(*) FILTER (WHERE dispatch.is_valid(CASE WHEN i % 2 = 0 THEN 'cccc' ELSE 'dddd' END, data)) AS by_turns
  FROM (SELECT i, jsonb_build_object('plate', 'A-' || i) AS data FROM generate_series(1, 100) AS i OFFSET 0) AS d;
SELECT types, hits, builds, evictions FROM dispatch.cache_stats();
-- … and for a cursor, while other queries come and go.
BEGIN;
DECLARE documents CURSOR FOR SELECT i, dispatch.is_valid('aaaa', jsonb_build_object('plate', 'A-' || i)) FROM generate_series(1, 100) AS i OFFSET 0;
FETCH 2 FROM documents;
SELECT types, builds, evictions FROM dispatch.cache_stats();
SELECT dispatch.is_valid('bbbb', '{}');
SELECT dispatch.is_valid('aaaa', '{}');
SELECT types, builds, evictions FROM dispatch.cache_stats();
FETCH 2 FROM documents;
SAVEPOINT one;
SELECT dispatch.create_dispatch('aaaa');
ROLLBACK TO one;
FETCH 1 FROM documents;
CLOSE documents;
SELECT types, builds, evictions FROM dispatch.cache_stats();
COMMIT;
-- A type that changes while it is in use is another from the next row on.
SELECT i, dispatch.is_valid('cccc', '{}') AS before, CASE WHEN i = 2 THEN dispatch.create_attributes('cccc', '[{"name": "late", "dataType": "string"}]') END AS added,
       (SELECT count(*) FROM dispatch.validate('cccc', '{"late": 1}')) AS faults, dispatch.is_valid('cccc', '{"plate": "A-1", "late": "x"}') AS after
  FROM generate_series(1, 3) AS i;
RESET dispatch.type_cache_size;
SELECT i, dispatch.is_valid('dddd', '{}') AS before, CASE WHEN i = 2 THEN dispatch.create_attributes('dddd', '[{"name": "late", "dataType": "string"}]') END AS added,
       (SELECT count(*) FROM dispatch.validate('dddd', '{"late": 1}')) AS faults, dispatch.is_valid('dddd', '{"plate": "A-1", "late": "x"}') AS after
  FROM generate_series(1, 3) AS i;

-- Ten thousand types, twice, within a bound, as the server counts memory too.
INSERT INTO dispatch.types (id, name, lifecycle, additional_attributes, attributes)
SELECT dispatch.uuidv7(), public.letters(i), t.lifecycle, false, t.attributes FROM dispatch.types AS t, generate_series(1001, 10000) AS i WHERE t.name = 'model';
\c
SET client_min_messages = warning;
\pset format unaligned
\pset footer off
SET dispatch.type_cache_size = '4MB';
DO $$
BEGIN
    FOR round IN 1 .. 2 LOOP
        ASSERT (SELECT count(*) FILTER (WHERE dispatch.is_valid(public.letters(i), '{"plate": "A-1", "note": "no digit"}')) FROM generate_series(1, 10000) AS i) = 0;
        ASSERT (SELECT bytes FROM dispatch.cache_stats()) BETWEEN 3 * 1024 * 1024 AND 4 * 1024 * 1024;
        ASSERT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name ~ '^dispatch') BETWEEN 3 * 1024 * 1024 AND 4 * 1024 * 1024;
    END LOOP;
END
$$;
SELECT types > 100 AS many, hits, builds, invalidations, evictions = builds - types AS the_others FROM dispatch.cache_stats();
-- The latest are there.
SELECT count(dispatch.is_valid(public.letters(i), '{}')) FROM generate_series(10000, 9950, -1) AS i;
SELECT hits, builds FROM dispatch.cache_stats();
-- With enough of it, all are kept, and let go again.
SET dispatch.type_cache_size = '1GB';
SELECT count(dispatch.is_valid(public.letters(i), '{}')) FROM generate_series(1, 10000) AS i;
SELECT types FROM dispatch.cache_stats();
SET dispatch.type_cache_size = '100kB';
SELECT types < 10 AS few, bytes <= 100 * 1024 AS within FROM dispatch.cache_stats();
SELECT sum(total_bytes) <= 100 * 1024 AS within FROM pg_backend_memory_contexts WHERE name ~ '^dispatch';
SELECT count(dispatch.is_valid(public.letters(i), '{}')) FROM generate_series(1, 1000) AS i;
SELECT types > 0 AS some, bytes <= 100 * 1024 AS within FROM dispatch.cache_stats();

-- It is a choice of everybody's.
CREATE ROLE regress_dispatch_anybody;
SELECT dispatch.grant_access('regress_dispatch_anybody', 'read') IS NOT NULL AS granted;
SET ROLE regress_dispatch_anybody;
SET dispatch.type_cache_size = '2MB';
SELECT dispatch.is_valid('aaaa', '{}');
SELECT types > 0 AS some FROM dispatch.cache_stats();
RESET ROLE;
SET dispatch.type_cache_size = -1;
SET dispatch.type_cache_size = 'much';

DROP EXTENSION dispatch CASCADE;
DROP FUNCTION public.letters(integer);
DROP ROLE regress_dispatch_anybody;
