-- What CREATE EXTENSION puts into a database.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_dispatch_nobody;

-- The schema is made by the script: one that somebody else owns is never taken over.
CREATE SCHEMA dispatch;
\set VERBOSITY sqlstate
CREATE EXTENSION dispatch;
\set VERBOSITY default
\echo :SQLSTATE
DROP SCHEMA dispatch;
CREATE EXTENSION dispatch;

-- Every object has a comment. Columns, and indexes that belong to a constraint, speak for themselves.
SELECT o.kind, o.name
  FROM (SELECT 'schema' AS kind, n.nspname::text AS name, obj_description(n.oid, 'pg_namespace') AS comment
          FROM pg_namespace AS n
         WHERE n.nspname = 'dispatch'
        UNION ALL
        SELECT 'extension', e.extname, obj_description(e.oid, 'pg_extension')
          FROM pg_extension AS e
         WHERE e.extname = 'dispatch'
        UNION ALL
        SELECT 'relation', c.oid::regclass::text, obj_description(c.oid, 'pg_class')
          FROM pg_class AS c
         WHERE c.relnamespace = 'dispatch'::regnamespace
           AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid)
        UNION ALL
        SELECT 'function', p.oid::regprocedure::text, obj_description(p.oid, 'pg_proc')
          FROM pg_proc AS p
         WHERE p.pronamespace = 'dispatch'::regnamespace
        UNION ALL
        SELECT 'trigger', t.tgname, obj_description(t.oid, 'pg_trigger')
          FROM pg_trigger AS t
          JOIN pg_class AS c ON c.oid = t.tgrelid
         WHERE c.relnamespace = 'dispatch'::regnamespace
           AND NOT t.tgisinternal) AS o
 WHERE o.comment IS NULL
 ORDER BY o.kind, o.name COLLATE "C";

-- PUBLIC has no right on the schema, a relation, a column or a function.
SELECT o.name, a.privilege_type
  FROM (SELECT n.nspname::text AS name, coalesce(n.nspacl, acldefault('n', n.nspowner)) AS acl
          FROM pg_namespace AS n
         WHERE n.nspname = 'dispatch'
        UNION ALL
        SELECT c.oid::regclass::text, coalesce(c.relacl, acldefault('r', c.relowner))
          FROM pg_class AS c
         WHERE c.relnamespace = 'dispatch'::regnamespace
        UNION ALL
        SELECT c.oid::regclass || '.' || t.attname, t.attacl
          FROM pg_class AS c
          JOIN pg_attribute AS t ON t.attrelid = c.oid
         WHERE c.relnamespace = 'dispatch'::regnamespace
        UNION ALL
        SELECT p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
          FROM pg_proc AS p
         WHERE p.pronamespace = 'dispatch'::regnamespace) AS o
 CROSS JOIN LATERAL aclexplode(o.acl) AS a
 WHERE a.grantee = 0
 ORDER BY 1, 2;

-- So a role to which nothing was granted can do nothing.
CREATE ROLE regress_dispatch_nobody;
SELECT count(*) AS functions_it_may_run
  FROM pg_proc AS p
 WHERE p.pronamespace = 'dispatch'::regnamespace
   AND has_function_privilege('regress_dispatch_nobody', p.oid, 'EXECUTE');
SET ROLE regress_dispatch_nobody;
SELECT dispatch.create_type('parcel');
\echo :SQLSTATE
SELECT count(*) FROM dispatch.types;
\echo :SQLSTATE
RESET ROLE;
DROP ROLE regress_dispatch_nobody;

-- Every table is dumped, with all of its rows.
SELECT c.oid::regclass AS not_dumped
  FROM pg_class AS c
 WHERE c.relnamespace = 'dispatch'::regnamespace
   AND c.relkind IN ('r', 'p', 'S', 'm')
   AND NOT EXISTS (SELECT
                     FROM pg_extension AS e
                    CROSS JOIN LATERAL unnest(e.extconfig, e.extcondition) AS d(relation, condition)
                    WHERE e.extname = 'dispatch'
                      AND d.relation = c.oid
                      AND d.condition = '');

-- No sequences, identity or generated columns, and no foreign keys.
SELECT c.oid::regclass AS sequence
  FROM pg_class AS c
 WHERE c.relnamespace = 'dispatch'::regnamespace
   AND c.relkind = 'S';
SELECT a.attrelid::regclass AS relation, a.attname AS generated
  FROM pg_attribute AS a
  JOIN pg_class AS c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'dispatch'::regnamespace
   AND (a.attidentity <> '' OR a.attgenerated <> '');
SELECT k.conname AS foreign_key
  FROM pg_constraint AS k
 WHERE k.connamespace = 'dispatch'::regnamespace
   AND k.contype = 'f';

-- What is read with plain SQL is there by its name.
SELECT c.relname, c.relkind
  FROM pg_class AS c
 WHERE c.relnamespace = 'dispatch'::regnamespace
   AND c.relname IN ('types', 'attributes', 'dispatches', 'jobs', 'participants', 'events', 'callbacks')
 ORDER BY c.relname;

-- URLs and headers of callbacks stand in no view.
SELECT a.attrelid::regclass AS view, a.attname AS secret
  FROM pg_attribute AS a
  JOIN pg_class AS c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'dispatch'::regnamespace
   AND c.relkind = 'v'
   AND a.attname ~ 'url|header';

-- Triggers that keep caches right fire for logical replication too.
SELECT t.tgname
  FROM pg_trigger AS t
 WHERE t.tgrelid = 'dispatch.types'::regclass
   AND t.tgenabled <> 'A';

-- Nothing of a caller's is found by name in a function that runs with its owner's rights.
SELECT p.oid::regprocedure AS unpinned
  FROM pg_proc AS p
 WHERE p.pronamespace = 'dispatch'::regnamespace
   AND p.prosecdef
   AND NOT coalesce(p.proconfig, '{}') @> ARRAY['search_path=pg_catalog, pg_temp'];

-- Those that run as whoever calls them.
SELECT p.oid::regprocedure AS invoker
  FROM pg_proc AS p
 WHERE p.pronamespace = 'dispatch'::regnamespace
   AND NOT p.prosecdef
 ORDER BY p.oid::regprocedure::text COLLATE "C";

-- What reads is stable; what writes is volatile and keeps to the leader of a parallel plan.
SELECT p.proname AS function, p.provolatile AS volatile, p.proparallel AS parallel, p.proisstrict AS strict,
       count(*) AS overloads
  FROM pg_proc AS p
 WHERE p.pronamespace = 'dispatch'::regnamespace
   AND p.prorettype <> 'trigger'::regtype
 GROUP BY p.proname, p.provolatile, p.proparallel, p.proisstrict
 ORDER BY p.provolatile, p.proname COLLATE "C";

-- What a search may cost is not for everybody to set.
SELECT s.name, s.setting, s.unit, s.context
  FROM pg_settings AS s
 WHERE s.name = 'dispatch.regex_timeout';

-- Nothing is left of it.
DROP EXTENSION dispatch CASCADE;
SELECT count(*) AS left_behind FROM pg_namespace AS n WHERE n.nspname = 'dispatch';
