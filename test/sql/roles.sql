-- Roles: what each kind of access may do, and that it can do nothing else.
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
-- Whether the current role is kept from running a statement: 42501, or that a view cannot be written to at all. Of what
-- it may run nothing is left.
CREATE FUNCTION pg_temp.is_denied(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE = '42501' OR (SQLSTATE = '55000' AND SQLERRM ~ '^cannot (insert into|update|delete from) (view|column)');
END $$;

CREATE ROLE regress_dispatch_none;
CREATE ROLE regress_dispatch_read;
CREATE ROLE regress_dispatch_write;
CREATE ROLE regress_dispatch_admin;
CREATE ROLE regress_dispatch_listen;
SELECT dispatch.grant_access('regress_dispatch_read', 'read'), dispatch.grant_access('regress_dispatch_write', 'write'),
       dispatch.grant_access('regress_dispatch_admin', 'admin'), dispatch.grant_access('regress_dispatch_listen', 'listen');
-- Each kind of access, and those who have it.
CREATE TEMP TABLE holders (access text, role text);
INSERT INTO holders VALUES ('read', 'regress_dispatch_read'), ('read', 'regress_dispatch_write'), ('read', 'regress_dispatch_admin'),
                           ('write', 'regress_dispatch_write'), ('write', 'regress_dispatch_admin'), ('admin', 'regress_dispatch_admin'), ('listen', 'regress_dispatch_listen');
CREATE TEMP TABLE roles (role text);
INSERT INTO roles VALUES ('regress_dispatch_none'), ('regress_dispatch_read'), ('regress_dispatch_write'), ('regress_dispatch_admin'), ('regress_dispatch_listen');
GRANT SELECT ON holders, roles TO PUBLIC;

--
-- Section 2: who may do what. Every function, table and view that there is stands here, or this test fails.
--
CREATE TEMP TABLE known (kind text, name text, access text);
INSERT INTO known
SELECT 'function', unnest(string_to_array(names, ' ')), access FROM (VALUES
    ('read',   'get_type list_types get_attributes type_history validate is_valid validate_custom_data cache_stats get_dispatch dispatch_id history request find_dispatches count_dispatches dispatch_status_counts'),
    ('write',  'create_dispatch add_job add_jobs add_participant add_participants remove_job remove_jobs remove_participant remove_participants update_status update_sub_status update_custom_data'),
    ('admin',  'create_type create_attributes purge check_integrity retry_callbacks cancel_callbacks pause_host resume_host backfill_index'),
    ('listen', 'claim_callbacks finish_callbacks renew_callbacks'),
    ('owner',  'grant_access adopt is_sealed merge_patch fits uuidv7 check_dispatch dispatches_deleted type_changed callback_queued')) AS k(access, names)
UNION ALL
SELECT 'relation', unnest(string_to_array(names, ' ')), access FROM (VALUES
    ('read',   'types attributes dispatches jobs participants events callbacks hosts'),
    ('owner',  'type_events backfills members event_log queue host_states attempts requests')) AS k(access, names);
-- What there is and is not known; what is known and is not there.
WITH there AS (
SELECT 'function' AS kind, proname::text AS name FROM pg_proc WHERE pronamespace = 'dispatch'::regnamespace
UNION
SELECT 'relation', relname FROM pg_class WHERE relnamespace = 'dispatch'::regnamespace AND relkind NOT IN ('i', 't', 'I'))
SELECT * FROM there AS t FULL JOIN known AS k USING (kind, name) WHERE t.kind IS NULL OR k.access IS NULL ORDER BY 1, 2;
-- Nothing else is in the schema: no types, operators, casts, sequences of its own.
SELECT count(*) FROM pg_type AS t WHERE t.typnamespace = 'dispatch'::regnamespace AND t.typtype <> 'c' AND t.typcategory <> 'A';
SELECT count(*) FROM pg_operator WHERE oprnamespace = 'dispatch'::regnamespace;

-- Functions: called, each in each of its forms, by each role.
CREATE FUNCTION pg_temp.calls() RETURNS TABLE (name text, call text) LANGUAGE sql AS $$
    SELECT p.proname::text,
           format('SELECT dispatch.%I(%s)', p.proname, (SELECT string_agg(COALESCE((SELECT quote_literal(v) FROM (VALUES
                      ('uuid', '00000000-0000-7000-8000-000000000000'), ('text', 'x'), ('jsonb', '{}'), ('boolean', 'true'), ('integer', '1'), ('bigint', '1'), ('interval', '1 s'),
                      ('regrole', 'regress_dispatch_none'), ('timestamp with time zone', '2020-01-01'), ('text[]', '{}'), ('uuid[]', '{}'), ('integer[]', '{}'), ('interval[]', '{}')) AS s(t, v)
                      WHERE t = format_type(a.type, NULL)), 'NULL') || '::' || format_type(a.type, NULL), ', ' ORDER BY a.n)
                FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS a(type, n)))
      FROM pg_proc AS p WHERE p.pronamespace = 'dispatch'::regnamespace ORDER BY 2;
$$;
CREATE TEMP TABLE tried (role text, kind text, name text, action text, denied boolean);
GRANT INSERT, SELECT ON tried TO PUBLIC;
SET ROLE regress_dispatch_none;
INSERT INTO tried SELECT current_user, 'function', name, call, pg_temp.is_denied(call) FROM pg_temp.calls();
SET ROLE regress_dispatch_read;
INSERT INTO tried SELECT current_user, 'function', name, call, pg_temp.is_denied(call) FROM pg_temp.calls();
SET ROLE regress_dispatch_write;
INSERT INTO tried SELECT current_user, 'function', name, call, pg_temp.is_denied(call) FROM pg_temp.calls();
SET ROLE regress_dispatch_admin;
INSERT INTO tried SELECT current_user, 'function', name, call, pg_temp.is_denied(call) FROM pg_temp.calls();
SET ROLE regress_dispatch_listen;
INSERT INTO tried SELECT current_user, 'function', name, call, pg_temp.is_denied(call) FROM pg_temp.calls();
RESET ROLE;
-- Tables and views: read, written, locked, altered, by each role.
CREATE FUNCTION pg_temp.uses() RETURNS TABLE (name text, action text) LANGUAGE sql AS $$
    SELECT c.relname::text, format(a.action, c.oid::regclass, CASE c.relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END,
                                   (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1))
      FROM pg_class AS c
     CROSS JOIN (VALUES ('rv', 'SELECT * FROM %1$s'), ('rv', 'SELECT %3$I FROM %1$s'), ('rv', 'SELECT count(*) FROM %1$s'), ('rv', 'SELECT FROM %1$s FOR UPDATE'), ('rv', 'SELECT FROM %1$s FOR KEY SHARE'),
                        ('rv', 'INSERT INTO %1$s DEFAULT VALUES'), ('rv', 'UPDATE %1$s SET %3$I = NULL'), ('rv', 'DELETE FROM %1$s'), ('r', 'TRUNCATE %1$s'),
                        ('rv', 'LOCK TABLE %1$s IN ROW EXCLUSIVE MODE'), ('rv', 'LOCK TABLE %1$s IN ACCESS EXCLUSIVE MODE'),
                        ('rv', 'ALTER %2$s %1$s RENAME TO mine'), ('rv', 'DROP %2$s %1$s CASCADE'), ('rv', 'ALTER %2$s %1$s OWNER TO CURRENT_USER'), ('rv', 'COMMENT ON %2$s %1$s IS NULL'),
                        ('rv', 'ALTER %2$s %1$s SET SCHEMA pg_temp'),
                        ('r', 'ALTER TABLE %1$s DISABLE TRIGGER ALL'), ('r', 'CREATE INDEX ON %1$s (%3$I)'), ('r', 'REINDEX TABLE %1$s'), ('r', 'ALTER TABLE %1$s ENABLE ROW LEVEL SECURITY'),
                        ('r', 'CREATE TEMP TABLE child () INHERITS (%1$s)'), ('rv', 'CREATE RULE mine AS ON SELECT TO %1$s DO INSTEAD NOTHING'),
                        ('r', 'CREATE STATISTICS pg_temp.mine ON tableoid, ctid FROM %1$s')) AS a(kinds, action)
     WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relkind IN ('r', 'v') AND a.kinds ~ c.relkind::text
     ORDER BY 1, 2;
$$;
SET ROLE regress_dispatch_none;
INSERT INTO tried SELECT current_user, 'relation', name, action, pg_temp.is_denied(action) FROM pg_temp.uses();
SET ROLE regress_dispatch_read;
INSERT INTO tried SELECT current_user, 'relation', name, action, pg_temp.is_denied(action) FROM pg_temp.uses();
SET ROLE regress_dispatch_write;
INSERT INTO tried SELECT current_user, 'relation', name, action, pg_temp.is_denied(action) FROM pg_temp.uses();
SET ROLE regress_dispatch_admin;
INSERT INTO tried SELECT current_user, 'relation', name, action, pg_temp.is_denied(action) FROM pg_temp.uses();
SET ROLE regress_dispatch_listen;
INSERT INTO tried SELECT current_user, 'relation', name, action, pg_temp.is_denied(action) FROM pg_temp.uses();
RESET ROLE;
-- Much was tried.
SELECT role, kind, count(DISTINCT name) > 10, count(*) > 40, count(*) FILTER (WHERE NOT denied) FROM tried GROUP BY role, kind ORDER BY role, kind;
-- Each could do what it may, and was kept from all the rest.
SELECT t.role, t.kind, t.name, t.action, CASE WHEN t.denied THEN 'is denied' ELSE 'is not denied' END
  FROM tried AS t JOIN known AS k USING (kind, name)
 WHERE t.denied = ((t.kind = 'function' OR t.action ~ '^SELECT [^F].* FROM [a-z._]+$') AND EXISTS (SELECT FROM holders AS h WHERE h.role = t.role AND h.access = k.access))
 ORDER BY t.role COLLATE "C", t.kind, t.action COLLATE "C";
-- Nor do they hold a right that was not tried, nor may they pass one on.
SELECT r.role, c.relname, p.privilege FROM roles AS r CROSS JOIN pg_class AS c CROSS JOIN (VALUES ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER'), ('SELECT WITH GRANT OPTION')) AS p(privilege)
 WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(r.role, c.oid, p.privilege);
SELECT r.role, p.oid::regprocedure FROM roles AS r CROSS JOIN pg_proc AS p WHERE p.pronamespace = 'dispatch'::regnamespace AND has_function_privilege(r.role, p.oid, 'EXECUTE WITH GRANT OPTION');
SELECT r.role, has_schema_privilege(r.role, 'dispatch', 'USAGE'), has_schema_privilege(r.role, 'dispatch', 'CREATE'), has_schema_privilege(r.role, 'dispatch', 'USAGE WITH GRANT OPTION') FROM roles AS r ORDER BY r.role COLLATE "C";
-- Neither the schema nor the extension is anybody's.
CREATE FUNCTION pg_temp.schema_uses() RETURNS SETOF text LANGUAGE sql AS $$
    VALUES ('CREATE TABLE dispatch.mine ()'), ('CREATE FUNCTION dispatch.mine() RETURNS integer LANGUAGE sql AS ''SELECT 1'''), ('CREATE TYPE dispatch.mine AS (a integer)'), ('CREATE VIEW dispatch.mine AS SELECT 1'),
           ('CREATE OR REPLACE FUNCTION dispatch.dispatch_id(text) RETURNS uuid LANGUAGE sql AS ''SELECT NULL::uuid'''), ('ALTER FUNCTION dispatch.dispatch_id(text) SECURITY INVOKER'), ('ALTER FUNCTION dispatch.dispatch_id(text) RESET ALL'),
           ('ALTER FUNCTION dispatch.dispatch_id(text) OWNER TO CURRENT_USER'), ('DROP FUNCTION dispatch.dispatch_id(text)'), ('DROP SCHEMA dispatch CASCADE'), ('ALTER SCHEMA dispatch RENAME TO mine'),
           ('DROP EXTENSION dispatch CASCADE'), ('ALTER EXTENSION dispatch UPDATE'), ('ALTER EXTENSION dispatch DROP FUNCTION dispatch.dispatch_id(text)'), ('LOAD ''dispatch'''),
           ('CREATE FUNCTION pg_temp.mine(uuid) RETURNS uuid LANGUAGE c AS ''dispatch'', ''dispatch_adopt'''), ('CREATE TRIGGER mine BEFORE INSERT ON dispatch.dispatches FOR EACH ROW EXECUTE FUNCTION dispatch.check_dispatch()');
$$;
-- The functions of the extension's triggers cannot be borrowed for a table of their own either.
SET ROLE regress_dispatch_write;
SELECT use FROM pg_temp.schema_uses() AS use WHERE NOT pg_temp.is_denied(use);
CREATE TEMP TABLE own_write (id uuid);
SELECT use FROM (VALUES ('dispatch.check_dispatch'), ('dispatch.dispatches_deleted'), ('dispatch.type_changed'), ('dispatch.callback_queued')) AS f(name),
       LATERAL format('CREATE TRIGGER mine AFTER INSERT ON own_write FOR EACH ROW EXECUTE FUNCTION %s()', name) AS use WHERE NOT pg_temp.is_denied(use);
DROP TABLE own_write;
SET ROLE regress_dispatch_admin;
SELECT use FROM pg_temp.schema_uses() AS use WHERE NOT pg_temp.is_denied(use);
SET ROLE regress_dispatch_listen;
SELECT use FROM pg_temp.schema_uses() AS use WHERE NOT pg_temp.is_denied(use);
RESET ROLE;

--
-- request() needs the right on the function that does the same
--
CREATE FUNCTION pg_temp.operations() RETURNS TABLE (operation text, function text) LANGUAGE sql AS $$
    VALUES ('createDispatchType', 'create_type'), ('createDispatchAttributes', 'create_attributes'), ('getDispatchAttributes', 'get_attributes'), ('getDispatchType', 'get_type'), ('getDispatchTypes', 'list_types'),
           ('createDispatch', 'create_dispatch'), ('addJob', 'add_job'), ('addMultipleJobs', 'add_jobs'), ('addParticipant', 'add_participant'), ('addMultipleParticipants', 'add_participants'),
           ('removeJob', 'remove_job'), ('removeMultipleJobs', 'remove_jobs'), ('removeParticipant', 'remove_participant'), ('removeMultipleParticipants', 'remove_participants'),
           ('updateDispatchStatus', 'update_status'), ('updateDispatchSubStatus', 'update_sub_status'), ('updateDispatchCustomData', 'update_custom_data'), ('getDispatch', 'get_dispatch'), ('getDispatchHistory', 'history'), ('findDispatches', 'find_dispatches');
$$;
GRANT USAGE ON SCHEMA dispatch TO regress_dispatch_none;
GRANT EXECUTE ON FUNCTION dispatch.request(text, jsonb, jsonb) TO regress_dispatch_none, regress_dispatch_listen;
GRANT EXECUTE ON FUNCTION dispatch.add_job(uuid, text, jsonb, jsonb, text, bigint) TO regress_dispatch_none;
CREATE TEMP TABLE requested (role text, operation text, function text, denied boolean);
GRANT INSERT, SELECT ON requested TO PUBLIC;
SET ROLE regress_dispatch_none;
INSERT INTO requested SELECT current_user, operation, function, pg_temp.is_denied(format('SELECT dispatch.request(%L)', operation)) FROM pg_temp.operations();
SET ROLE regress_dispatch_read;
INSERT INTO requested SELECT current_user, operation, function, pg_temp.is_denied(format('SELECT dispatch.request(%L)', operation)) FROM pg_temp.operations();
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "ROUTE-17"}', '{"jobId": "j"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchType', body => '{"name": "mine"}')$$);
SET ROLE regress_dispatch_write;
INSERT INTO requested SELECT current_user, operation, function, pg_temp.is_denied(format('SELECT dispatch.request(%L)', operation)) FROM pg_temp.operations();
SET ROLE regress_dispatch_admin;
INSERT INTO requested SELECT current_user, operation, function, pg_temp.is_denied(format('SELECT dispatch.request(%L)', operation)) FROM pg_temp.operations();
SET ROLE regress_dispatch_listen;
INSERT INTO requested SELECT current_user, operation, function, pg_temp.is_denied(format('SELECT dispatch.request(%L)', operation)) FROM pg_temp.operations();
RESET ROLE;
SELECT role, count(*), count(*) FILTER (WHERE denied), string_agg(operation, ' ' ORDER BY operation COLLATE "C") FILTER (WHERE NOT denied) FROM requested GROUP BY role ORDER BY role COLLATE "C";
SELECT * FROM requested AS q JOIN known AS k ON k.kind = 'function' AND k.name = q.function
 WHERE q.denied = (EXISTS (SELECT FROM holders AS h WHERE h.role = q.role AND h.access = k.access) OR (q.role = 'regress_dispatch_none' AND q.function = 'add_job'));
REVOKE ALL ON SCHEMA dispatch FROM regress_dispatch_none;
REVOKE ALL ON FUNCTION dispatch.request(text, jsonb, jsonb) FROM regress_dispatch_none, regress_dispatch_listen;
REVOKE ALL ON FUNCTION dispatch.add_job(uuid, text, jsonb, jsonb, text, bigint) FROM regress_dispatch_none;

--
-- No superuser is needed to use it: a whole life, by three roles
--
SET ROLE regress_dispatch_admin;
SELECT dispatch.create_type('lastmile') IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[{"name": "plate", "dataType": "string", "validation": {"regex": "^[A-Z]+$"}}]');
SELECT dispatch.request('createDispatchType', body => '{"name": "another"}') -> 'error';
SET ROLE regress_dispatch_write;
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{j1,j2}', '{p1}', '{"plate": "AB"}', '{"url": "https://example.com/token-1?t=token-2", "headers": [{"key": "Authorization", "value": "token-3"}]}', '{"n": 1}', 'r-1') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j3', '{"url": "https://example.com/token-4"}', request_id => 'r-2');
SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{"plate": "CD"}');
SELECT dispatch.request('updateDispatchStatus', '{"dispatchRef": "ROUTE-17"}', '{"status": "CLOSED"}') #> '{data,version}';
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-18', '{j1}', callback => '{"url": "https://example.com/token-5", "headers": [{"key": "X-Key", "value": "token-6"}]}') IS NOT NULL;
SET ROLE regress_dispatch_listen;
SELECT count(*), count(*) FILTER (WHERE url ~ 'token') FROM dispatch.claim_callbacks(lease => '0 s');
CREATE TEMP TABLE claimed AS SELECT * FROM dispatch.claim_callbacks();
SELECT count(*) FROM claimed, LATERAL dispatch.finish_callbacks(ARRAY[callback_id], ARRAY[attempt], ARRAY[CASE WHEN url ~ 'token-[14]' THEN 200 ELSE 500 END], '{NULL}', '{NULL}');
DROP TABLE claimed;
SET ROLE regress_dispatch_read;
SELECT dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')) ->> 'status', dispatch.is_valid('lastmile', '{"plate": "x"}'), (SELECT count(*) FROM dispatch.history(dispatch.dispatch_id('ROUTE-17')));
SELECT state, attempts FROM dispatch.callbacks ORDER BY sequence, state;
SELECT count(*) FROM dispatch.validate('lastmile', '{"plate": "x"}');
SET ROLE regress_dispatch_admin;
SELECT * FROM dispatch.check_integrity();
SELECT dispatch.purge('1 day');
RESET ROLE;
-- Each is named in what it did.
SELECT DISTINCT caller FROM dispatch.events;
SELECT DISTINCT caller FROM dispatch.type_events;

--
-- URLs and headers are for listeners, by claim_callbacks() alone
--
ANALYZE dispatch.event_log, dispatch.queue, dispatch.requests, dispatch.dispatches;
-- All that a role can read of anything: relations as a whole, and what functions return.
CREATE FUNCTION pg_temp.reads() RETURNS TABLE (what text, query text) LANGUAGE sql AS $$
    SELECT relname::text, format('SELECT string_agg(r::text, '' '') FROM %s AS r', oid::regclass) FROM pg_class WHERE relnamespace = 'dispatch'::regnamespace AND relkind IN ('r', 'v')
    UNION ALL
    VALUES ('get_dispatch', $f$SELECT string_agg(dispatch.get_dispatch(dispatch.dispatch_id(r))::text, ' ') FROM unnest('{ROUTE-17,ROUTE-18}'::text[]) AS r$f$),
           ('history', $f$SELECT string_agg(h::text, ' ') FROM unnest('{ROUTE-17,ROUTE-18}'::text[]) AS r, dispatch.history(dispatch.dispatch_id(r)) AS h$f$),
           ('getDispatch', $f$SELECT string_agg(dispatch.request('getDispatch', jsonb_build_object('dispatchRef', r))::text, ' ') FROM unnest('{ROUTE-17,ROUTE-18}'::text[]) AS r$f$),
           ('getDispatchHistory', $f$SELECT string_agg(dispatch.request('getDispatchHistory', jsonb_build_object('dispatchRef', r))::text, ' ') FROM unnest('{ROUTE-17,ROUTE-18}'::text[]) AS r$f$),
           ('check_integrity', $f$SELECT string_agg(c::text, ' ') FROM dispatch.check_integrity() AS c$f$),
           ('claim_callbacks', $f$SELECT string_agg(c::text, ' ') FROM dispatch.claim_callbacks(lease => '0 s') AS c$f$),
           ('statistics', $f$SELECT string_agg(s::text, ' ') FROM pg_stats AS s WHERE schemaname = 'dispatch'$f$);
$$;
CREATE FUNCTION pg_temp.read_as_text(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    EXECUTE query INTO result;
    RETURN COALESCE(result, '');
EXCEPTION WHEN insufficient_privilege THEN
    RETURN NULL;
END $$;
SELECT count(*) > 0 FROM pg_stats WHERE schemaname = 'dispatch' AND concat(most_common_vals, histogram_bounds) ~ 'token';
UPDATE dispatch.queue SET next_at = now();
SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t <> ''), string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t ~ 'token-[1-6]') FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t;
SET ROLE regress_dispatch_none;
SELECT what FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t WHERE t <> '';
SET ROLE regress_dispatch_read;
SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t <> ''), string_agg(what, ' ') FILTER (WHERE t ~ 'token-[1-6]') FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t;
SET ROLE regress_dispatch_write;
SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t <> ''), string_agg(what, ' ') FILTER (WHERE t ~ 'token-[1-6]') FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t;
SET ROLE regress_dispatch_admin;
SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t <> ''), string_agg(what, ' ') FILTER (WHERE t ~ 'token-[1-6]') FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t;
SET ROLE regress_dispatch_listen;
SELECT string_agg(what, ' ' ORDER BY what COLLATE "C") FILTER (WHERE t <> ''), string_agg(what, ' ') FILTER (WHERE t ~ 'token-[1-6]') FROM pg_temp.reads(), LATERAL pg_temp.read_as_text(query) AS t;
-- A function of its own that is to be pushed below the views sees what they show, and nothing of what they hide.
SET ROLE regress_dispatch_write;
CREATE TEMP TABLE leaked (value text);
CREATE FUNCTION pg_temp.leak(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    INSERT INTO leaked VALUES (value);
    RETURN true;
END $$;
SELECT count(*) FROM dispatch.events AS e WHERE pg_temp.leak(e::text) AND pg_temp.leak(e.data::text);
SELECT count(*) FROM dispatch.callbacks AS c WHERE pg_temp.leak(c::text) AND pg_temp.leak(c.host);
SELECT count(*) > 0, count(*) FILTER (WHERE value ~ 'token') FROM leaked;
DROP TABLE leaked;
DROP FUNCTION pg_temp.leak(text);
-- A retry with another URL does not say which one was used; nor does what is malformed.
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j3', '{"url": "https://example.com/token-9"}', request_id => 'r-2')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-18'), 'j3', '{"url": "https://user:token-9@example.com/token-9"}')$$);
-- The id of a request of another role tells nothing.
SET ROLE regress_dispatch_admin;
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-19', request_id => 'r-1') <> dispatch.dispatch_id('ROUTE-17');
RESET ROLE;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_none, regress_dispatch_read, regress_dispatch_write, regress_dispatch_admin, regress_dispatch_listen;
