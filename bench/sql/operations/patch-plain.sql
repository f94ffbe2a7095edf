\set n random(1, 5000)
\set r random(1, 1000000000000000)
WITH d AS (
    UPDATE plain.dispatches
       SET custom_data = custom_data || jsonb_build_object('stops', 1 + (:r)::bigint % 100), version = version + 1, updated_at = now()
     WHERE id = :n AND closed_at IS NULL RETURNING id, custom_data
), event AS (
    INSERT INTO plain.events (dispatch_id, type, data)
    SELECT d.id, 'dispatch.custom_data.updated', jsonb_build_object('customData', d.custom_data, 'patch', jsonb_build_object('stops', 1 + (:r)::bigint % 100)) FROM d
    RETURNING id
)
INSERT INTO plain.callbacks (event_id, url) SELECT e.id, 'http://127.0.0.1:9/hook' FROM event AS e RETURNING event_id;
