-- grant_access(): what it grants, to whom, and by whose rights.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

-- Runs a statement that is to fail, and shows code and messages.
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
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, ''));
END $$;
-- What a role may do in the schema: how many functions it may execute, relations it may read; anything else.
CREATE FUNCTION pg_temp.rights(role text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', has_schema_privilege(role, 'dispatch', 'USAGE'),
                     (SELECT count(DISTINCT proname) FROM pg_proc WHERE pronamespace = 'dispatch'::regnamespace AND has_function_privilege(role, oid, 'EXECUTE')),
                     (SELECT count(*) FROM pg_class WHERE relnamespace = 'dispatch'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege(role, oid, 'SELECT')),
                     (SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'dispatch'::regnamespace AND relkind IN ('r', 'v') AND has_table_privilege(role, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')));
$$;

CREATE ROLE regress_dispatch_one;
CREATE ROLE regress_dispatch_two;
CREATE ROLE regress_dispatch_three;

--
-- Section 2: each kind; write includes read, admin includes write; twice is as good as once
--
SELECT pg_temp.rights('regress_dispatch_one');
SELECT dispatch.grant_access('regress_dispatch_one', 'read') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_one');
SELECT dispatch.grant_access('regress_dispatch_one', 'read') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_one');
SELECT dispatch.grant_access('regress_dispatch_one', 'write') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_one');
SELECT dispatch.grant_access(role => 'regress_dispatch_one', access => 'admin') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_one');
SELECT dispatch.grant_access('regress_dispatch_two'::regrole, 'listen') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_two');
SELECT dispatch.grant_access('regress_dispatch_three', 'admin') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch_three') = pg_temp.rights('regress_dispatch_one');
-- Membership passes it on, as any right.
CREATE ROLE regress_dispatch_member IN ROLE regress_dispatch_two;
SELECT pg_temp.rights('regress_dispatch_member') = pg_temp.rights('regress_dispatch_two');
-- It is taken back as it was granted: by REVOKE, or with the role.
REVOKE ALL ON ALL TABLES IN SCHEMA dispatch FROM regress_dispatch_one;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dispatch FROM regress_dispatch_one;
REVOKE ALL ON SCHEMA dispatch FROM regress_dispatch_one;
SELECT pg_temp.rights('regress_dispatch_one');
DROP OWNED BY regress_dispatch_two, regress_dispatch_three;
SELECT pg_temp.rights('regress_dispatch_two'), pg_temp.rights('regress_dispatch_three');
-- With the transaction it goes.
BEGIN;
SELECT dispatch.grant_access('regress_dispatch_one', 'admin') IS NOT NULL;
ROLLBACK;
SELECT pg_temp.rights('regress_dispatch_one');

--
-- Section 3: unknown kinds and roles
--
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', 'owner')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', 'READ')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', '')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', ' read')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', 'read, write')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', repeat('read', 100))$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access(NULL, 'read')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_nobody', 'read')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('public', 'read')$$) ~ '^42704';
SELECT pg_temp.fails($$SELECT dispatch.grant_access('-', 'read')$$) ~ '^42704';
SELECT pg_temp.fails($$SELECT dispatch.grant_access(0, 'read')$$) ~ '^42704';
SELECT pg_temp.fails($$SELECT dispatch.grant_access(4294967295, 'read')$$) ~ '^42704';
SELECT pg_temp.rights('regress_dispatch_one');
BEGIN READ ONLY;
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', 'read')$$) ~ '^25006';
COMMIT;

--
-- Role names that need quotes
--
CREATE ROLE "regress_dispatch Odd";
CREATE ROLE "regress_dispatch""; DROP TABLE dispatch.types CASCADE; --";
CREATE ROLE "regress_dispatch''$$ %s %1$I \";
CREATE ROLE "REGRESS_DISPATCH_ÜÖ";
CREATE ROLE "regress_dispatch_one, regress_dispatch_two";
SELECT rolname, dispatch.grant_access(oid::regrole, 'read') IS NOT NULL, pg_temp.rights(rolname) FROM pg_roles WHERE rolname ~* '^regress_dispatch.*[^a-z_]' ORDER BY rolname COLLATE "C";
SELECT dispatch.grant_access('"regress_dispatch Odd"', 'listen') IS NOT NULL;
SELECT pg_temp.rights('regress_dispatch Odd');
SELECT pg_temp.rights('regress_dispatch_one');
SELECT count(*) FROM dispatch.types;
DROP OWNED BY "regress_dispatch Odd", "regress_dispatch""; DROP TABLE dispatch.types CASCADE; --", "regress_dispatch''$$ %s %1$I \", "REGRESS_DISPATCH_ÜÖ", "regress_dispatch_one, regress_dispatch_two";
DROP ROLE "regress_dispatch Odd", "regress_dispatch""; DROP TABLE dispatch.types CASCADE; --", "regress_dispatch''$$ %s %1$I \", "REGRESS_DISPATCH_ÜÖ", "regress_dispatch_one, regress_dispatch_two";

--
-- With the caller's own rights: it grants no more than the caller could
--
-- Nobody but the owner may even call it.
SELECT dispatch.grant_access('regress_dispatch_one', 'admin') IS NOT NULL;
SET ROLE regress_dispatch_one;
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'read')$$);
SELECT pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_one', 'listen')$$);
RESET ROLE;
-- With the right to call it and no right to grant: an error, and nothing granted, whether some of the rights are held or none.
GRANT EXECUTE ON FUNCTION dispatch.grant_access(regrole, text) TO regress_dispatch_one, regress_dispatch_three;
GRANT USAGE ON SCHEMA dispatch TO regress_dispatch_three;
SET client_min_messages = error;
SET ROLE regress_dispatch_one;
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'read')$$), ':', 1);
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'admin')$$), ':', 1);
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'listen')$$), ':', 1);
SET ROLE regress_dispatch_three;
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'read')$$), ':', 1);
RESET ROLE;
RESET client_min_messages;
SELECT pg_temp.rights('regress_dispatch_two');
-- With grant options on what read needs: read, and not write.
GRANT USAGE ON SCHEMA dispatch TO regress_dispatch_one WITH GRANT OPTION;
DO $$
DECLARE
    function regprocedure;
BEGIN
    FOR function IN SELECT p.oid FROM pg_proc AS p
                     WHERE p.pronamespace = 'dispatch'::regnamespace AND p.proname IN ('get_type', 'list_types', 'get_attributes', 'type_history', 'validate', 'is_valid', 'validate_custom_data', 'cache_stats', 'get_dispatch', 'dispatch_id', 'history', 'request', 'find_dispatches', 'count_dispatches', 'dispatch_status_counts')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO regress_dispatch_one WITH GRANT OPTION', function);
    END LOOP;
END $$;
GRANT SELECT ON dispatch.types, dispatch.attributes, dispatch.dispatches, dispatch.jobs, dispatch.participants, dispatch.events, dispatch.callbacks, dispatch.hosts TO regress_dispatch_one WITH GRANT OPTION;
SET ROLE regress_dispatch_one;
SELECT dispatch.grant_access('regress_dispatch_two', 'read') IS NOT NULL;
RESET ROLE;
SELECT pg_temp.rights('regress_dispatch_two');
SET client_min_messages = error;
SET ROLE regress_dispatch_one;
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'write')$$), ':', 1);
SELECT split_part(pg_temp.fails($$SELECT dispatch.grant_access('regress_dispatch_two', 'listen')$$), ':', 1);
RESET ROLE;
RESET client_min_messages;
SELECT pg_temp.rights('regress_dispatch_two');
-- By its grantor it can be traced and taken back.
SELECT DISTINCT grantor FROM information_schema.role_table_grants WHERE table_schema = 'dispatch' AND grantee = 'regress_dispatch_two';
REVOKE ALL ON ALL TABLES IN SCHEMA dispatch FROM regress_dispatch_one CASCADE;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA dispatch FROM regress_dispatch_one CASCADE;
REVOKE ALL ON SCHEMA dispatch FROM regress_dispatch_one CASCADE;
SELECT pg_temp.rights('regress_dispatch_one'), pg_temp.rights('regress_dispatch_two');
-- In a function of the owner's that lends its rights it grants with those.
CREATE FUNCTION public.let_in(who regrole) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT dispatch.grant_access(who, 'read') $$;
SET ROLE regress_dispatch_one;
SELECT public.let_in('regress_dispatch_two') IS NOT NULL;
RESET ROLE;
SELECT pg_temp.rights('regress_dispatch_two');

SET client_min_messages = warning;
DROP FUNCTION public.let_in(regrole);
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_one, regress_dispatch_two, regress_dispatch_three, regress_dispatch_member;
