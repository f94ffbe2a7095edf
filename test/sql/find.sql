-- find_dispatches(), count_dispatches(), dispatch_status_counts(): what may be asked, and what is an error.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text; detail text; hint text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, 'DETAIL: ' || NULLIF(detail, ''), 'HINT: ' || NULLIF(hint, ''));
END $$;
SELECT dispatch.create_type('lastmile') IS NOT NULL, dispatch.create_type('service') IS NOT NULL;
SELECT dispatch.create_attributes('lastmile', '[{"name": "zone", "dataType": "string", "indexed": true}, {"name": "weightKg", "dataType": "number", "indexed": true},
    {"name": "express", "dataType": "boolean", "indexed": true}, {"name": "note", "dataType": "string"}]');
SELECT count(dispatch.create_dispatch('lastmile', 'ROUTE-' || n, ARRAY['P-' || n, 'P-all'], ARRAY['driver-' || n % 2],
           jsonb_build_object('zone', (ARRAY['north', 'south'])[1 + n % 2], 'weightKg', n, 'express', n > 5))) FROM generate_series(1, 10) AS n;
SELECT dispatch.create_dispatch('service', 'ORDER-1', '{P-all}') IS NOT NULL;
SELECT count(dispatch.update_status(dispatch.dispatch_id('ROUTE-' || n), 'CLOSED')) FROM generate_series(1, 4) AS n;
-- What a search finds, by its references.
CREATE FUNCTION pg_temp.refs(ids uuid[]) RETURNS text LANGUAGE sql AS $$
    SELECT COALESCE(string_agg(d.dispatch_ref, ' ' ORDER BY i.position), 'none') FROM unnest(ids) WITH ORDINALITY AS i(id, position) JOIN dispatch.dispatches AS d ON d.id = i.id;
$$;
\set found 'pg_temp.refs(ARRAY(SELECT dispatch.find_dispatches'

-- Everything, by type, by name or id, or of any type.
SELECT :found('lastmile')));
SELECT :found((SELECT id FROM dispatch.types WHERE name = 'service'))));
SELECT :found(id::text))) FROM dispatch.types WHERE name = 'service';
SELECT :found(NULL)));
-- By attributes.
SELECT :found('lastmile', '{"zone": "north"}')));
SELECT :found('lastmile', '{"zone": "north", "weightKg": {"gte": 4, "lt": 8.0}}')));
SELECT :found('lastmile', '{"weightKg": {"eq": 3.00}}'))), :found('lastmile', '{"weightKg": 3.00}')));
SELECT :found('lastmile', '{"express": true, "zone": {"gt": "north"}}')));
SELECT :found('lastmile', '{"zone": {"gte": ""}, "weightKg": {"gt": -1e400, "lte": 2}}')));
-- What nothing can be: no rows.
SELECT :found('lastmile', '{"weightKg": {"gt": 5, "lt": 3}}'))), :found('lastmile', '{"weightKg": {"gt": 5, "lt": "x"}}'))), :found('lastmile', '{"weightKg": {"eq": 5, "gt": 5}}'))),
       :found('lastmile', '{"zone": 5}'))), :found('lastmile', '{"zone": null}'))), :found('lastmile', status => 'NOSUCH'))), :found('lastmile', status => 'CLOSED', open_only => true))),
       :found(NULL, job_id => 'nosuch'))), :found('lastmile', '{"zone": "north"}', participant_id => 'nobody')));
-- What no status, job or participant can be called.
SELECT dispatch.find_dispatches('lastmile', status => 'closed');
SELECT dispatch.count_dispatches(NULL, job_id => '');
SELECT dispatch.find_dispatches(NULL, participant_id => repeat('x', 65));
-- By status, job, participant, and what is open.
SELECT :found('lastmile', status => 'CLOSED'))), :found(NULL, status => 'INITIATED')));
SELECT :found(NULL, open_only => true)));
SELECT :found(NULL, job_id => 'P-all', open_only => true))), :found('service', job_id => 'P-all')));
SELECT :found('lastmile', '{"zone": "south"}', 'CLOSED', NULL, 100, NULL, 'driver-1', false)));
SELECT :found(NULL, job_id => 'P-7', participant_id => 'driver-1'))), :found(NULL, job_id => 'P-7', participant_id => 'driver-0')));
-- Page by page; an id that is none, or of another type, is a place all the same.
SELECT :found('lastmile', max_rows => 3)));
SELECT :found('lastmile', after => dispatch.dispatch_id('ROUTE-3'), max_rows => 3))), :found('lastmile', after => dispatch.dispatch_id('ORDER-1'))));
SELECT :found('service', after => dispatch.dispatch_id('ROUTE-9')))), :found('service', after => 'ffffffff-ffff-ffff-ffff-ffffffffffff'))), :found('service', after => '00000000-0000-0000-0000-000000000000')));
-- Counted.
SELECT dispatch.count_dispatches('lastmile'), dispatch.count_dispatches(NULL), dispatch.count_dispatches('lastmile', '{"zone": "north"}', open_only => true),
       dispatch.count_dispatches(NULL, job_id => 'P-all'), dispatch.count_dispatches('lastmile', '{"weightKg": {"gt": 5, "lt": 3}}'), dispatch.count_dispatches(NULL, status => 'CLOSED');
SELECT * FROM dispatch.dispatch_status_counts();
SELECT * FROM dispatch.dispatch_status_counts('lastmile', true);
SELECT count(*) FROM dispatch.dispatch_status_counts('service');
-- A change of the data is a change of what finds it; a patch that takes a value away too. The status is not.
SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-9'), '{"zone": "west"}'), dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-8'), '{"zone": null}');
SELECT :found('lastmile', '{"zone": "west"}'))), :found('lastmile', '{"zone": {"gte": ""}}', open_only => true)));
-- What a user writes into the slots is not kept.
UPDATE dispatch.dispatches SET slot1 = '\x00', slot5 = '\x01' WHERE dispatch_ref = 'ROUTE-9';
UPDATE dispatch.dispatches SET slot1 = NULL WHERE dispatch_ref = 'ROUTE-10';
SELECT :found('lastmile', '{"zone": "west"}'))), :found('lastmile', '{"zone": "north", "weightKg": 10}')));
SELECT count(*) FROM dispatch.dispatches WHERE slot5 IS NOT NULL;
UPDATE dispatch.dispatches SET final_status = CASE WHEN closed_at IS NULL THEN 'CLOSED' END;
SELECT :found(NULL, status => 'CLOSED'))), :found('lastmile', status => 'CLOSED')));
SELECT * FROM dispatch.check_integrity();
ALTER TABLE dispatch.dispatches DISABLE TRIGGER dispatches_check;
UPDATE dispatch.dispatches SET slot1 = NULL WHERE dispatch_ref = 'ROUTE-10';
ALTER TABLE dispatch.dispatches ENABLE TRIGGER dispatches_check;
SELECT problem FROM dispatch.check_integrity();
UPDATE dispatch.dispatches SET custom_data = custom_data || '{"note": "sealed again"}' WHERE dispatch_ref = 'ROUTE-10';
SELECT * FROM dispatch.check_integrity();
-- A change of status stays HOT, whatever is indexed.
VACUUM FULL dispatch.dispatches;
BEGIN;
SELECT pg_stat_get_xact_tuples_updated('dispatch.dispatches'::regclass) AS updated, pg_stat_get_xact_tuples_hot_updated('dispatch.dispatches'::regclass) AS hot \gset
SELECT count(dispatch.update_status(dispatch.dispatch_id('ROUTE-' || n), 'IN_PROGRESS', 'LOADING')) FROM generate_series(5, 10) AS n;
SELECT pg_stat_get_xact_tuples_updated('dispatch.dispatches'::regclass) - :updated, pg_stat_get_xact_tuples_hot_updated('dispatch.dispatches'::regclass) - :hot;
COMMIT;

--
-- Errors
--
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', '{"note": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', '{"nosuch": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', '{"zone": {"like": "x"}}')$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', '{"zone": {}}')$$);
SELECT pg_temp.fails(format('SELECT dispatch.find_dispatches(''lastmile'', %L)', filter)) FROM unnest(ARRAY['{"zone": ["north"]}', '{"zone": {"gt": true}}', '{"zone": {"lt": null}}', '{"zone": {"eq": {}}}']) AS filter;
SELECT pg_temp.fails(format('SELECT dispatch.find_dispatches(''lastmile'', %L)', filter)) FROM unnest(ARRAY['[]', '"zone"', 'null', '1']) AS filter;
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches(NULL, '{"zone": "north"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('nosuch')$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', max_rows => 0)$$);
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('lastmile', max_rows => 10001)$$);
SELECT pg_temp.fails(format('SELECT dispatch.find_dispatches(''lastmile'', %s => NULL)', argument)) FROM unnest(ARRAY['filter', 'max_rows', 'open_only']) AS argument;
SELECT pg_temp.fails($$SELECT dispatch.count_dispatches('lastmile', '{"note": "x"}')$$);
SELECT pg_temp.fails($$SELECT dispatch.dispatch_status_counts('nosuch')$$);
SELECT pg_temp.fails(format('SELECT dispatch.backfill_index(%s)', arguments)) FROM unnest(ARRAY['NULL', '''nosuch''', '''lastmile'', 0', '''lastmile'', NULL']) AS arguments;
SELECT dispatch.backfill_index('lastmile');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.fails($$SELECT dispatch.backfill_index('lastmile')$$);
COMMIT;
-- As a request.
SELECT jsonb_array_length(dispatch.request('findDispatches', '{"dispatchTypeName": "lastmile"}', '{"filter": {"zone": "north"}, "maxRows": 2}') -> 'data'),
       dispatch.request('findDispatches', '{}', '{"jobId": "P-all", "openOnly": true, "status": "INITIATED", "participantId": null}') -> 'data' ->> 0 = dispatch.dispatch_id('ORDER-1')::text;
SELECT pg_temp.fails(format('SELECT dispatch.request(''findDispatches'', ''{}'', %L)', body)) FROM unnest(ARRAY['{"filter": {"a": 1}}', '{"after": "x"}', '{"maxRows": 1.5}', '{"maxRows": 0}', '{"maxRows": 99999999999}', '{"limit": 1}']) AS body;

--
-- Types whose members are free: what is older than an attribute
--
SELECT dispatch.create_type('loose', additional_attributes => true) IS NOT NULL;
SELECT dispatch.create_dispatch('loose', 'LOOSE-1', custom_data => '{"color": "red", "size": 3}') IS NOT NULL;
SELECT dispatch.create_attributes('loose', '[{"name": "size", "dataType": "number", "indexed": true}]');
SELECT pg_temp.fails($$SELECT dispatch.find_dispatches('loose', '{"size": 3}')$$);
SELECT dispatch.backfill_index('loose', 5), dispatch.backfill_index('loose', 5), dispatch.backfill_index('loose', 5), dispatch.backfill_index('loose', 5);
SELECT :found('loose', '{"size": 3}')));
-- The next one is another slot; what is there already goes on.
SELECT dispatch.create_attributes('loose', '[{"name": "color", "dataType": "string", "indexed": true}, {"name": "shape", "dataType": "string"}]');
SELECT :found('loose', '{"size": 3}'))), split_part(pg_temp.fails($$SELECT dispatch.find_dispatches('loose', '{"size": 3, "color": "red"}')$$), ':', 1);
SELECT slots FROM dispatch.backfills;
SELECT dispatch.backfill_index('loose');
SELECT :found('loose', '{"size": 3, "color": "red"}')));
SELECT * FROM dispatch.check_integrity();
-- An id than which none is larger is the last.
INSERT INTO dispatch.dispatches (id, type_id, dispatch_ref, custom_data) SELECT 'ffffffff-ffff-ffff-ffff-ffffffffffff', id, 'LAST-1', '{"shape": "round", "owner": "ada"}' FROM dispatch.types WHERE name = 'loose';
SELECT dispatch.create_attributes('loose', '[{"name": "owner", "dataType": "string", "indexed": true}]'), count(*) AS dispatches FROM dispatch.dispatches \gset
SELECT dispatch.backfill_index('loose', :dispatches) = :dispatches, dispatch.backfill_index('loose', :dispatches);
SELECT :found('loose', '{"owner": "ada"}')));
DELETE FROM dispatch.dispatches WHERE dispatch_ref = 'LAST-1';
-- A type and its attributes made in one transaction need none of that, unless there are dispatches in between.
BEGIN;
SELECT dispatch.create_type('fresh', additional_attributes => true) IS NOT NULL, dispatch.create_attributes('fresh', '[{"name": "color", "dataType": "string", "indexed": true}]'),
       dispatch.create_attributes('fresh', '[{"name": "size", "dataType": "number", "indexed": true}]');
COMMIT;
SELECT count(*) FROM dispatch.find_dispatches('fresh', '{"color": "red", "size": 1}');
BEGIN;
SELECT dispatch.create_type('open', additional_attributes => true) IS NOT NULL, dispatch.create_type('done', additional_attributes => true) IS NOT NULL;
SELECT dispatch.create_dispatch('open', 'OPEN-1', custom_data => '{"color": "red"}') IS NOT NULL,
       dispatch.update_status(dispatch.create_dispatch('done', 'DONE-1', custom_data => '{"color": "red"}'), 'CLOSED');
SELECT dispatch.create_attributes(t, '[{"name": "color", "dataType": "string", "indexed": true}]') FROM unnest('{open,done}'::text[]) AS t;
COMMIT;
SELECT split_part(pg_temp.fails(format('SELECT dispatch.find_dispatches(%L, ''{"color": "red"}'')', t)), ':', 1), dispatch.backfill_index(t, 1000) FROM unnest('{open,done}'::text[]) AS t;
SELECT :found(t, '{"color": "red"}'))) FROM unnest('{open,done}'::text[]) AS t;
DROP EXTENSION dispatch CASCADE;
