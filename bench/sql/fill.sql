-- Old dispatches, closed long ago, from number :first to :last: five jobs each, an event, and a callback that was delivered.
BEGIN;
CREATE TEMPORARY TABLE old ON COMMIT DROP AS
SELECT dispatch.uuidv7() AS id, dispatch.uuidv7() AS callback_id, n, now() - make_interval(days => 30) + make_interval(secs => n / 1000.0) AS at
  FROM generate_series(:first, :last) AS n;

INSERT INTO dispatch.dispatches (id, type_id, dispatch_ref, status, version, created_at, updated_at, custom_data)
SELECT o.id, t.id, 'OLD-' || o.n, 'CLOSED', 1, o.at, o.at,
       jsonb_build_object('zone', (ARRAY['north', 'south', 'east', 'west'])[1 + o.n % 4], 'weightKg', o.n % 1000, 'plate', 'AB-1234',
                          'phone', '+4915112345678', 'express', o.n % 2 = 0, 'note', 'ring twice', 'stops', 1 + o.n % 100,
                          'contact', jsonb_build_object('name', 'Ada', 'floor', 3))
  FROM old AS o, dispatch.types AS t;

INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
SELECT o.id, 1, o.at, i, 'j', 'c', 'job-' || o.n || '-' || i FROM old AS o, generate_series(1, 5) AS i;

INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data, callback_id, callback_method, callback_host, callback_url, callback_headers, callback_ref)
SELECT o.id, 1, o.at, 'dispatch.created', session_user, jsonb_build_object('dispatchTypeName', 'lastmile', 'status', 'CLOSED'),
       o.callback_id, 'POST', '127.0.0.1:9', 'http://127.0.0.1:9/hook', '[]', 'OLD-' || o.n
  FROM old AS o;

INSERT INTO dispatch.attempts (dispatch_id, sequence, callback_id, at, attempt, tries, status, state, duration)
SELECT o.id, 1, o.callback_id, o.at, 1, 1, 200, 'DELIVERED', '3 ms' FROM old AS o;
COMMIT;
