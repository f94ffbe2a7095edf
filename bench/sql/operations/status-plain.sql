\set n random(1, 5000)
\set r random(1, 1000000000000000)
WITH d AS (
    UPDATE plain.dispatches SET status = 'ASSIGNED', version = version + 1, updated_at = now()
     WHERE id = :n AND closed_at IS NULL RETURNING id
), event AS (
    INSERT INTO plain.events (dispatch_id, type, data)
    SELECT d.id, 'dispatch.status.updated', jsonb_build_object('status', 'ASSIGNED') FROM d
    RETURNING id
)
INSERT INTO plain.callbacks (event_id, url) SELECT e.id, 'http://127.0.0.1:9/hook' FROM event AS e RETURNING event_id;
