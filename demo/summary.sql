-- What a person wants to see when the day is over. demo/run gives :receipts, the file in which
-- the receiver noted what it got, one JSON object a line.

\set QUIET on
\set ON_ERROR_STOP on
\pset pager off
\pset footer off

\echo
\echo 'ROUTE-17 at the end of the day'
\echo
\pset format unaligned
\pset tuples_only on
SELECT jsonb_pretty(dispatch.get_dispatch(dispatch.dispatch_id('ROUTE-17')));

\echo
\echo 'What happened to it'
\echo
\pset format aligned
\pset tuples_only off
SELECT sequence AS "#",
       type,
       concat_ws(', ', data ->> 'status', data ->> 'subStatus',
           (SELECT string_agg(id, ', ')
              FROM jsonb_array_elements_text(COALESCE(data -> 'jobs', '[]')
                                          || COALESCE(data -> 'participants', '[]')) AS id)) AS what,
       event_meta
  FROM dispatch.history(dispatch.dispatch_id('ROUTE-17'));

-- Commit to receipt: from the moment at which the operation's transaction committed, as the
-- server noted it, to the arrival of the first request that carried its callback.
CREATE TEMPORARY TABLE receipts AS
SELECT r ->> 'id' AS callback_id, r ->> 'path' AS path, r ->> 'signature' AS signature,
       (r ->> 'time')::timestamptz AS at
  FROM string_to_table(rtrim(pg_read_file(:'receipts'), E'\n'), E'\n') AS line,
       CAST(line AS jsonb) AS r;

\echo 'The callbacks, and how long from commit to receipt'
\echo
WITH received AS (
    SELECT callback_id::uuid, min(path) AS path, min(at) AS at, count(*) AS requests,
           count(*) FILTER (WHERE signature = 'valid') AS signed
      FROM receipts
     GROUP BY callback_id
), latency AS (
    SELECT CASE path WHEN '/day' THEN 'the day, as fast as it goes'
                     WHEN '/stops' THEN 'its quiet hour'
                     ELSE 'the how-to' END AS part,
           c.state, r.requests, r.signed,
           1000 * extract(epoch FROM r.at - pg_xact_commit_timestamp(e.xmin)) AS ms
      FROM dispatch.callbacks AS c
      JOIN dispatch.event_log AS e USING (callback_id)
      LEFT JOIN received AS r USING (callback_id)
)
SELECT part,
       state,
       count(*) AS callbacks,
       sum(requests) AS requests,
       sum(signed) AS "signed right",
       round(percentile_cont(0.50) WITHIN GROUP (ORDER BY ms)::numeric, 1) AS "p50 ms",
       round(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)::numeric, 1) AS "p99 ms"
  FROM latency
 GROUP BY part, state
 ORDER BY part DESC, state;

\echo 'The day in numbers'
\echo
SELECT (SELECT count(*) FROM dispatch.dispatches) AS dispatches,
       (SELECT count(*) FROM dispatch.jobs) AS jobs,
       (SELECT count(*) FROM dispatch.participants) AS participants,
       (SELECT count(*) FROM dispatch.events) AS events;
