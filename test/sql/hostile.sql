-- A hostile caller: what it plants, shadows and sets is nothing to the functions that run with the owner's rights.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

CREATE ROLE regress_dispatch_hostile;
CREATE ROLE regress_dispatch_guest;
CREATE ROLE regress_dispatch_app;
-- The worst that a caller can be: with every right that is given out, and a schema of its own.
SELECT dispatch.grant_access('regress_dispatch_hostile', 'admin'), dispatch.grant_access('regress_dispatch_hostile', 'listen');
CREATE SCHEMA planted AUTHORIZATION regress_dispatch_hostile;
GRANT USAGE ON SCHEMA planted TO PUBLIC;

--
-- Planted functions, operators, casts and types: each notes who ran it
--
SET SESSION AUTHORIZATION regress_dispatch_hostile;
CREATE TABLE planted.hits (what text, who name);
GRANT INSERT ON planted.hits TO PUBLIC;
CREATE FUNCTION planted.hit(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO planted.hits VALUES (what, CURRENT_USER);
    RETURN true;
EXCEPTION WHEN read_only_sql_transaction OR feature_not_supported THEN
    RAISE WARNING '% ran as %', what, CURRENT_USER;
    RETURN true;
END $$;
-- Operators: all that the statements of the extension could meet, with the same names and operands.
DO $do$
DECLARE
    kinds text[] := '{uuid,text,bigint,integer,jsonb,timestamptz,interval,boolean,"\"char\"",double precision,name,numeric,text[]}';
    o record;
BEGIN
    FOR o IN SELECT oid, oprname, NULLIF(oprleft, 0)::regtype AS l, oprright::regtype AS r, oprresult::regtype AS result FROM pg_operator
              WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprright = ANY (kinds::regtype[]) AND (oprleft = 0 OR oprleft = ANY (kinds::regtype[])) AND oprresult = ANY (kinds::regtype[])
    LOOP
        EXECUTE format('CREATE FUNCTION planted.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', 'operator_' || o.oid, concat_ws(', ', o.l, o.r), o.result, format('BEGIN PERFORM planted.hit(%L); RETURN NULL; END', concat_ws(' ', o.l, o.oprname, o.r)));
        EXECUTE format('CREATE OPERATOR planted.%s (FUNCTION = planted.%I, %s)', o.oprname, 'operator_' || o.oid, concat_ws(', ', 'LEFTARG = ' || o.l, 'RIGHTARG = ' || o.r));
    END LOOP;
END $do$;
SELECT count(*) > 300 FROM pg_operator WHERE oprnamespace = 'planted'::regnamespace;
-- Operators of polymorphic operands: array = array, anyelement = ANY.
CREATE FUNCTION planted.same(a anyelement, b anyelement) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN planted.hit('anyelement = anyelement'); END $$;
CREATE OPERATOR planted.= (FUNCTION = planted.same, LEFTARG = anyelement, RIGHTARG = anyelement);
-- Functions, by the names that the statements use.
DO $do$
DECLARE
    f record;
BEGIN
    FOR f IN SELECT * FROM (VALUES
        ('now', '', 'timestamptz'), ('random', '', 'double precision'), ('power', 'double precision, double precision', 'double precision'), ('left', 'text, integer', 'text'), ('unnest', 'uuid[]', 'SETOF uuid'), ('unnest', 'anyarray', 'SETOF anyelement'),
        ('make_interval', 'integer, integer, integer, integer, integer, integer, double precision', 'interval'), ('format', 'text, text', 'text'), ('format', 'text, uuid', 'text'), ('jsonb_array_elements', 'jsonb', 'SETOF jsonb'),
        ('uuidv7', '', 'uuid'), ('merge_patch', 'jsonb, jsonb', 'jsonb'), ('is_sealed', 'uuid, integer, jsonb, text, timestamptz, bigint', 'boolean'), ('add_job', 'uuid, text', 'bigint'), ('jsonb_concat', 'jsonb, jsonb', 'jsonb'),
        ('pg_notify', 'text, text', 'void'), ('current_setting', 'text', 'text')) AS f(name, arguments, result)
    LOOP
        EXECUTE format('CREATE FUNCTION planted.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.name, f.arguments, f.result,
                       format('BEGIN PERFORM planted.hit(%L); RETURN %s; END', 'function ' || f.name, CASE WHEN f.result ~ 'SETOF|void' THEN '' ELSE 'NULL' END));
    END LOOP;
END $do$;
CREATE FUNCTION planted.one(bigint, text) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM planted.hit('aggregate'); RETURN 1; END $$;
CREATE AGGREGATE planted.string_agg(text) (SFUNC = planted.one, STYPE = bigint);
-- Types, and a cast for each: of the own type to those that functions take, and of the own text to text.
CREATE TYPE planted.evil AS (a text);
CREATE DOMAIN planted.uuid AS text;
CREATE DOMAIN planted.jsonb AS text;
CREATE DOMAIN planted.text AS integer CHECK (planted.hit('domain text'));
CREATE DOMAIN planted.regrole AS text;
CREATE FUNCTION planted.evil_text(planted.evil) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN PERFORM planted.hit('cast to text'); RETURN ($1).a; END $$;
CREATE FUNCTION planted.evil_jsonb(planted.evil) RETURNS pg_catalog.jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM planted.hit('cast to jsonb'); RETURN ($1).a::pg_catalog.jsonb; END $$;
CREATE CAST (planted.evil AS pg_catalog.text) WITH FUNCTION planted.evil_text AS IMPLICIT;
CREATE CAST (planted.evil AS pg_catalog.jsonb) WITH FUNCTION planted.evil_jsonb AS IMPLICIT;
-- Tables and views with the names of the extension's and of the catalog's.
CREATE TABLE planted.types (LIKE dispatch.types);
CREATE TABLE planted.dispatches (LIKE dispatch.dispatches);
CREATE VIEW planted.members AS SELECT planted.hit('view members');
CREATE VIEW planted.event_log AS SELECT planted.hit('view event_log');
CREATE VIEW planted.queue AS SELECT planted.hit('view queue');
CREATE VIEW planted.attempts AS SELECT planted.hit('view attempts');
CREATE VIEW planted.requests AS SELECT planted.hit('view requests');
CREATE VIEW planted.pg_proc AS SELECT planted.hit('view pg_proc');
CREATE VIEW planted.pg_namespace AS SELECT planted.hit('view pg_namespace');
TRUNCATE planted.hits;

-- All that there is to be called, so that every statement is prepared and run, with the planted things found first.
CREATE FUNCTION planted.day(n pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$
DECLARE
    type pg_catalog.uuid;
    one pg_catalog.uuid;
    made pg_catalog.text := '';
BEGIN
    type := dispatch.create_type('plain' OPERATOR(pg_catalog.||) n);
    PERFORM dispatch.create_attributes(type, '[{"name": "zone", "dataType": "string", "defaultValue": "north", "validation": {"regex": "^[a-z]+$"}}, {"name": "n", "dataType": "number", "validation": {"range": {"min": 1}}}]');
    PERFORM dispatch.get_type(type), dispatch.get_attributes('plain' OPERATOR(pg_catalog.||) n);
    PERFORM dispatch.list_types();
    PERFORM dispatch.type_history(type);
    PERFORM dispatch.validate(type, '{"zone": "N", "n": 0}');
    IF dispatch.is_valid(type, '{"n": 0}') THEN
        RETURN 'valid';
    END IF;
    one := dispatch.create_dispatch(type, 'ROUTE-' OPERATOR(pg_catalog.||) n, '{a,b}', '{p}', '{"n": 2}', '{"url": "http://example.com/"}', '{"m": 1}', 'r' OPERATOR(pg_catalog.||) n, '{"x": 1}');
    IF one OPERATOR(pg_catalog.<>) dispatch.create_dispatch(type, 'ROUTE-' OPERATOR(pg_catalog.||) n, '{a,b}', '{p}', '{"n": 2}', '{"url": "http://example.com/"}', '{"m": 1}', 'r' OPERATOR(pg_catalog.||) n, '{"x": 1}') THEN
        RETURN 'not replayed';
    END IF;
    PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-' OPERATOR(pg_catalog.||) n), 'c', '{"url": "http://example.com/"}', NULL, 'r' OPERATOR(pg_catalog.||) n, 1);
    PERFORM dispatch.add_jobs(one, '{d,e}'), dispatch.add_participant(one, 'q'), dispatch.add_participants(one, '{r,s}'), dispatch.remove_job(one, 'a'), dispatch.remove_jobs(one, '{d,e}'), dispatch.remove_participant(one, 'q'), dispatch.remove_participants(one, '{r,s}');
    PERFORM dispatch.update_status(one, 'ASSIGNED', 'x'), dispatch.update_sub_status(one, 'y'), dispatch.update_custom_data(one, '{"zone": "south"}');
    PERFORM dispatch.request('addJob', pg_catalog.jsonb_build_object('dispatchId', one), pg_catalog.jsonb_build_object('jobId', 'z', 'requestId', n)), dispatch.request('getDispatch', pg_catalog.jsonb_build_object('dispatchId', one)), dispatch.request('getDispatchHistory', pg_catalog.jsonb_build_object('dispatchId', one)), dispatch.request('getDispatchTypes');
    made := dispatch.get_dispatch(one) OPERATOR(pg_catalog.->>) 'status';
    PERFORM dispatch.history(one);
    PERFORM dispatch.update_status(one, 'CLOSED');
    PERFORM dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '{500}', '{e}', '{NULL}') FROM dispatch.claim_callbacks(1) AS c;
    PERFORM dispatch.finish_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '{200}', '{NULL}', '{NULL}') FROM dispatch.claim_callbacks(1) AS c;
    PERFORM dispatch.renew_callbacks(ARRAY[c.callback_id], ARRAY[c.attempt], '0') FROM dispatch.claim_callbacks() AS c;
    PERFORM dispatch.purge('1 s'), dispatch.check_integrity();
    RETURN made;
END $$;
-- In a new session, so that the statements are prepared under this search_path. A failure would show too.
\c -
CREATE FUNCTION public.unpinned() RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN now(); END $$;
SET SESSION AUTHORIZATION regress_dispatch_hostile;
SET search_path = planted, pg_catalog;
SELECT planted.day('one');
-- The trap works: what is planted is found first, by the caller, and by a function of the superuser's that pins no path.
SELECT now();
SELECT 1 = 1;
SELECT public.unpinned();
RESET search_path;
SELECT what, CASE who WHEN 'regress_dispatch_hostile' THEN 'caller' ELSE 'superuser' END FROM planted.hits ORDER BY 1, 2;
TRUNCATE planted.hits;
-- Temporary tables and views that shadow names, and the types that tables make; before the catalog, and where they are by default.
\c -
SET SESSION AUTHORIZATION regress_dispatch_hostile;
CREATE PROCEDURE planted.shadow() LANGUAGE plpgsql AS $$
DECLARE
    shadow text;
BEGIN
    FOREACH shadow IN ARRAY '{types,type_events,dispatches,members,event_log,queue,attempts,requests,jobs,participants,events,callbacks,attributes,pg_proc,pg_namespace,pg_class,pg_type}'::text[]
    LOOP
        EXECUTE format('CREATE TEMP VIEW %I AS SELECT planted.hit(%L)', shadow, 'temp view ' || shadow);
    END LOOP;
    FOREACH shadow IN ARRAY '{uuid,jsonb,int8,int4,bool,regrole,interval,timestamptz,bytea,name,text}'::text[]
    LOOP
        EXECUTE format('CREATE TEMP TABLE %I (a integer)', shadow);
    END LOOP;
END $$;
CALL planted.shadow();
SET search_path = pg_temp, planted, pg_catalog;
SELECT planted.day('two');
SELECT DISTINCT who FROM planted.hits;
\c -
SET SESSION AUTHORIZATION regress_dispatch_hostile;
CALL planted.shadow();
SELECT planted.day('three');
SELECT DISTINCT who FROM planted.hits;
-- The path is changed between calls and plans, and the statements are prepared already.
SET search_path = planted, pg_temp, pg_catalog;
SELECT planted.day('four');
SET search_path = pg_catalog;
SELECT planted.day('five');
SET search_path = nowhere;
SELECT planted.day('six');
SET search_path = '';
SELECT planted.day('seven');
SELECT DISTINCT who FROM planted.hits;
-- A cast of the caller's own to what a function takes is run by the caller, before the call.
\c -
SET SESSION AUTHORIZATION regress_dispatch_hostile;
TRUNCATE planted.hits;
SELECT dispatch.create_dispatch('plainone', 'CAST') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('CAST'), ROW('j')::planted.evil, ROW('{"url": "http://example.com/"}')::planted.evil, ROW('{}')::planted.evil, ROW('cast')::planted.evil);
SELECT count(*) > 0, count(*) FILTER (WHERE who <> 'regress_dispatch_hostile') FROM planted.hits;
-- Triggers and rules of its own it cannot put on the tables; on a view of its own over them they run as they do anywhere.
CREATE VIEW planted.over_jobs AS SELECT * FROM dispatch.jobs;
\set VERBOSITY sqlstate
INSERT INTO planted.over_jobs (dispatch_id) VALUES (NULL);
\set VERBOSITY default
-- All of it was right.
SELECT * FROM dispatch.check_integrity();

--
-- SET: the limits are the superuser's, and a role is not to be had by asking
--
\c -
SET SESSION AUTHORIZATION regress_dispatch_hostile;
-- Before the module is in the session anything can be set; when it comes, what may not be is dropped.
SET dispatch.max_attempts = 1;
SET dispatch.regex_timeout = '1 h';
SELECT set_config('dispatch.retry_base', '1', false), set_config('dispatch.retry_cap', '1', false);
SELECT dispatch.dispatch_id('CAST') IS NOT NULL;
SELECT name, setting FROM pg_settings WHERE name LIKE 'dispatch.%' AND setting IS DISTINCT FROM boot_val;
-- From then on it is refused, whatever the way. Every setting that there is.
CREATE FUNCTION pg_temp.code_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN '00000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT s.name, pg_temp.code_of(format('SET %s = 1', s.name)), pg_temp.code_of(format('SET LOCAL %s = 1', s.name)), pg_temp.code_of(format('SELECT set_config(%L, ''1'', true)', s.name)), pg_temp.code_of(format('RESET %s', s.name)),
       pg_temp.code_of(format('UPDATE pg_settings SET setting = ''1'' WHERE name = %L', s.name)), pg_temp.code_of(format('ALTER ROLE regress_dispatch_hostile SET %s = 1', s.name)), pg_temp.code_of(format('ALTER DATABASE %I SET %s = 1', current_database(), s.name)),
       pg_temp.code_of(format('CREATE FUNCTION pg_temp.mine() RETURNS integer LANGUAGE sql SET %s = 1 AS ''SELECT 1''; SELECT pg_temp.mine()', s.name)), pg_temp.code_of(format('ALTER FUNCTION planted.hit(text) SET %s = 1', s.name))
  FROM pg_settings AS s WHERE s.name LIKE 'dispatch.%' AND s.context <> 'user' ORDER BY s.name;
-- What everybody may set for a session of their own.
SELECT s.name FROM pg_settings AS s WHERE s.name LIKE 'dispatch.%' AND s.context = 'user';
DROP FUNCTION pg_temp.code_of(text);
\set VERBOSITY sqlstate
ALTER SYSTEM SET dispatch.max_attempts = 1;
LOAD 'dispatch';
SELECT name, setting FROM pg_settings WHERE name LIKE 'dispatch.%' AND setting IS DISTINCT FROM boot_val;
-- Roles and rights.
SELECT rolname AS owner FROM pg_roles AS r JOIN pg_namespace AS n ON n.nspowner = r.oid WHERE n.nspname = 'dispatch' \gset
SET ROLE :"owner";
GRANT :"owner" TO regress_dispatch_hostile;
SET ROLE regress_dispatch_app;
SET session_replication_role = replica;
ALTER ROLE regress_dispatch_hostile SUPERUSER;
-- Row security is a matter of the tables' owner; the caller's setting changes nothing.
SET row_security = off;
SELECT dispatch.add_job(dispatch.dispatch_id('CAST'), 'row-security');
RESET row_security;

--
-- Functions of the application's own that run with its rights
--
RESET SESSION AUTHORIZATION;
SELECT dispatch.grant_access('regress_dispatch_app', 'write');
CREATE SCHEMA app AUTHORIZATION regress_dispatch_app;
SET ROLE regress_dispatch_app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
CREATE FUNCTION app.add(job text) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT dispatch.add_job(dispatch.dispatch_id('CAST'), job, request_id => job) $$;
CREATE FUNCTION app.add_by_request(job text) RETURNS jsonb LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT dispatch.request('addJob', '{"dispatchRef": "CAST"}', jsonb_build_object('jobId', job)) -> 'error' $$;
CREATE FUNCTION app.make_type() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS $$ SELECT dispatch.create_type('mine') $$;
CREATE FUNCTION app.make_type_by_request() RETURNS jsonb LANGUAGE sql SECURITY DEFINER AS $$ SELECT dispatch.request('createDispatchType', body => '{"name": "mine"}') $$;
-- One that catches errors and goes on with whatever rights it then has.
CREATE FUNCTION app.after_error() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM dispatch.request('addJob', '{"dispatchRef": "CAST"}', '{"jobId": "guest-1"}');
    EXCEPTION WHEN unique_violation THEN
        NULL;
    END;
    RETURN concat_ws(' ', current_user, current_setting('search_path'));
END $$;
RESET ROLE;
CREATE FUNCTION public.as_guest(job text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT dispatch.add_job(dispatch.dispatch_id('CAST'), job) $$;
ALTER FUNCTION public.as_guest(text) OWNER TO regress_dispatch_guest;
-- The guest has no right of its own, and adds by those of the application; it is named as who did it.
SET SESSION AUTHORIZATION regress_dispatch_guest;
SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'j');
SELECT app.add('guest-1') = app.add('guest-1'), app.add_by_request('guest-2');
SELECT app.make_type();
SELECT app.make_type_by_request();
SET SESSION AUTHORIZATION regress_dispatch_app;
-- Nor does the application lend its rights to a function of the guest's.
SELECT public.as_guest('app-1');
SET search_path = app, pg_catalog;
SELECT app.after_error();
RESET search_path;
RESET SESSION AUTHORIZATION;
SELECT caller, data FROM dispatch.events WHERE dispatch_id = dispatch.dispatch_id('CAST') AND caller <> 'regress_dispatch_hostile' ORDER BY sequence;
SELECT caller, operation, request_id FROM dispatch.requests WHERE dispatch_id = dispatch.dispatch_id('CAST') ORDER BY request_id;
SELECT * FROM dispatch.check_integrity();

SET client_min_messages = warning;
DROP FUNCTION public.as_guest(text), public.unpinned();
DROP SCHEMA app, planted CASCADE;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_hostile, regress_dispatch_guest, regress_dispatch_app;
