-- For each encoding: every sealed row of :file is taken as it is, and no other.
SET client_min_messages = warning;
SET client_encoding = 'UTF8';
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SHOW server_encoding;
-- There is no type here: only a seal that fits lets a row in.
COPY dispatch.dispatches (type_id, dispatch_ref, status, closed_at, type_revision, seal, custom_data) FROM :'file' (ENCODING 'UTF8');
SELECT count(*) AS rows, count(*) FILTER (WHERE dispatch.is_sealed(type_id, type_revision, custom_data, status, closed_at, seal)) AS sealed FROM dispatch.dispatches;
SELECT problem, count(*) FROM dispatch.check_integrity() GROUP BY problem;
-- One thing changed in each, and no seal fits any more.
SELECT c.what, count(*) FILTER (WHERE dispatch.is_sealed(c.type_id, c.revision, c.data, c.status, c.closed, d.seal)) AS sealed
  FROM dispatch.dispatches AS d
 CROSS JOIN LATERAL (VALUES
    ('type', '01a20fe7-14d9-7179-a906-2ec7ed948adf', d.type_revision, d.custom_data, d.status, d.closed_at),
    ('revision', d.type_id, 8, d.custom_data, d.status, d.closed_at),
    ('status', d.type_id, d.type_revision, d.custom_data, 'INITIATED', d.closed_at),
    ('closed', d.type_id, d.type_revision, d.custom_data, d.status, coalesce(d.closed_at, 'epoch') + '1 us'),
    ('a member more', d.type_id, d.type_revision, d.custom_data || '{"one more": null}', d.status, d.closed_at),
    ('in another member', d.type_id, d.type_revision, jsonb_build_object('a', d.custom_data), d.status, d.closed_at)
  ) AS c(what, type_id, revision, data, status, closed)
 GROUP BY c.what ORDER BY c.what;
DROP EXTENSION dispatch CASCADE;
