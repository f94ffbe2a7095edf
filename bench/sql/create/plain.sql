\set r random(1000, 1000000000000000)
WITH dispatch AS (
    INSERT INTO plain.dispatches (type_id, dispatch_ref, custom_data)
    SELECT t.id, 'R' || :r, '{"zone": "north", "weightKg": 12.5, "plate": "AB-1234", "phone": "+4915112345678", "express": true, "note": "ring twice", "stops": 7, "contact": {"name": "Ada", "floor": 3}}'
      FROM plain.types AS t WHERE t.name = 'lastmile'
    RETURNING id, dispatch_ref, status, custom_data
), jobs AS (
    INSERT INTO plain.jobs (dispatch_id, job_id)
    SELECT d.id, j FROM dispatch AS d, unnest(ARRAY['job-1', 'job-2', 'job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9', 'job-10']) AS j
), participants AS (
    INSERT INTO plain.participants (dispatch_id, participant_id)
    SELECT d.id, p FROM dispatch AS d, unnest(ARRAY['driver-17', 'van-4']) AS p
), event AS (
    INSERT INTO plain.events (dispatch_id, type, data)
    SELECT d.id, 'dispatch.created', jsonb_build_object('dispatchTypeName', 'lastmile', 'status', d.status,
               'jobs', ARRAY['job-1', 'job-2', 'job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9', 'job-10'],
               'participants', ARRAY['driver-17', 'van-4'], 'customData', d.custom_data)
      FROM dispatch AS d
    RETURNING id
)
INSERT INTO plain.callbacks (event_id, url, headers)
SELECT e.id, 'http://127.0.0.1:9/hook', '[{"key": "X-Token", "value": "secret"}]'
  FROM event AS e
RETURNING event_id;
