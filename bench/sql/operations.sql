-- 5,000 dispatches of 10 jobs and 2 participants on each side, the same by number; and one of ours with 10,000 jobs.
CREATE FUNCTION dispatch_number(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid
$$;

CREATE TABLE document AS
SELECT '{"zone": "north", "weightKg": 12.5, "plate": "AB-1234", "phone": "+4915112345678", "express": true, "note": "ring twice", "stops": 7, "contact": {"name": "Ada", "floor": 3}}'::jsonb AS custom_data;

INSERT INTO dispatch.dispatches (id, type_id, dispatch_ref, custom_data)
SELECT dispatch_number(n), t.id, 'ROUTE-' || n, c.custom_data
  FROM dispatch.types AS t, document AS c, generate_series(1, 10000) AS n WHERE n <= 5000 OR n = 10000;

INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
SELECT dispatch_number(n), 1, now(), i, CASE WHEN i <= 10 THEN 'j' ELSE 'p' END, 'c', 'member-' || i
  FROM generate_series(1, 5000) AS n, generate_series(1, 12) AS i;

INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
SELECT dispatch_number(10000), 1, now(), i, 'j', 'c', 'member-' || i
  FROM generate_series(1, 10000) AS i;

INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data)
SELECT d.id, 1, now(), 'dispatch.created', session_user, jsonb_build_object('customData', d.custom_data)
  FROM dispatch.dispatches AS d;

INSERT INTO plain.dispatches (type_id, dispatch_ref, custom_data)
SELECT t.id, 'ROUTE-' || n, c.custom_data
  FROM plain.types AS t, document AS c, generate_series(1, 5000) AS n ORDER BY n;

INSERT INTO plain.jobs (dispatch_id, job_id)
SELECT n, 'member-' || i FROM generate_series(1, 5000) AS n, generate_series(1, 10) AS i;

INSERT INTO plain.participants (dispatch_id, participant_id)
SELECT n, 'member-' || i FROM generate_series(1, 5000) AS n, generate_series(11, 12) AS i;

INSERT INTO plain.events (dispatch_id, type, data)
SELECT d.id, 'dispatch.created', jsonb_build_object('customData', d.custom_data)
  FROM plain.dispatches AS d;

VACUUM ANALYZE;
