-- Jobs and participants: added and removed, one and many.
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
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') AS id \gset

-- The ids of a dispatch's members as get_dispatch() shows them.
CREATE FUNCTION pg_temp.members(ref text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' | ', (SELECT string_agg(j ->> 'jobId', ' ') FROM jsonb_array_elements(d -> 'jobs') AS j),
                            (SELECT string_agg(p ->> 'participantId', ' ') FROM jsonb_array_elements(d -> 'participants') AS p),
                            'version ' || (d ->> 'version'))
      FROM dispatch.get_dispatch(dispatch.dispatch_id(ref)) AS d;
$$;

-- Section 2: each of the eight returns the new version; what was added first stands first.
SELECT dispatch.add_job(:'id', 'j3');
SELECT dispatch.add_jobs(:'id', ARRAY['j2', 'j1', 'j4']);
SELECT dispatch.add_participant(:'id', 'van');
SELECT dispatch.add_participants(:'id', ARRAY['driver', 'helper', 'trainee']);
SELECT pg_temp.members('ROUTE-17');
SELECT dispatch.remove_job(:'id', 'j2');
SELECT dispatch.remove_jobs(:'id', ARRAY['j3', 'j4']);
SELECT dispatch.remove_participant(:'id', 'van');
SELECT dispatch.remove_participants(:'id', ARRAY['trainee', 'driver']);
SELECT pg_temp.members('ROUTE-17');

-- Removing and adding again is allowed; the member comes back as the last.
SELECT dispatch.add_job(:'id', 'j2');
SELECT pg_temp.members('ROUTE-17');
SELECT dispatch.remove_job(:'id', 'j1');
SELECT dispatch.add_jobs(:'id', ARRAY['j1']);
SELECT pg_temp.members('ROUTE-17');

-- One operation, a bulk one too, is one event and one version; event_meta is kept with it.
SELECT dispatch.add_jobs(dispatch_id => :'id', jobs => ARRAY['a', 'b'], callback => '{"url": "http://example.com/"}', event_meta => '{"by": "app"}');
SELECT dispatch.add_job(dispatch_id => :'id', job_id => 'c', event_meta => '{}');
SELECT dispatch.add_participant(dispatch_id => :'id', participant_id => 'p', event_meta => '{"n": 1}');
SELECT dispatch.add_participants(dispatch_id => :'id', participants => ARRAY['q'], event_meta => '{"n": 2}');
SELECT dispatch.remove_job(dispatch_id => :'id', job_id => 'c', event_meta => '{"n": 3}');
SELECT dispatch.remove_jobs(dispatch_id => :'id', jobs => ARRAY['b', 'a'], event_meta => '{"n": 4}');
SELECT dispatch.remove_participant(dispatch_id => :'id', participant_id => 'p', event_meta => '{"n": 5}');
SELECT dispatch.remove_participants(dispatch_id => :'id', participants => ARRAY['q'], event_meta => '{"n": 6}');
SELECT sequence, type, data, event_meta FROM dispatch.history(:'id');
SELECT sequence, host, state FROM dispatch.callbacks;

-- A job and a participant may have the same id, and each goes alone.
SELECT dispatch.create_dispatch('plain', 'SAME', ARRAY['x'], ARRAY['x']) IS NOT NULL;
SELECT dispatch.remove_job(dispatch.dispatch_id('SAME'), 'x');
SELECT pg_temp.members('SAME');
SELECT dispatch.add_job(dispatch.dispatch_id('SAME'), 'x');
SELECT dispatch.remove_participant(dispatch.dispatch_id('SAME'), 'x');
SELECT pg_temp.members('SAME');
-- The same job may be part of two dispatches.
SELECT dispatch.create_dispatch('plain', 'OTHER', ARRAY['x', 'j1']) IS NOT NULL;

-- Section 3: what is there already is 23505 and names the id; all or nothing.
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j1')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), ARRAY['new1', 'j2', 'new2'])$$);
SELECT pg_temp.fails($$SELECT dispatch.add_participant(dispatch.dispatch_id('ROUTE-17'), 'helper')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_participants(dispatch.dispatch_id('ROUTE-17'), ARRAY['new1', 'new2', 'helper'])$$);
-- Named twice in one call: the same, whether it is there or not.
SELECT pg_temp.fails($$SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), ARRAY['new1', 'new2', 'new1'])$$);
SELECT pg_temp.fails($$SELECT dispatch.add_participants(dispatch.dispatch_id('ROUTE-17'), ARRAY['new1', 'new1'])$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_jobs(dispatch.dispatch_id('ROUTE-17'), ARRAY['j1', 'j1'])$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_participants(dispatch.dispatch_id('ROUTE-17'), ARRAY['helper', 'none', 'helper'])$$);
-- What is not there is P0002 and names the id; all or nothing.
SELECT pg_temp.fails($$SELECT dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'j9')$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_jobs(dispatch.dispatch_id('ROUTE-17'), ARRAY['j1', 'j9', 'j2'])$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'helper')$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_participant(dispatch.dispatch_id('ROUTE-17'), 'j1')$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_participants(dispatch.dispatch_id('ROUTE-17'), ARRAY['helper', 'nobody'])$$);
SELECT pg_temp.members('ROUTE-17');
-- No such dispatch.
SELECT pg_temp.fails($$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'j')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_participants('00000000-0000-7000-8000-000000000000', '{p}')$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_job('00000000-0000-7000-8000-000000000000', 'j')$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_participants('00000000-0000-7000-8000-000000000000', '{p}')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('NOSUCH'), 'j')$$);

-- An empty array, a NULL element, more than one dimension, lengths: for each of the four.
SELECT pg_temp.fails(format('SELECT dispatch.%s(dispatch.dispatch_id(''ROUTE-17''), %s)', f, a))
  FROM unnest(ARRAY['add_jobs', 'add_participants', 'remove_jobs', 'remove_participants']) WITH ORDINALITY AS f(f, n),
       unnest(ARRAY['''{}''', 'NULL', '''{a,NULL}''', '''{{a,b}}''', '''{a,""}''', 'ARRAY[''a'', repeat(''ü'', 65)]']) WITH ORDINALITY AS a(a, m)
 ORDER BY n, m;
SELECT pg_temp.fails(format('SELECT dispatch.%s(dispatch.dispatch_id(''ROUTE-17''), %s)', f, a))
  FROM unnest(ARRAY['add_job', 'add_participant', 'remove_job', 'remove_participant']) WITH ORDINALITY AS f(f, n),
       unnest(ARRAY['NULL', '''''', 'repeat(''ü'', 65)']) WITH ORDINALITY AS a(a, m)
 ORDER BY n, m;
SELECT pg_temp.fails(format('SELECT dispatch.%s(NULL, %s)', f, a))
  FROM (VALUES ('add_job', '''a'''), ('add_jobs', '''{a}'''), ('add_participant', '''a'''), ('add_participants', '''{a}'''),
               ('remove_job', '''a'''), ('remove_jobs', '''{a}'''), ('remove_participant', '''a'''), ('remove_participants', '''{a}''')) AS v(f, a);
SELECT pg_temp.fails($$SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'm', event_meta => '[]')$$);
-- Characters, not bytes.
SELECT dispatch.create_dispatch('plain', 'EDGES') IS NOT NULL;
SELECT dispatch.add_job(dispatch.dispatch_id('EDGES'), repeat('😀', 64));
SELECT dispatch.add_participants(dispatch.dispatch_id('EDGES'), ARRAY[repeat('ü', 64), 'p']);
SELECT dispatch.remove_participants(dispatch.dispatch_id('EDGES'), ARRAY[repeat('ü', 64), 'p']);
SELECT dispatch.remove_job(dispatch.dispatch_id('EDGES'), repeat('😀', 64));
-- Nothing of what failed is there.
SELECT pg_temp.members('ROUTE-17');
SELECT count(*) FROM dispatch.history(:'id');

-- Ids are free text.
\set odd 'ARRAY[\'a,b\', \'a)\', \'a\', \'a) b\', \'(x, j, y)\', \'it\'\'s\', \'back\\slash\', \'"quoted"\', \' \', \'NULL\', \'{}\', \'%s %n\', \'日本\', E\'tab\\tline\\n\', \'ä\', E\'a\\u0308\']'
SELECT dispatch.create_dispatch('plain', 'ODDS', :odd, :odd) IS NOT NULL;
SELECT (SELECT array_agg(j ->> 'jobId') FROM jsonb_array_elements(d -> 'jobs') AS j) = :odd,
       (SELECT array_agg(p ->> 'participantId') FROM jsonb_array_elements(d -> 'participants') AS p) = :odd
  FROM dispatch.get_dispatch(dispatch.dispatch_id('ODDS')) AS d;
-- Each is named as it is when it is there already: alone, and among others that are not.
SELECT pg_temp.fails(format('SELECT dispatch.add_job(dispatch.dispatch_id(''ODDS''), %L)', id)) FROM unnest(:odd) AS id;
SELECT dispatch.create_dispatch('plain', 'BRACKET', ARRAY['a) b']) IS NOT NULL;
SELECT pg_temp.fails($$SELECT dispatch.add_jobs(dispatch.dispatch_id('BRACKET'), ARRAY['a) b', 'a'])$$);
SELECT pg_temp.fails($$SELECT dispatch.add_jobs(dispatch.dispatch_id('BRACKET'), ARRAY['a', 'a) b'])$$);
SELECT dispatch.remove_jobs(dispatch.dispatch_id('ODDS'), :odd);
SELECT dispatch.remove_participants(dispatch.dispatch_id('ODDS'), :odd);
SELECT d -> 'jobs', d -> 'participants' FROM dispatch.get_dispatch(dispatch.dispatch_id('ODDS')) AS d;
-- Case and spaces make another id.
SELECT dispatch.add_jobs(dispatch.dispatch_id('ODDS'), ARRAY['x', 'X', 'x ', ' x']);
SELECT pg_temp.fails($$SELECT dispatch.remove_job(dispatch.dispatch_id('ODDS'), ' X')$$);

-- 2,000 jobs at once, and their order.
SELECT dispatch.create_dispatch('plain', 'MANY') IS NOT NULL;
SELECT dispatch.add_jobs(dispatch.dispatch_id('MANY'), (SELECT array_agg('job-' || n ORDER BY n DESC) FROM generate_series(1, 2000) AS n));
SELECT jsonb_array_length(d -> 'jobs'), d #>> '{jobs,0,jobId}', d #>> '{jobs,1999,jobId}'
  FROM dispatch.get_dispatch(dispatch.dispatch_id('MANY')) AS d;
SELECT pg_temp.fails($$SELECT dispatch.add_jobs(dispatch.dispatch_id('MANY'), (SELECT array_agg('job-' || n ORDER BY n) FROM generate_series(1999, 4000, 3) AS n))$$);
SELECT pg_temp.fails($$SELECT dispatch.remove_jobs(dispatch.dispatch_id('MANY'), (SELECT array_agg('job-' || n ORDER BY n) FROM generate_series(1, 2001) AS n))$$);
SELECT dispatch.remove_jobs(dispatch.dispatch_id('MANY'), (SELECT array_agg('job-' || n ORDER BY n) FROM generate_series(1, 1999) AS n));
SELECT pg_temp.members('MANY');
SELECT dispatch.create_dispatch('plain', 'MANY-AT-ONCE', (SELECT array_agg('job-' || n) FROM generate_series(1, 2000) AS n)) IS NOT NULL;
SELECT count(*), count(DISTINCT job_id) FROM dispatch.jobs WHERE dispatch_id = dispatch.dispatch_id('MANY-AT-ONCE');

-- Which of very many is missing is found at once, and without a search for each among all.
SELECT dispatch.create_dispatch('plain', 'VERY-MANY', (SELECT array_agg('job-' || n) FROM generate_series(1, 20000) AS n)) IS NOT NULL;
SET statement_timeout = '4s';
SELECT pg_temp.fails($$SELECT dispatch.remove_jobs(dispatch.dispatch_id('VERY-MANY'), (SELECT array_agg('job-' || n) FROM generate_series(1, 20001) AS n))$$);
RESET statement_timeout;

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
