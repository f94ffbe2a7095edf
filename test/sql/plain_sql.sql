-- What readers read with plain SQL: the tables and views, their columns, and what stands in them.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

-- Section 2: the names and the columns, as the reference has them. What else the tables have is for the owner.
SELECT c.relname, c.relkind, string_agg(a.attname, ' ' ORDER BY a.attnum)
  FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'dispatch'::regnamespace AND c.relname IN ('types', 'attributes', 'dispatches', 'jobs', 'participants', 'events', 'callbacks')
 GROUP BY c.relname, c.relkind ORDER BY c.relname COLLATE "C";

CREATE ROLE regress_dispatch_reader;
SELECT dispatch.grant_access('regress_dispatch_reader', 'read');
SELECT dispatch.create_type('lastmile', additional_attributes => true) IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[{"name": "zone", "dataType": "string", "indexed": true, "defaultValue": "north"}, {"name": "weight", "dataType": "number", "validation": {"required": true, "range": {"min": 0}}}]');
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-17', '{j2,j1}', '{van}', '{"weight": 1.50}', '{"url": "https://example.com/hook"}', '{"n": 1}', extra => '{"tenant": "acme"}') AS id \gset
SELECT dispatch.add_job(:'id', 'j3'), dispatch.update_status(:'id', 'CLOSED', 'done', event_meta => '{"n": 2}');
SELECT dispatch.create_dispatch('lastmile', 'ROUTE-18', custom_data => '{"weight": 2}') IS NOT NULL;

SET ROLE regress_dispatch_reader;
SELECT name, additional_attributes, revision, jsonb_array_length(attributes), lifecycle ->> 'initial', created_at < updated_at FROM dispatch.types;
SELECT type_name, name, data_type, required, indexed, default_value, validation, position FROM dispatch.attributes ORDER BY type_id, position;
SELECT d.dispatch_ref, t.name, d.status, d.sub_status, d.version, d.custom_data, d.extra, d.type_revision, d.closed_at = d.updated_at, d.created_at < d.updated_at, d.seal IS NOT NULL
  FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id ORDER BY d.id;
SELECT job_id, state, sequence, ordinal FROM dispatch.jobs ORDER BY dispatch_id, sequence, ordinal;
SELECT participant_id, state, sequence, ordinal FROM dispatch.participants;
SELECT d.dispatch_ref, e.sequence, e.type, e.data, e.event_meta, e.caller = session_user, e.at <= now(), e.callback_id IS NOT NULL FROM dispatch.events AS e JOIN dispatch.dispatches AS d ON d.id = e.dispatch_id ORDER BY d.id, e.sequence;
SELECT d.dispatch_ref, c.sequence, c.host, c.state, c.attempts, c.last_status, c.last_error, c.last_at, c.last_duration, c.next_at <= now(), c.leased
  FROM dispatch.callbacks AS c JOIN dispatch.dispatches AS d ON d.id = c.dispatch_id JOIN dispatch.events AS e USING (callback_id);
-- What get_dispatch() returns is what stands there.
SELECT bool_and((g ->> 'dispatchId')::uuid = d.id AND g ->> 'dispatchRef' = d.dispatch_ref AND g ->> 'status' = d.status AND g -> 'customData' = d.custom_data AND (g ->> 'version')::bigint = d.version AND (g ->> 'updatedAt')::timestamptz = d.updated_at AND g @> COALESCE(d.extra, '{}')
                AND (SELECT count(*) FROM dispatch.jobs AS j WHERE j.dispatch_id = d.id) = jsonb_array_length(g -> 'jobs'))
  FROM dispatch.dispatches AS d, dispatch.get_dispatch(d.id) AS g;
-- A COPY of a view is a report.
\copy (SELECT job_id, state FROM dispatch.jobs ORDER BY job_id) TO STDOUT
-- The dispatches of a participant, the open ones of a type: what applications ask for.
SELECT d.dispatch_ref FROM dispatch.dispatches AS d JOIN dispatch.participants AS p ON p.dispatch_id = d.id WHERE p.participant_id = 'van';
SELECT d.dispatch_ref FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id WHERE t.name = 'lastmile' AND d.closed_at IS NULL;
RESET ROLE;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_reader;
