-- Retries: a call with a request_id that was used changes nothing and returns what the first returned.
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
-- All that there is, to show that something changed nothing.
CREATE FUNCTION pg_temp.all_there_is() RETURNS text LANGUAGE sql AS $$
    SELECT md5(concat((SELECT array_agg(d ORDER BY d.id) FROM dispatch.dispatches AS d),
                      (SELECT array_agg(m ORDER BY m.dispatch_id, m.kind, m.member_id) FROM dispatch.members AS m),
                      (SELECT array_agg(e ORDER BY e.dispatch_id, e.sequence) FROM dispatch.event_log AS e),
                      (SELECT array_agg(q ORDER BY q.callback_id) FROM dispatch.queue AS q),
                      (SELECT array_agg(r ORDER BY r.caller, r.operation, r.request_id) FROM dispatch.requests AS r)));
$$;
-- Runs a statement twice; what both returned, whether it was the same, and whether the second changed nothing.
CREATE FUNCTION pg_temp.twice(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    first text;
    second text;
    before text;
BEGIN
    EXECUTE statement INTO first;
    before := pg_temp.all_there_is();
    EXECUTE statement INTO second;
    RETURN concat_ws(' ', CASE WHEN first ~ '^[0-9]+$' THEN first END,
                     CASE WHEN first = second THEN 'the same' ELSE 'another: ' || second END,
                     CASE WHEN before = pg_temp.all_there_is() THEN 'nothing changed' ELSE 'something changed' END);
END $$;
-- The dispatch that the test is about.
CREATE FUNCTION pg_temp.d() RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM dispatch.dispatches WHERE dispatch_ref = 'ROUTE-17' $$;

SELECT dispatch.create_type('plain') AS type_id \gset
SELECT dispatch.create_type('other', additional_attributes => true) AS other_id \gset

--
-- Section 2: every operation that changes a dispatch, made twice
--
SELECT pg_temp.twice($$SELECT dispatch.create_dispatch('plain', 'ROUTE-17', '{j1,j2}', '{p1}', callback => '{"url": "http://example.com/"}', event_meta => '{"n": 1}', request_id => 'r', extra => '{"x": 1}')$$);
SELECT pg_temp.twice($$SELECT dispatch.create_dispatch('plain', request_id => 'bare')$$);
SELECT pg_temp.twice($$SELECT dispatch.add_job(pg_temp.d(), 'j3', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.add_jobs(pg_temp.d(), '{j4,j5}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many')$$);
SELECT pg_temp.twice($$SELECT dispatch.add_participant(pg_temp.d(), 'p2', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.add_participants(pg_temp.d(), '{p3,p4}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many')$$);
SELECT pg_temp.twice($$SELECT dispatch.remove_job(pg_temp.d(), 'j3', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.remove_jobs(pg_temp.d(), '{j4,j5}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many')$$);
SELECT pg_temp.twice($$SELECT dispatch.remove_participant(pg_temp.d(), 'p2', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.remove_participants(pg_temp.d(), '{p3,p4}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many')$$);
SELECT pg_temp.twice($$SELECT dispatch.update_status(pg_temp.d(), 'ASSIGNED', 'ready', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.update_sub_status(pg_temp.d(), 'packed', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
SELECT pg_temp.twice($$SELECT dispatch.update_custom_data(pg_temp.d(), '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'r')$$);
-- One event, one callback and one version each.
SELECT version, (SELECT count(*) FROM dispatch.events AS e WHERE e.dispatch_id = d.id), (SELECT count(*) FROM dispatch.callbacks AS c WHERE c.dispatch_id = d.id)
  FROM dispatch.dispatches AS d WHERE id = pg_temp.d();
-- Without a request_id each call is a call of its own.
SELECT pg_temp.twice($$SELECT dispatch.update_sub_status(pg_temp.d(), 'packed')$$);
SELECT pg_temp.twice($$SELECT dispatch.create_dispatch('plain')$$) LIKE 'another: % something changed';
SELECT pg_temp.fails($$SELECT pg_temp.twice('SELECT dispatch.add_job(pg_temp.d(), ''once'')')$$);

--
-- It returns what the first returned, whatever happened since
--
-- The version that the first made, and not the one that the dispatch has.
SELECT dispatch.add_job(pg_temp.d(), 'j3', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.update_status(pg_temp.d(), 'ASSIGNED', 'ready', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
-- The member that it added has gone, and stays gone.
SELECT count(*) FROM dispatch.jobs WHERE dispatch_id = pg_temp.d() AND job_id = 'j3';
-- The one that it removed is there again, and stays.
SELECT dispatch.add_participant(pg_temp.d(), 'p2');
SELECT dispatch.remove_participant(pg_temp.d(), 'p2', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT count(*) FROM dispatch.participants WHERE dispatch_id = pg_temp.d() AND participant_id = 'p2';
-- Before the version is checked: the guard held when the call was made.
SELECT version AS now FROM dispatch.dispatches WHERE id = pg_temp.d() \gset
SELECT dispatch.add_job(pg_temp.d(), 'guarded', request_id => 'guarded', expected_version => :now) - :now;
SELECT dispatch.add_job(pg_temp.d(), 'guarded', request_id => 'guarded', expected_version => :now) - :now;
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(pg_temp.d(), 'unguarded', request_id => 'unguarded', expected_version => %s)$$, :now)) ~ '^40001';
-- Before the status is checked: after the transition the same one would be refused, and in a final status all are.
SELECT dispatch.update_status(pg_temp.d(), 'IN_PROGRESS', request_id => 'progress') - :now;
SELECT dispatch.update_status(pg_temp.d(), 'PENDING_CLOSURE') - :now;
SELECT dispatch.update_status(pg_temp.d(), 'IN_PROGRESS', request_id => 'progress') - :now;
SELECT dispatch.update_status(pg_temp.d(), 'CLOSED', request_id => 'close') - :now;
SELECT dispatch.update_status(pg_temp.d(), 'CLOSED', request_id => 'close') - :now;
SELECT dispatch.add_job(pg_temp.d(), 'j3', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.add_jobs(pg_temp.d(), '{j4,j5}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many');
SELECT dispatch.add_participant(pg_temp.d(), 'p2', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.add_participants(pg_temp.d(), '{p3,p4}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many');
SELECT dispatch.remove_job(pg_temp.d(), 'j3', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.remove_jobs(pg_temp.d(), '{j4,j5}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many');
SELECT dispatch.remove_participant(pg_temp.d(), 'p2', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.remove_participants(pg_temp.d(), '{p3,p4}', '{"url": "http://example.com/"}', '{"n": 1}', 'r-many');
SELECT dispatch.update_status(pg_temp.d(), 'ASSIGNED', 'ready', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.update_sub_status(pg_temp.d(), 'packed', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.update_custom_data(pg_temp.d(), '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'r');
SELECT dispatch.create_dispatch('plain', 'ROUTE-17', '{j1,j2}', '{p1}', callback => '{"url": "http://example.com/"}', event_meta => '{"n": 1}', request_id => 'r', extra => '{"x": 1}') = pg_temp.d();
-- A new request is refused, as it should be.
SELECT pg_temp.fails($$SELECT dispatch.add_job(pg_temp.d(), 'new', request_id => 'new')$$);
-- Before the custom data is checked: the type has got an attribute that would refuse it now.
SELECT dispatch.create_dispatch('other', 'OTHER', custom_data => '{"a": 1}', request_id => 'r-other') AS other \gset
SELECT dispatch.update_custom_data(:'other', '{"b": null}', request_id => 'r-other');
SELECT dispatch.create_attributes('other', '[{"name": "must", "dataType": "string", "validation": {"required": true}}]');
SELECT dispatch.create_dispatch('other', 'OTHER', custom_data => '{"a": 1}', request_id => 'r-other') = :'other';
SELECT dispatch.update_custom_data(:'other', '{"b": null}', request_id => 'r-other');
SELECT pg_temp.fails(format('SELECT dispatch.update_custom_data(%L, ''{"b": null}'')', :'other')) ~ '^23514';

--
-- Section 3: the same id with other arguments is 22023, whichever argument it is
--
SELECT dispatch.create_dispatch('plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}') AS id \gset
SELECT pg_temp.all_there_is() AS before \gset
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('other', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}')$$);
CREATE FUNCTION pg_temp.other(arguments text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.fails(format('SELECT dispatch.create_dispatch(%s)', arguments)) LIKE '22023: request_id "c" was used with other arguments%';
$$;
SELECT pg_temp.other($$'plain', 'MAIN-2', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', NULL, '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b,c}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{ab}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b,p}', '{}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{q}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{"c": 1}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/2"}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/", "headers": [{"key": "a", "value": "b"}]}', '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', NULL, '{"n": 1}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 2}', 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', NULL, 'c', '{"x": 1}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": [1]}'$$);
SELECT pg_temp.other($$'plain', 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', NULL$$);
-- The same arguments, written otherwise, are the same.
SELECT dispatch.create_dispatch(:'type_id'::uuid, extra => '{"x":1, "gone": null}', request_id => 'c', event_meta => '{ "n" : 1 }', callback => '{"url": "http:\/\/example.com\/"}',
                                participants => ARRAY['p'], jobs => ARRAY['a', 'b'], dispatch_ref => 'MAIN') = :'id';
SELECT dispatch.create_dispatch(:'type_id'::text, 'MAIN', '{a,b}', '{p}', '{}', '{"url": "http://example.com/"}', '{"n": 1}', 'c', '{"x": 1}') = :'id';
SELECT pg_temp.all_there_is() = :'before';

-- The changes. What they have in common is tried with each: another dispatch, callback, event_meta, expected_version.
CREATE FUNCTION pg_temp.others(id uuid, function text, argument text, another text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    common text[] := ARRAY['''{"url": "http://example.com/"}''', '''{"n": 1}''', '''same''', 'NULL'];
    before text;
    result text := '';
    call text;
    version text;
BEGIN
    EXECUTE format('SELECT dispatch.%s(%L, %s, %s)', function, id, argument, array_to_string(common, ', ')) INTO version;
    before := pg_temp.all_there_is();
    FOREACH call IN ARRAY ARRAY[
        format('SELECT dispatch.%s(%L, %s, %s)', function, pg_temp.d(), argument, array_to_string(common, ', ')),
        format('SELECT dispatch.%s(%L, %s, %s)', function, id, another, array_to_string(common, ', ')),
        format('SELECT dispatch.%s(%L, %s, NULL, %s, %s, NULL)', function, id, argument, common[2], common[3]),
        format('SELECT dispatch.%s(%L, %s, %s, NULL, %s, NULL)', function, id, argument, common[1], common[3]),
        format('SELECT dispatch.%s(%L, %s, %s, %s, %s, 1)', function, id, argument, common[1], common[2], common[3])]
    LOOP
        result := result || ' ' || CASE WHEN pg_temp.fails(call) LIKE '22023: request_id "same" was used with other arguments%' THEN 'refused' ELSE call || ': ' || pg_temp.fails(call) END;
    END LOOP;
    RETURN function || result || CASE WHEN before = pg_temp.all_there_is() THEN ', nothing changed' END;
END $$;
SELECT pg_temp.others(:'id', 'add_job', '''1''', '''2''');
SELECT pg_temp.others(:'id', 'add_participant', '''1''', '''2''');
SELECT pg_temp.others(:'id', 'update_status', '''ASSIGNED'', ''s''', '''ASSIGNED'', NULL');
SELECT pg_temp.others(:'id', 'update_sub_status', '''ready''', '''steady''');
SELECT pg_temp.others(:'id', 'update_custom_data', '''{}''', '''{"a": 1}''');
SELECT pg_temp.others(:'id', 'remove_job', '''1''', '''a''');
SELECT pg_temp.others(:'id', 'remove_participant', '''1''', '''p''');
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(%L, 'IN_PROGRESS', 's', '{"url": "http://example.com/"}', '{"n": 1}', 'same')$$, :'id'));
DELETE FROM dispatch.requests WHERE request_id = 'same';
SELECT pg_temp.others(:'id', 'add_jobs', '''{1,2}''', '''{1,2,3}''');
SELECT pg_temp.others(:'id', 'add_participants', '''{1,2}''', '''{2}''');
SELECT pg_temp.others(:'id', 'remove_jobs', '''{1,2}''', '''{1}''');
SELECT pg_temp.others(:'id', 'remove_participants', '''{1,2}''', '''{1}''');
-- A long id is cut in the message; other arguments are refused in a final status too.
SELECT dispatch.update_status(:'id', 'CLOSED', request_id => repeat('x', 128)) > 0;
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(%L, 'CLOSED', 'other', request_id => repeat('x', 128))$$, :'id'));
-- Malformed arguments are malformed, whatever the id.
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, '', request_id => 'same')$$, :'id'));
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, '1', '{"url": "ftp://example.com"}', request_id => 'same')$$, :'id'));

--
-- Section 1: 1 to 128 characters
--
SELECT dispatch.create_dispatch('plain', 'LENGTH') AS length \gset
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', request_id => '')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', request_id => repeat('x', 129))$$);
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, 'j', request_id => '')$$, :'length'));
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, 'j', request_id => repeat(chr(252), 129))$$, :'length'));
SELECT pg_temp.twice(format($$SELECT dispatch.add_job(%L, 'j1', request_id => 'x')$$, :'length'));
SELECT pg_temp.twice(format($$SELECT dispatch.add_job(%L, 'j2', request_id => repeat('x', 128))$$, :'length'));
SELECT pg_temp.twice(format($$SELECT dispatch.add_job(%L, 'j3', request_id => repeat(U&'\+01F69A', 128))$$, :'length'));
SELECT pg_temp.twice($$SELECT dispatch.create_dispatch('plain', request_id => repeat(U&'\+01F69A', 128))$$);
-- They are compared as they are: case, blanks and accents count.
SELECT dispatch.add_job(:'length', 'j4', request_id => 'X'), dispatch.add_job(:'length', 'j5', request_id => ' x'), dispatch.add_job(:'length', 'j6', request_id => U&'\00E9'), dispatch.add_job(:'length', 'j7', request_id => U&'e\0301');

--
-- An id belongs to an operation: the same one in another operation is another request
--
SELECT dispatch.create_dispatch('plain', 'BY-OPERATION', request_id => 'one') AS by_operation \gset
SELECT dispatch.add_job(:'by_operation', 'x', request_id => 'one'), dispatch.add_participant(:'by_operation', 'x', request_id => 'one'),
       dispatch.update_status(:'by_operation', 'ASSIGNED', request_id => 'one'), dispatch.update_sub_status(:'by_operation', 'x', request_id => 'one'),
       dispatch.update_custom_data(:'by_operation', '{}', request_id => 'one'),
       dispatch.remove_job(:'by_operation', 'x', request_id => 'one'), dispatch.remove_participant(:'by_operation', 'x', request_id => 'one');
-- Not to a dispatch: in another one it is a mistake, and said to be one.
SELECT dispatch.create_dispatch('plain', 'ANOTHER') AS another \gset
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, 'x', request_id => 'one')$$, :'another'));
SELECT pg_temp.fails($$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'x', request_id => 'one')$$);
SELECT pg_temp.fails($$SELECT dispatch.add_job('00000000-0000-7000-8000-000000000000', 'x', request_id => 'none')$$);

--
-- An id belongs to a role: two roles may use the same
--
CREATE ROLE regress_dispatch_retry_1;
CREATE ROLE regress_dispatch_retry_2;
SELECT dispatch.grant_access('regress_dispatch_retry_1', 'write'), dispatch.grant_access('regress_dispatch_retry_2', 'write');
CREATE TABLE public.made (role text, id uuid);
GRANT ALL ON public.made TO PUBLIC;
SET ROLE regress_dispatch_retry_1;
INSERT INTO public.made SELECT current_user, dispatch.create_dispatch('plain', request_id => 'role');
INSERT INTO public.made SELECT current_user, dispatch.create_dispatch('plain', request_id => 'role');
SELECT dispatch.add_job(:'by_operation', 'role-1', request_id => 'role');
SET ROLE regress_dispatch_retry_2;
INSERT INTO public.made SELECT current_user, dispatch.create_dispatch('plain', request_id => 'role');
INSERT INTO public.made SELECT current_user, dispatch.create_dispatch('plain', request_id => 'role');
SELECT dispatch.add_job(:'by_operation', 'role-2', request_id => 'role');
SELECT dispatch.add_job(:'by_operation', 'role-2', request_id => 'role');
SET ROLE regress_dispatch_retry_1;
SELECT dispatch.add_job(:'by_operation', 'role-1', request_id => 'role');
RESET ROLE;
SELECT role, count(*), count(DISTINCT id) FROM public.made GROUP BY role ORDER BY role;
SELECT count(DISTINCT id) FROM public.made;
-- The caller is the role outside of all SECURITY DEFINER functions, as in the events.
CREATE FUNCTION public.wrapped_add(job text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
    SELECT dispatch.add_job(dispatch.dispatch_id('BY-OPERATION'), job, request_id => 'wrapped');
$$;
SET ROLE regress_dispatch_retry_1;
SELECT public.wrapped_add('w1'), public.wrapped_add('w1');
SET ROLE regress_dispatch_retry_2;
SELECT public.wrapped_add('w2'), public.wrapped_add('w2');
RESET ROLE;
SELECT caller, count(*) FROM dispatch.requests WHERE caller <> current_user GROUP BY caller ORDER BY caller COLLATE "C";
SELECT caller, data FROM dispatch.events WHERE dispatch_id = :'by_operation' AND caller <> current_user ORDER BY sequence;

--
-- A call that failed was not made: its id is as good as new
--
SELECT dispatch.create_dispatch('plain', 'FAILS') AS fails \gset
SELECT pg_temp.fails(format($$SELECT dispatch.remove_job(%L, 'j', request_id => 'failed')$$, :'fails'));
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(%L, 'NOWHERE', request_id => 'failed')$$, :'fails'));
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, 'j', request_id => 'failed', expected_version => 7)$$, :'fails'));
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', custom_data => '{"a": 1}', request_id => 'failed')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', 'FAILS', request_id => 'failed')$$);
SELECT pg_temp.fails($$SELECT dispatch.create_dispatch('plain', jobs => '{a,a}', request_id => 'failed')$$);
SELECT count(*) FROM dispatch.requests WHERE request_id = 'failed';
-- Then the same call, or one with other arguments.
SELECT dispatch.add_job(:'fails', 'j', request_id => 'failed'), dispatch.add_job(:'fails', 'j', request_id => 'failed');
SELECT dispatch.remove_job(:'fails', 'j', request_id => 'failed'), dispatch.remove_job(:'fails', 'j', request_id => 'failed');
SELECT pg_temp.twice($$SELECT dispatch.create_dispatch('plain', 'FAILS-NOT', request_id => 'failed')$$);

-- Nor was one that a savepoint took back.
BEGIN;
SAVEPOINT before;
SELECT dispatch.add_job(:'fails', 'a', request_id => 'savepoint');
SELECT dispatch.create_dispatch('plain', 'SAVEPOINT', request_id => 'savepoint') IS NOT NULL;
ROLLBACK TO before;
SELECT count(*) FROM dispatch.requests WHERE request_id = 'savepoint';
SELECT dispatch.add_job(:'fails', 'b', request_id => 'savepoint');
SELECT dispatch.create_dispatch('plain', 'SAVEPOINT-2', request_id => 'savepoint') AS id \gset
-- Again in the same transaction, in the one that is its parent, and in a savepoint that is released.
SELECT dispatch.add_job(:'fails', 'b', request_id => 'savepoint');
SAVEPOINT inner_one;
SELECT dispatch.add_job(:'fails', 'b', request_id => 'savepoint');
SELECT dispatch.add_job(:'fails', 'c', request_id => 'released');
RELEASE inner_one;
SELECT dispatch.add_job(:'fails', 'c', request_id => 'released');
SELECT dispatch.create_dispatch('plain', 'SAVEPOINT-2', request_id => 'savepoint') = :'id';
COMMIT;
SELECT dispatch.add_job(:'fails', 'b', request_id => 'savepoint'), dispatch.add_job(:'fails', 'c', request_id => 'released');
SELECT pg_temp.fails(format($$SELECT dispatch.add_job(%L, 'a', request_id => 'savepoint')$$, :'fails'));
BEGIN;
SELECT dispatch.add_job(:'fails', 'z', request_id => 'rolled back');
ROLLBACK;
SELECT dispatch.add_job(:'fails', 'y', request_id => 'rolled back');
-- In one statement, many rows.
SELECT count(DISTINCT v), count(*) FROM generate_series(1, 5) AS i, LATERAL dispatch.add_job(:'fails', 'rows' || i * 0, request_id => 'rows' || i * 0) AS v;
-- In a SERIALIZABLE transaction too.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT dispatch.add_job(:'fails', 'serial', request_id => 'serial') = dispatch.add_job(:'fails', 'serial', request_id => 'serial');
SELECT dispatch.create_dispatch('plain', request_id => 'serial') = dispatch.create_dispatch('plain', request_id => 'serial');
COMMIT;

--
-- Section 4: requestId is the same thing
--
SELECT dispatch.create_dispatch('plain', 'REQUEST') AS request \gset
CREATE FUNCTION pg_temp.again(operation text, params jsonb, body jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT operation || ': ' || pg_temp.twice(format('SELECT dispatch.request(%L, %L, %L)', operation, params, '{"requestId": "q"}' || body));
$$;
SELECT pg_temp.again('createDispatch', '{}', '{"dispatchTypeName": "plain", "dispatchRef": "BY-REQUEST", "jobs": ["a"], "mine": 1}');
SELECT pg_temp.again('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "a"}');
SELECT pg_temp.again('addMultipleJobs', '{"dispatchRef": "REQUEST"}', '{"jobs": ["b", "c"], "requestId": "q-many"}');
SELECT pg_temp.again('addParticipant', '{"dispatchRef": "REQUEST"}', '{"participantId": "a"}');
SELECT pg_temp.again('addMultipleParticipants', '{"dispatchRef": "REQUEST"}', '{"participants": ["b", "c"], "requestId": "q-many"}');
SELECT pg_temp.again('updateDispatchStatus', '{"dispatchRef": "REQUEST"}', '{"status": "ASSIGNED", "callback": {"url": "http://example.com/"}}');
SELECT pg_temp.again('updateDispatchSubStatus', '{"dispatchRef": "REQUEST"}', '{"subStatus": "x"}');
SELECT pg_temp.again('updateDispatchCustomData', '{"dispatchRef": "REQUEST"}', '{"patch": {}}');
SELECT pg_temp.again('removeJob', '{"dispatchRef": "REQUEST", "jobId": "a"}', '{}');
SELECT pg_temp.again('removeMultipleJobs', '{"dispatchRef": "REQUEST"}', '{"jobs": ["b", "c"], "requestId": "q-many"}');
SELECT pg_temp.again('removeParticipant', '{"dispatchRef": "REQUEST", "participantId": "a"}', '{}');
SELECT pg_temp.again('removeMultipleParticipants', '{"dispatchRef": "REQUEST"}', '{"participants": ["b", "c"], "requestId": "q-many"}');
SELECT version, (SELECT count(*) FROM dispatch.events AS e WHERE e.dispatch_id = d.id) FROM dispatch.dispatches AS d WHERE id = :'request';
-- What it returns of a call that was made: the whole answer, with the version of that time; the body is the one that came now.
SELECT dispatch.request('addJob', jsonb_build_object('dispatchId', :'request'), '{"jobId": "a", "requestId": "q"}') = jsonb_build_object('error', NULL, 'request', '{"jobId": "a", "requestId": "q"}'::jsonb, 'data', jsonb_build_object('dispatchId', :'request', 'version', 2));
SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "plain", "dispatchRef": "BY-REQUEST", "jobs": ["a"], "mine": 1, "requestId": "q"}') -> 'data' = jsonb_build_object('dispatchId', dispatch.dispatch_id('BY-REQUEST'), 'dispatchRef', 'BY-REQUEST', 'version', 1);
-- By the functions it is the same call as by request(), whichever came first, and however the dispatch and the type are named.
SELECT dispatch.add_job(:'request', 'a', request_id => 'q'), dispatch.add_jobs(:'request', '{b,c}', request_id => 'q-many'), dispatch.add_participant(:'request', 'a', request_id => 'q'), dispatch.add_participants(:'request', '{b,c}', request_id => 'q-many'),
       dispatch.update_status(:'request', 'ASSIGNED', callback => '{"url": "http://example.com/"}', request_id => 'q'), dispatch.update_sub_status(:'request', 'x', request_id => 'q'), dispatch.update_custom_data(:'request', '{}', request_id => 'q'),
       dispatch.remove_job(:'request', 'a', request_id => 'q'), dispatch.remove_jobs(:'request', '{b,c}', request_id => 'q-many'), dispatch.remove_participant(:'request', 'a', request_id => 'q'), dispatch.remove_participants(:'request', '{b,c}', request_id => 'q-many');
SELECT dispatch.create_dispatch('plain', 'BY-REQUEST', '{a}', request_id => 'q', extra => '{"mine": 1}') = dispatch.dispatch_id('BY-REQUEST');
SELECT dispatch.update_sub_status(:'request', 'y', event_meta => '{"n": 1}', request_id => 'function first', expected_version => 12);
SELECT dispatch.request('updateDispatchSubStatus', '{"dispatchRef": "REQUEST"}', '{"subStatus": "y", "_event_meta": {"n": 1}, "requestId": "function first", "expectedVersion": 12}') -> 'data' -> 'version';
SELECT dispatch.request('createDispatch', body => jsonb_build_object('dispatchTypeId', :'type_id', 'dispatchRef', 'MAIN', 'jobs', '["a", "b"]'::jsonb, 'participants', '["p"]'::jsonb, 'customData', '{}'::jsonb, 'callback', '{"url": "http://example.com/"}'::jsonb,
                                                                     '_event_meta', '{"n": 1}'::jsonb, 'requestId', 'c', 'x', 1)) #>> '{data,dispatchId}' = dispatch.dispatch_id('MAIN')::text;
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "b", "requestId": "q"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "plain", "dispatchRef": "BY-REQUEST", "jobs": ["a"], "mine": 2, "requestId": "q"}')$$);
-- Null is the same as absent; what is no string, or too long, is malformed; operations that change no dispatch know it not.
SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "null", "requestId": null}') -> 'data' -> 'version';
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "null", "requestId": null}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "x", "requestId": 1}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', '{"jobId": "x", "requestId": ""}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST"}', jsonb_build_object('jobId', 'x', 'requestId', repeat('x', 129)))$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatch', body => '{"dispatchTypeName": "plain", "requestId": ["x"]}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('createDispatchType', body => '{"name": "another", "requestId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('getDispatch', '{"dispatchRef": "REQUEST"}', '{"requestId": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.request('addJob', '{"dispatchRef": "REQUEST", "requestId": "x"}', '{"jobId": "x"}')$$);

--
-- The ids go with their dispatch
--
SELECT dispatch.create_dispatch('plain', 'GOES', request_id => 'goes') AS goes \gset
SELECT dispatch.update_status(:'goes', 'CLOSED', request_id => 'goes');
SELECT count(*) FROM dispatch.requests WHERE dispatch_id = :'goes';
UPDATE dispatch.dispatches SET closed_at = '2020-01-01' WHERE id = :'goes';
SELECT dispatch.purge('1 year');
SELECT count(*) FROM dispatch.requests WHERE dispatch_id = :'goes';
SELECT pg_temp.fails(format($$SELECT dispatch.update_status(%L, 'CLOSED', request_id => 'goes')$$, :'goes'));
SELECT dispatch.create_dispatch('plain', 'GOES', request_id => 'goes') <> :'goes';
SELECT dispatch.create_dispatch('plain', 'GOES', request_id => 'goes') = dispatch.dispatch_id('GOES');
-- All that was made here belongs together.
SELECT * FROM dispatch.check_integrity();

SET client_min_messages = warning;
DROP TABLE public.made;
DROP FUNCTION public.wrapped_add(text);
-- An id belongs to one function: add_job and add_jobs are two operations.
SELECT dispatch.create_dispatch('plain', 'TWO-FORMS') AS two_forms \gset
SELECT dispatch.add_job(:'two_forms', 'b', request_id => 'both'), dispatch.add_jobs(:'two_forms', '{c}', request_id => 'both');
SELECT dispatch.request('addJob', '{"dispatchRef": "TWO-FORMS"}', '{"jobId": "b", "requestId": "both"}') #> '{data,version}' AS replayed;
-- A callback that is JSON null is the same as none.
SELECT dispatch.add_job(:'two_forms', 'd', request_id => 'null', callback => 'null'), dispatch.add_job(:'two_forms', 'd', request_id => 'null');

DROP EXTENSION dispatch CASCADE;
DROP ROLE regress_dispatch_retry_1, regress_dispatch_retry_2;
