-- Failed attempts are kept for dispatch.attempts_retention; what ended a callback, with its dispatch.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
SELECT dispatch.create_type('plain') IS NOT NULL;
SHOW dispatch.attempts_retention;

-- Two callbacks that are dead by leases that have passed; no outcome was told in this session.
SELECT dispatch.create_dispatch('plain', 'ROUTE-' || n, callback => '{"url": "http://example.com/"}') IS NOT NULL FROM generate_series(1, 2) AS n;
SELECT count(*) FROM dispatch.claim_callbacks(1, '0 s');
SET dispatch.max_attempts = 1;
SELECT count(*) FROM dispatch.claim_callbacks(10, '0 s');
SELECT count(*) FROM dispatch.claim_callbacks(10, '0 s');
RESET dispatch.max_attempts;
SELECT d.dispatch_ref, c.state, c.attempts FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY d.dispatch_ref;
-- Three hundred failures more: the first of today, the last of 299 days ago. And all that ended something is old.
INSERT INTO dispatch.attempts (dispatch_id, sequence, callback_id, at, attempt, tries, error)
SELECT a.dispatch_id, a.sequence, a.callback_id, now() - interval '1 day' * n, -n, 1, 'refused'
  FROM dispatch.attempts AS a JOIN dispatch.dispatches AS d ON d.id = a.dispatch_id AND d.dispatch_ref = 'ROUTE-1', generate_series(0, 299) AS n;
UPDATE dispatch.attempts SET at = now() - interval '10 years' WHERE state IS NOT NULL;
CREATE VIEW pg_temp.kept AS
    SELECT a.state, count(*), max(extract(day FROM now() - a.at)) AS days FROM dispatch.attempts AS a GROUP BY a.state ORDER BY a.state;
SELECT state, count FROM kept;

-- -1 keeps all.
SET dispatch.attempts_retention = -1;
SELECT count(*) FROM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}');
SELECT state, count FROM kept;
-- They go with the outcomes of others, some at a time, the oldest first.
SET dispatch.attempts_retention = '100 d';
SELECT count(*) FROM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}');
SELECT * FROM kept WHERE state IS NULL;
-- What is older than that stays no longer than a few calls.
RESET dispatch.attempts_retention;
DO $$
DECLARE
    deadline timestamptz := clock_timestamp() + interval '1 min';
BEGIN
    WHILE (SELECT days >= 30 FROM kept WHERE state IS NULL) LOOP
        PERFORM dispatch.finish_callbacks('{}', '{}', '{}', '{}', '{}');
        IF clock_timestamp() > deadline THEN
            RAISE 'they are still there';
        END IF;
    END LOOP;
END $$;
SELECT * FROM kept WHERE state IS NULL;
SELECT state, count FROM kept WHERE state IS NOT NULL;
SELECT d.dispatch_ref, c.state, c.attempts FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id ORDER BY d.dispatch_ref;
SELECT * FROM dispatch.check_integrity();

DROP EXTENSION dispatch CASCADE;
