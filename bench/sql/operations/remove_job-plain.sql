\set n random(1, 5000)
\set r random(1, 1000000000000000)
WITH d AS (
    UPDATE plain.dispatches SET version = version + 1, updated_at = now() WHERE id = :n AND closed_at IS NULL RETURNING id
), jobs AS (
    INSERT INTO plain.jobs (dispatch_id, job_id) SELECT d.id, 'j' || :r FROM d
), event AS (
    INSERT INTO plain.events (dispatch_id, type, data)
    SELECT d.id, 'dispatch.job.added', jsonb_build_object('jobs', ARRAY['j' || :r]) FROM d
    RETURNING id
)
INSERT INTO plain.callbacks (event_id, url) SELECT e.id, 'http://127.0.0.1:9/hook' FROM event AS e RETURNING event_id;
WITH d AS (
    UPDATE plain.dispatches SET version = version + 1, updated_at = now() WHERE id = :n AND closed_at IS NULL RETURNING id
), jobs AS (
    DELETE FROM plain.jobs AS j USING d WHERE j.dispatch_id = d.id AND j.job_id = 'j' || :r
), event AS (
    INSERT INTO plain.events (dispatch_id, type, data)
    SELECT d.id, 'dispatch.job.removed', jsonb_build_object('jobs', ARRAY['j' || :r]) FROM d
    RETURNING id
)
INSERT INTO plain.callbacks (event_id, url) SELECT e.id, 'http://127.0.0.1:9/hook' FROM event AS e RETURNING event_id;
