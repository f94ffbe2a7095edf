-- Statuses and sub-statuses: the default lifecycle and a type's own; what is final.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

-- Runs a statement that is to fail, and shows code and messages without ids.
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error: ' || statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN regexp_replace(concat_ws(E'\n', SQLSTATE || ': ' || message,
                                    'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, '')),
                          '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'g');
END $$;

SELECT dispatch.create_type('plain') IS NOT NULL;
CREATE FUNCTION pg_temp.at(ref text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', status, COALESCE('(' || sub_status || ')', 'NULL'), version)
      FROM dispatch.dispatches WHERE dispatch_ref = ref;
$$;

-- The default lifecycle, step by step.
SELECT dispatch.create_dispatch('plain', 'STEP') AS id \gset
SELECT pg_temp.at('STEP');
SELECT dispatch.update_status(:'id', 'ASSIGNED');
SELECT dispatch.update_status(:'id', 'IN_PROGRESS');
SELECT dispatch.update_status(:'id', 'PENDING_CLOSURE');
SELECT dispatch.update_status(:'id', 'CLOSED');
SELECT pg_temp.at('STEP');
-- Every pair of statuses: a later one is allowed (skipping), the same one while it is not final, going back is not.
CREATE FUNCTION pg_temp.move(source text, target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id uuid := dispatch.create_dispatch('plain');
BEGIN
    IF source <> 'INITIATED' THEN
        PERFORM dispatch.update_status(id, source);
    END IF;
    PERFORM dispatch.update_status(id, target);
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END $$;
SELECT a.name, string_agg(pg_temp.move(a.name, b.name), ' ' ORDER BY b.n)
  FROM unnest(ARRAY['INITIATED', 'ASSIGNED', 'IN_PROGRESS', 'PENDING_CLOSURE', 'CLOSED']) WITH ORDINALITY AS a(name, n),
       unnest(ARRAY['INITIATED', 'ASSIGNED', 'IN_PROGRESS', 'PENDING_CLOSURE', 'CLOSED']) WITH ORDINALITY AS b(name, n)
 GROUP BY a.name, a.n ORDER BY a.n;
SELECT dispatch.create_dispatch('plain', 'BACK') AS id \gset
SELECT dispatch.update_status(:'id', 'IN_PROGRESS');
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('BACK'), 'ASSIGNED')$$);
-- A name that the lifecycle lacks.
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('BACK'), 'LOADING')$$);
SELECT pg_temp.at('BACK');

-- The sub-status: kept with the status; without one it becomes NULL; the same status changes it.
SELECT dispatch.create_dispatch('plain', 'SUBS') AS id \gset
SELECT dispatch.update_status(:'id', 'ASSIGNED', 'waiting for a vehicle');
SELECT pg_temp.at('SUBS');
SELECT dispatch.update_status(:'id', 'ASSIGNED', 'loaded');
SELECT pg_temp.at('SUBS');
SELECT dispatch.update_sub_status(:'id', 'on its way');
SELECT pg_temp.at('SUBS');
SELECT dispatch.update_status(:'id', 'ASSIGNED');
SELECT pg_temp.at('SUBS');
SELECT dispatch.update_sub_status(:'id', 'again');
SELECT dispatch.update_status(:'id', 'IN_PROGRESS', sub_status => NULL);
SELECT pg_temp.at('SUBS');
-- The first status has one too, and the last one comes with its own.
SELECT dispatch.update_status(dispatch_id => :'id', status => 'CLOSED', sub_status => 'delivered',
                              callback => '{"url": "http://example.com/"}', event_meta => '{"by": "driver"}');
SELECT pg_temp.at('SUBS');
SELECT sequence, type, data, event_meta FROM dispatch.history(:'id');
SELECT sequence, host, state FROM dispatch.callbacks;
SELECT d ->> 'status', d ->> 'subStatus' FROM dispatch.get_dispatch(:'id') AS d;
SELECT dispatch.create_dispatch('plain', 'EARLY') AS id \gset
SELECT dispatch.update_sub_status(dispatch_id => :'id', sub_status => 'planned', event_meta => '{"n": 1}');
SELECT dispatch.update_status(:'id', 'INITIATED', 'planned again');
SELECT sequence, type, data, event_meta FROM dispatch.history(:'id');

-- subStatus: 1 to 64 characters, free text.
SELECT dispatch.update_sub_status(:'id', 'x');
SELECT dispatch.update_sub_status(:'id', repeat('😀', 64));
SELECT dispatch.update_status(:'id', 'ASSIGNED', repeat('ß', 64));
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status(dispatch.dispatch_id('EARLY'), '')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status(dispatch.dispatch_id('EARLY'), repeat('😀', 65))$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('EARLY'), 'ASSIGNED', '')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('EARLY'), 'ASSIGNED', repeat('x', 65))$$);
SELECT dispatch.update_sub_status(:'id', E'it''s "odd" \\ %s\n日本');
SELECT sub_status FROM dispatch.dispatches WHERE id = :'id';

-- Malformed names are 22023, whatever the lifecycle.
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(dispatch.dispatch_id('EARLY'), %L)$$, name))
  FROM unnest(ARRAY['', 'closed', 'Closed', '1ST', '_A', 'A-B', 'A B', 'CLOSED ', ' CLOSED', E'CLOSED\n', 'ÜBER', 'CLÖSED', 'A' || repeat('B', 64), repeat('x', 1000)]) AS name;
-- Names at the edge are well-formed: this lifecycle only lacks them.
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(dispatch.dispatch_id('EARLY'), %L)$$, name))
  FROM unnest(ARRAY['A', 'A1_', 'A' || repeat('B', 63)]) AS name;
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('EARLY'), NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(NULL, 'CLOSED')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status(dispatch.dispatch_id('EARLY'), NULL)$$);
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status(NULL, 'x')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status('00000000-0000-7000-8000-000000000000', 'CLOSED')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status('00000000-0000-7000-8000-000000000000', 'x')$$);
SELECT pg_temp.at('EARLY');

-- In a final status nothing of a dispatch changes any more.
SELECT dispatch.create_dispatch('plain', 'DONE', '{j}', '{p}') AS id \gset
SELECT dispatch.update_status(:'id', 'CLOSED', 'done');
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('DONE'), 'k')$$);
SELECT pg_temp.fails(statement)
  FROM unnest(ARRAY[$$SELECT dispatch.add_jobs(dispatch.dispatch_id('DONE'), '{k}')$$,
                    $$SELECT dispatch.add_job(dispatch.dispatch_id('DONE'), 'j')$$,
                    $$SELECT dispatch.add_participant(dispatch.dispatch_id('DONE'), 'q')$$,
                    $$SELECT dispatch.add_participants(dispatch.dispatch_id('DONE'), '{q}')$$,
                    $$SELECT dispatch.remove_job(dispatch.dispatch_id('DONE'), 'j')$$,
                    $$SELECT dispatch.remove_job(dispatch.dispatch_id('DONE'), 'none')$$,
                    $$SELECT dispatch.remove_jobs(dispatch.dispatch_id('DONE'), '{j}')$$,
                    $$SELECT dispatch.remove_participant(dispatch.dispatch_id('DONE'), 'p')$$,
                    $$SELECT dispatch.remove_participants(dispatch.dispatch_id('DONE'), '{p}')$$,
                    $$SELECT dispatch.update_status(dispatch.dispatch_id('DONE'), 'CLOSED', 'other')$$,
                    $$SELECT dispatch.update_status(dispatch.dispatch_id('DONE'), 'CLOSED', 'done')$$,
                    $$SELECT dispatch.update_status(dispatch.dispatch_id('DONE'), 'INITIATED')$$,
                    $$SELECT dispatch.update_status(dispatch.dispatch_id('DONE'), 'UNKNOWN')$$,
                    $$SELECT dispatch.update_sub_status(dispatch.dispatch_id('DONE'), 'other')$$,
                    $$SELECT dispatch.update_custom_data(dispatch.dispatch_id('DONE'), '{}')$$]) AS statement;
SELECT dispatch.get_dispatch(:'id') - 'dispatchId' - 'dispatchTypeId' - 'createdAt' - 'updatedAt';
SELECT count(*) FROM dispatch.history(:'id');
-- What is malformed is malformed there too.
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('DONE'), 'closed')$$);

-- A lifecycle of the type's own, with two ends and a loop.
SELECT dispatch.create_type('cyclic', '{"initial": "OPEN", "final": ["DONE", "LOST"],
    "transitions": {"OPEN": ["RUN"], "RUN": ["HOLD", "DONE"], "HOLD": ["RUN", "LOST"]}}') IS NOT NULL;
SELECT dispatch.create_dispatch('cyclic', 'LOOP') AS id \gset
SELECT pg_temp.at('LOOP');
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('LOOP'), 'HOLD')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('LOOP'), 'DONE')$$);
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('LOOP'), 'CLOSED')$$);
SELECT dispatch.update_status(:'id', 'RUN');
SELECT dispatch.update_status(:'id', 'HOLD');
SELECT dispatch.update_status(:'id', 'RUN');
SELECT dispatch.update_status(:'id', 'RUN', 'still');
SELECT dispatch.update_status(:'id', 'HOLD');
SELECT dispatch.update_status(:'id', 'LOST', 'in the woods');
SELECT pg_temp.fails($$SELECT dispatch.update_status(dispatch.dispatch_id('LOOP'), 'HOLD')$$);
SELECT pg_temp.at('LOOP');
SELECT string_agg(data ->> 'previousStatus', ' ' ORDER BY sequence) FROM dispatch.events WHERE dispatch_id = :'id';
-- A dispatch that is final from its first moment.
SELECT dispatch.create_type('ended', '{"initial": "DONE", "final": ["DONE"], "transitions": {}}') IS NOT NULL;
SELECT dispatch.create_dispatch('ended', 'ENDED', '{j}') IS NOT NULL;
SELECT pg_temp.at('ENDED');
SELECT pg_temp.fails($$SELECT dispatch.update_sub_status(dispatch.dispatch_id('ENDED'), 'x')$$);
-- When it was closed is kept with it.
SELECT count(*) FILTER (WHERE closed_at IS NULL) = 0, count(*) FILTER (WHERE closed_at = updated_at) = count(*)
  FROM dispatch.dispatches WHERE status IN ('CLOSED', 'DONE', 'LOST');
SELECT count(closed_at) FROM dispatch.dispatches WHERE status NOT IN ('CLOSED', 'DONE', 'LOST');

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
