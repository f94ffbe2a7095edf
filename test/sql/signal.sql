-- Who queues callbacks notifies at commit, when somebody sleeps: has claimed with arm and got nothing. One session is
-- writer and listener at once here; test/isolation/specs/signal.spec has two.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
-- A notification is shown after the statement that brought it, and where it is expected, without its PID.
\set expect '\\o | sed "s/PID [0-9]*/PID n/"'

SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_dispatch('plain', 'ROUTE-1') IS NOT NULL;
CREATE SEQUENCE pg_temp.job;
CREATE FUNCTION pg_temp.queue() RETURNS boolean LANGUAGE sql AS $$
    SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-1'), 'j' || nextval('pg_temp.job'), '{"url": "http://example.com/"}') > 0
$$;
-- The lock by which others see that a session sleeps.
CREATE FUNCTION pg_temp.asleep() RETURNS text LANGUAGE sql AS $$
    SELECT CASE count(*) WHEN 0 THEN 'awake' ELSE 'asleep' END FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid()
$$;
LISTEN dispatch_callback;

-- Nobody sleeps, so nobody is notified.
SHOW dispatch.notify;
SELECT pg_temp.queue();
SELECT pg_temp.asleep();
-- A claim that finds something does not fall asleep, nor does one that was not told to.
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
SELECT pg_temp.asleep();
SELECT pg_temp.queue();
SELECT count(*) FROM dispatch.claim_callbacks(arm => true);
-- One that finds nothing does: each commit notifies now.
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.asleep();
:expect
SELECT pg_temp.queue();
\o
:expect
SELECT pg_temp.queue() FROM generate_series(1, 3);
\o
-- But not one that queued nothing, or that rolls back.
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-1'), 'silent') > 0;
BEGIN;
SELECT pg_temp.queue();
ROLLBACK;
-- Until the next claim, whatever that finds.
SELECT count(*) FROM dispatch.claim_callbacks(3, arm => false);
SELECT pg_temp.asleep();
SELECT pg_temp.queue();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.asleep();

-- Savepoints: what rolled back was not queued, the rest was.
BEGIN;
SAVEPOINT a;
SELECT pg_temp.queue();
ROLLBACK TO a;
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT pg_temp.queue();
RELEASE a;
:expect
COMMIT;
\o
BEGIN;
SELECT pg_temp.queue();
SAVEPOINT a;
SELECT pg_temp.queue();
ROLLBACK TO a;
:expect
COMMIT;
\o
BEGIN;
SAVEPOINT a;
SAVEPOINT b;
SELECT pg_temp.queue();
RELEASE b;
ROLLBACK TO a;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-1'), 'silent too') > 0;
COMMIT;
DO $$
BEGIN
    PERFORM pg_temp.queue();
    RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
    NULL;
END $$;
:expect
DO $$
BEGIN
    PERFORM pg_temp.queue();
    BEGIN
        PERFORM pg_temp.queue();
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
END $$;
\o
-- A block that commits within: each of its transactions for itself.
:expect
DO $$
BEGIN
    PERFORM pg_temp.queue();
    COMMIT;
    PERFORM dispatch.add_job(dispatch.dispatch_id('ROUTE-1'), 'silent three');
    COMMIT;
END $$;
\o
SELECT count(*) FROM dispatch.claim_callbacks();

-- Sleep begins with the statement, and outlives the transaction, whatever becomes of it.
BEGIN;
SELECT count(*) FROM dispatch.claim_callbacks();
ROLLBACK;
SELECT pg_temp.asleep();
:expect
SELECT pg_temp.queue();
\o
SELECT count(*) FROM dispatch.claim_callbacks();
-- A transaction that queued can fall asleep: what it queued itself it has claimed.
BEGIN;
SELECT pg_temp.queue();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.asleep();
:expect
COMMIT;
\o
-- A claim that fails lets go as well.
\set VERBOSITY sqlstate
SELECT count(*) FROM dispatch.claim_callbacks(0);
\set VERBOSITY default
SELECT pg_temp.asleep();

-- In functions too, also in ones that claim to change nothing: the second look has a snapshot of its own.
CREATE FUNCTION pg_temp.claim() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM dispatch.claim_callbacks()';
SELECT pg_temp.claim();
SELECT pg_temp.asleep();
:expect
SELECT pg_temp.queue();
\o
SELECT pg_temp.claim();
SELECT pg_temp.asleep();

-- Where a second look would have the snapshot of the first, there is no sleep.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.queue();
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
SAVEPOINT s;
SELECT count(*) FROM dispatch.claim_callbacks();
ROLLBACK TO s;
SELECT count(*) FROM dispatch.claim_callbacks(arm => false);
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
\set VERBOSITY sqlstate
SELECT count(*) FROM dispatch.claim_callbacks();
\set VERBOSITY default
ROLLBACK;
SELECT pg_temp.asleep();
BEGIN ISOLATION LEVEL READ UNCOMMITTED;
SELECT count(*) FROM dispatch.claim_callbacks();
COMMIT;
SELECT pg_temp.asleep();
-- Writers may have any.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT pg_temp.queue();
:expect
COMMIT;
\o
-- A transaction that may not write cannot claim.
BEGIN READ ONLY;
\set VERBOSITY sqlstate
SELECT count(*) FROM dispatch.claim_callbacks();
\set VERBOSITY default
ROLLBACK;
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();

-- What gives up all advisory locks gives up this one, and nothing else of its kind does: its key is out of reach.
SELECT pg_advisory_unlock(classid::integer, objid::integer), pg_advisory_unlock((classid::bigint << 32) | objid::bigint)
  FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid();
SELECT pg_temp.asleep();
SELECT pg_advisory_unlock_all();
SELECT pg_temp.asleep();
SELECT pg_temp.queue();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.asleep();

-- Callbacks that are given back are due at once, and so are those that were adopted.
:expect
SELECT pg_temp.queue();
\o
SELECT callback_id, attempt FROM dispatch.claim_callbacks() \gset
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT dispatch.renew_callbacks(ARRAY[:'callback_id'::uuid], ARRAY[:attempt], '1 min');
:expect
SELECT dispatch.renew_callbacks(ARRAY[:'callback_id'::uuid], ARRAY[:attempt], '0 s');
\o
SELECT dispatch.renew_callbacks(ARRAY[:'callback_id'::uuid], ARRAY[:attempt], '0 s');
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();
UPDATE dispatch.queue SET origin = origin + 1;
:expect
SELECT dispatch.adopt() > 0;
\o
SELECT dispatch.adopt() > 0;
SELECT count(*) > 0 FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();

-- dispatch.notify = off: never, even where somebody sleeps.
SET dispatch.notify = off;
SELECT pg_temp.asleep();
SELECT pg_temp.queue();
-- always: even where nobody does.
SET dispatch.notify = always;
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT pg_temp.asleep();
:expect
SELECT pg_temp.queue();
\o
:expect
SELECT pg_temp.queue() FROM generate_series(1, 3);
\o
BEGIN;
SAVEPOINT a;
SELECT pg_temp.queue();
ROLLBACK TO a;
COMMIT;
-- What counts is the setting when the transaction commits.
BEGIN;
SET LOCAL dispatch.notify = off;
SELECT pg_temp.queue();
COMMIT;
SET dispatch.notify = sometimes;
RESET dispatch.notify;
SELECT pg_temp.queue();

-- It is not for everybody to set.
CREATE ROLE regress_dispatch_signal;
GRANT ALL ON ALL TABLES IN SCHEMA dispatch TO regress_dispatch_signal;
SET ROLE regress_dispatch_signal;
SET dispatch.notify = off;
SHOW dispatch.notify;
RESET ROLE;

-- DISCARD ALL ends a sleep, as it ends LISTEN.
SELECT count(*) > 0 FROM dispatch.claim_callbacks();
SELECT count(*) FROM dispatch.claim_callbacks();
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid();
DISCARD ALL;
SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 3 AND pid = pg_backend_pid();

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP OWNED BY regress_dispatch_signal;
DROP ROLE regress_dispatch_signal;
