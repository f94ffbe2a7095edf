-- An operation runs a handful of statements, however many jobs it carries.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

SELECT dispatch.create_type('lastmile') IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[{"name": "plate", "dataType": "string", "validation": {"required": true}}, {"name": "zone", "dataType": "string", "defaultValue": "north"}]');

-- Every table counts the statements that change it, and the rows that they change.
CREATE TABLE public.counted (statement text NOT NULL, changed integer NOT NULL);
CREATE FUNCTION public.count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.counted SELECT TG_OP || ' ' || TG_TABLE_NAME, count(*) FROM changed;
    RETURN NULL;
END $$;
SELECT format('CREATE TRIGGER count_inserts AFTER INSERT ON %1$s REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.count_rows()', c.oid::regclass),
       format('CREATE TRIGGER count_updates AFTER UPDATE ON %1$s REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.count_rows()', c.oid::regclass),
       format('CREATE TRIGGER count_deletes AFTER DELETE ON %1$s REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION public.count_rows()', c.oid::regclass)
  FROM pg_class AS c WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relkind = 'r' ORDER BY c.relname COLLATE "C" \gexec
-- What was counted since it was asked last.
CREATE FUNCTION pg_temp.counted() RETURNS SETOF text LANGUAGE sql AS $$
    WITH taken AS (DELETE FROM public.counted RETURNING *)
    SELECT concat_ws(' ', statement, 'statements', count(*), 'rows', sum(changed)) FROM taken GROUP BY statement ORDER BY statement COLLATE "C";
$$;
CREATE FUNCTION pg_temp.ids(prefix text, n integer) RETURNS text[] LANGUAGE sql AS $$
    SELECT COALESCE(array_agg(prefix || i ORDER BY i), '{}') FROM generate_series(1, n) AS i;
$$;

-- A create with 10 jobs and 2 participants, and one with 1,000 and 200: the same four statements, with a callback and without.
SELECT dispatch.create_dispatch('lastmile', 'TEN-JOBS', pg_temp.ids('j', 10), pg_temp.ids('p', 2), '{"plate": "AB12"}', '{"url": "http://example.com/"}', '{"n": 1}') IS NOT NULL;
SELECT * FROM pg_temp.counted();
SELECT dispatch.create_dispatch('lastmile', 'MANY-JOBS', pg_temp.ids('j', 1000), pg_temp.ids('p', 200), '{"plate": "AB12"}', '{"url": "http://example.com/"}', '{"n": 1}') IS NOT NULL;
SELECT * FROM pg_temp.counted();
SELECT dispatch.create_dispatch('lastmile', jobs => pg_temp.ids('j', 10), participants => pg_temp.ids('p', 2), custom_data => '{"plate": "AB12"}') IS NOT NULL;
SELECT * FROM pg_temp.counted();
SELECT dispatch.create_dispatch('lastmile', custom_data => '{"plate": "AB12"}') IS NOT NULL;
SELECT * FROM pg_temp.counted();
SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeName', 'lastmile', 'customData', '{"plate": "x"}'::jsonb, 'jobs', pg_temp.ids('j', 500), 'callback', '{"url": "http://example.com/"}'::jsonb)) IS NOT NULL;
SELECT * FROM pg_temp.counted();

-- Nor is anything looked up job by job: as many scans of the tables, however many jobs.
CREATE FUNCTION pg_temp.scans() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(COALESCE(seq_scan, 0) + COALESCE(idx_scan, 0)) FROM pg_stat_xact_user_tables WHERE schemaname = 'dispatch';
$$;
BEGIN;
SELECT pg_temp.scans() AS before \gset
SELECT dispatch.create_dispatch('lastmile', 'TEN-SCANS', pg_temp.ids('j', 10), custom_data => '{"plate": "AB12"}', callback => '{"url": "http://example.com/"}') IS NOT NULL;
SELECT pg_temp.scans() - :before AS ten \gset
SELECT pg_temp.scans() AS before \gset
SELECT dispatch.create_dispatch('lastmile', 'MANY-SCANS', pg_temp.ids('j', 1000), custom_data => '{"plate": "AB12"}', callback => '{"url": "http://example.com/"}') IS NOT NULL;
SELECT pg_temp.scans() - :before = :ten, :ten < 10;
ROLLBACK;
TRUNCATE public.counted;

-- Adding and removing, one and many: the row of the dispatch, the members, the event.
SELECT dispatch.add_job(dispatch.dispatch_id('TEN-JOBS'), 'one');
SELECT * FROM pg_temp.counted();
SELECT dispatch.add_jobs(dispatch.dispatch_id('TEN-JOBS'), pg_temp.ids('k', 1000), '{"url": "http://example.com/"}');
SELECT * FROM pg_temp.counted();
SELECT dispatch.add_participants(dispatch.dispatch_id('TEN-JOBS'), pg_temp.ids('q', 1000));
SELECT * FROM pg_temp.counted();
SELECT dispatch.remove_jobs(dispatch.dispatch_id('TEN-JOBS'), pg_temp.ids('k', 1000));
SELECT * FROM pg_temp.counted();
SELECT dispatch.remove_participants(dispatch.dispatch_id('TEN-JOBS'), pg_temp.ids('q', 1000));
SELECT * FROM pg_temp.counted();

-- The other changes: the row of the dispatch and the event.
SELECT dispatch.update_status(dispatch.dispatch_id('TEN-JOBS'), 'ASSIGNED', 'x');
SELECT * FROM pg_temp.counted();
SELECT dispatch.update_sub_status(dispatch.dispatch_id('TEN-JOBS'), 'y');
SELECT * FROM pg_temp.counted();
SELECT dispatch.update_custom_data(dispatch.dispatch_id('TEN-JOBS'), '{"zone": "south"}');
SELECT * FROM pg_temp.counted();

-- A batch of callbacks is claimed by one statement and finished by two, one for what was delivered, whatever its size.
DELETE FROM dispatch.queue;
SELECT count(dispatch.update_sub_status(dispatch.dispatch_id('TEN-JOBS'), 'x', '{"url": "http://example.com/"}')) FROM generate_series(1, 100);
TRUNCATE public.counted;
CREATE TABLE pg_temp.claimed AS SELECT * FROM dispatch.claim_callbacks();
SELECT * FROM pg_temp.counted();
-- ... in which each callback is looked up a few times: the batch is not gone through for each of its own.
BEGIN;
SELECT pg_temp.scans() AS before \gset
SELECT dispatch.renew_callbacks(array_agg(callback_id), array_agg(attempt), '1 h') FROM claimed;
SELECT pg_temp.scans() - :before < 1000;
SELECT * FROM pg_temp.counted();
SELECT pg_temp.scans() AS before \gset
SELECT count(i) FROM (SELECT array_agg(callback_id) AS ids, array_agg(attempt) AS attempts,
                             array_agg(CASE WHEN n <= 60 THEN 200 ELSE 500 END) AS codes, array_agg(NULL::text) AS errors, array_agg(NULL::interval) AS waits
                        FROM (SELECT *, row_number() OVER () AS n FROM claimed) AS c) AS a
  LEFT JOIN LATERAL dispatch.finish_callbacks(a.ids, a.attempts, a.codes, a.errors, a.waits) AS i ON true;
SELECT pg_temp.scans() - :before < 1000;
SELECT * FROM pg_temp.counted();
COMMIT;

-- Reads change nothing.
SELECT dispatch.get_dispatch(dispatch.dispatch_id('TEN-JOBS')) IS NOT NULL, count(*) > 0 FROM dispatch.history(dispatch.dispatch_id('TEN-JOBS'));
SELECT * FROM pg_temp.counted();

-- Plans are made for large tables, whatever they are when a plan is made: where all of a table's indexes seem empty, any would do.
SELECT count(dispatch.create_dispatch('lastmile', jobs => ARRAY['j1', 'j2'], custom_data => '{"plate": "AB12"}')) FROM generate_series(1, 500);
DELETE FROM dispatch.dispatches;
ANALYZE dispatch.members;
SELECT reltuples FROM pg_class WHERE oid = 'dispatch.members'::regclass;
\c -
SELECT dispatch.create_dispatch('lastmile', 'LARGE', ARRAY['j1'], custom_data => '{"plate": "AB12"}') IS NOT NULL;
BEGIN;
SELECT dispatch.get_dispatch(dispatch.dispatch_id('LARGE')) IS NOT NULL;
DELETE FROM dispatch.dispatches;
SELECT i.relname, pg_stat_get_xact_numscans(i.oid) > 0 AS used FROM pg_class AS i WHERE i.relname IN ('members_pkey', 'members_member_idx') ORDER BY i.relname;
COMMIT;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP TABLE public.counted;
DROP FUNCTION public.count_rows();
