\set r random(1000, 1000000000000000)
WITH dispatch AS (
    INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data)
    SELECT t.id, 'R' || :r, '{"zone": "north", "weightKg": 12.5, "plate": "AB-1234", "phone": "+4915112345678", "express": true, "note": "ring twice", "stops": 7, "contact": {"name": "Ada", "floor": 3}}'
      FROM dispatch.types AS t WHERE t.name = 'lastmile'
    RETURNING id, dispatch_ref, status, custom_data
), members AS (
    INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
    SELECT d.id, 1, now(), m.ordinal, m.kind, 'c', m.id
      FROM dispatch AS d, ROWS FROM (unnest(ARRAY['j', 'j', 'j', 'j', 'j', 'j', 'j', 'j', 'j', 'j', 'p', 'p']::"char"[]),
               unnest(ARRAY['job-1', 'job-2', 'job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9', 'job-10', 'driver-17', 'van-4']))
           WITH ORDINALITY AS m(kind, id, ordinal)
), event AS (
    INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data, callback_id, callback_method, callback_host, callback_url, callback_headers, callback_ref)
    SELECT d.id, 1, now(), 'dispatch.created', session_user, jsonb_build_object('dispatchTypeName', 'lastmile', 'status', d.status,
               'jobs', ARRAY['job-1', 'job-2', 'job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9', 'job-10'],
               'participants', ARRAY['driver-17', 'van-4'], 'customData', d.custom_data),
           dispatch.uuidv7(), 'POST', '127.0.0.1:9', 'http://127.0.0.1:9/hook', '[{"key": "X-Token", "value": "secret"}]', d.dispatch_ref
      FROM dispatch AS d
    RETURNING dispatch_id, callback_id, callback_host
)
INSERT INTO dispatch.queue (callback_id, dispatch_id, sequence, next_at, origin, host)
SELECT e.callback_id, e.dispatch_id, 1, now(), 0, e.callback_host
  FROM event AS e
RETURNING dispatch_id;
