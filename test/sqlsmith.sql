-- What test/sqlsmith shows to sqlsmith: our functions, some of the server's to combine them with, and
-- values that reach beyond the first check of an argument.

CREATE EXTENSION dispatch;
CREATE SCHEMA sqlsmith;

-- Values to choose from.
CREATE TABLE sqlsmith.documents (document jsonb NOT NULL);
INSERT INTO sqlsmith.documents VALUES
    ('{}'), ('null'), ('[]'), ('"text"'), ('1e400'), ('true'), ('[[], {}, null, "a"]'),
    ('{"initial": "NEW", "final": ["DONE"], "transitions": {"NEW": ["DONE"]}}'),
    ('{"initial": "NEW", "final": ["DONE"], "transitions": {"NEW": ["NEW"]}}'),
    ('{"initial": "NEW", "final": [], "transitions": {}}'),
    ('[{"name": "zone", "dataType": "string", "defaultValue": "north",
        "validation": {"regex": "^(n|s)+\\w*$", "valueOneOf": ["north", "south"]}}]'),
    ('[{"name": "weight", "dataType": "number", "validation": {"required": true, "range": {"min": -1e-300, "max": 1e300}}}]'),
    ('[{"name": "more", "dataType": "object", "tags": ["a"], "description": "", "indexed": false}]'),
    ('[{"name": "list", "dataType": "array", "validation": {"valueOneOf": [[1], [2, {"a": null}]]}}]'),
    ('[{"name": "flag", "dataType": "boolean", "defaultValue": false, "indexed": true}]'),
    ('[{"name": "bad", "dataType": "string", "validation": {"regex": "(((("}}]'),
    ('[{"name": "slow", "dataType": "string", "validation": {"regex": "^(a+)+$"}}]'),
    ('{"slow": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}'),
    ('{"zone": "north", "weight": 1.0}'), ('{"zone": 1, "weight": "1"}'), ('{"zone": null, "weight": 5, "unknown": {}}'),
    ('{"weight": 123456789012345678901234567890.123456789}'),
    ('{"url": "http://example.com/"}'), ('{"url": "https://[::1]:8443/a?b=c", "method": "PUT", "headers": [{"key": "X-A", "value": "b"}]}'),
    ('{"url": "ftp://example.com"}'), ('{"url": "http://example.com/", "headers": [{"key": "Host", "value": "b"}]}'),
    ('{"url": "http://example.com/", "wait": true, "acceptableStatusCodes": [200, 299]}'),
    ('{"name": "parcels", "additionalAttributes": true}'),
    ('{"dispatchTypeName": "parcel", "dispatchRef": "ROUTE-9", "jobs": ["a"], "participants": ["b"], "customData": {"weight": 1}, "note": 1}'),
    ('{"dispatchRef": "ROUTE-1"}'), ('{"dispatchTypeName": "parcel"}'), ('{"dispatchRef": "ROUTE-1", "jobId": "a"}'),
    ('{"jobId": "a", "callback": {"url": "http://example.com/"}, "_event_meta": {"a": 1}, "requestId": "r1"}'),
    ('{"jobs": ["x", "y"], "expectedVersion": 1}'), ('{"participantId": "p"}'), ('{"participants": ["x", "y"]}'),
    ('{"status": "ASSIGNED", "subStatus": "WAITING"}'), ('{"subStatus": "GOING"}'), ('{"patch": {"zone": "south"}}');

CREATE TABLE sqlsmith.texts (text text NOT NULL);
INSERT INTO sqlsmith.texts VALUES (''), ('a'), ('x'), ('parcel'), ('pallet'), ('ROUTE-1'), ('ROUTE-2'), ('ASSIGNED'),
    ('CLOSED'), ('r1'), ('r2'), ('read'), ('admin'), ('example.com'), (repeat('long', 1000)), (E'\u00e4\U0001f69a'),
    ('addJob'), ('createDispatch'), ('createDispatchType'), ('createDispatchAttributes'), ('getDispatch'),
    ('getDispatchAttributes'), ('getDispatchType'), ('getDispatchTypes'), ('getDispatchHistory'), ('addMultipleJobs'),
    ('addParticipant'), ('addMultipleParticipants'), ('removeJob'), ('removeMultipleJobs'), ('removeParticipant'),
    ('removeMultipleParticipants'), ('updateDispatchStatus'), ('updateDispatchSubStatus'), ('updateDispatchCustomData'), ('findDispatches');

-- What the functions have to work on.
SELECT dispatch.create_type('parcel');
SELECT dispatch.create_attributes('parcel', document) FROM sqlsmith.documents WHERE document @> '[{"name": "zone"}]';
SELECT dispatch.create_type('pallet', document, true) FROM sqlsmith.documents WHERE document @> '{"final": ["DONE"], "transitions": {"NEW": ["DONE"]}}';
SELECT dispatch.create_dispatch('parcel', 'ROUTE-' || n, ARRAY['a', 'j' || n], ARRAY['p'], callback => '{"url": "http://example.com/"}', request_id => 'r' || n)
  FROM generate_series(1, 20) AS n;
SELECT dispatch.create_dispatch('pallet', custom_data => document) FROM sqlsmith.documents WHERE jsonb_typeof(document) = 'object';
SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-' || n), 'CLOSED', request_id => 'c' || n) FROM generate_series(1, 5) AS n;
SELECT count(*) FROM dispatch.claim_callbacks(5);

-- One of them at random: functions, since it combines functions more freely than tables.
CREATE FUNCTION sqlsmith.a_document() RETURNS jsonb LANGUAGE sql VOLATILE AS 'SELECT document FROM sqlsmith.documents ORDER BY random() LIMIT 1';
CREATE FUNCTION sqlsmith.a_text() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT text FROM sqlsmith.texts ORDER BY random() LIMIT 1';
CREATE FUNCTION sqlsmith.some_texts() RETURNS text[] LANGUAGE sql VOLATILE AS
    'SELECT array_agg(text) FROM (SELECT NULLIF(text, '''') AS text FROM sqlsmith.texts ORDER BY random() LIMIT (random() * 4)::integer) AS t';
CREATE FUNCTION sqlsmith.a_dispatch() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT id FROM dispatch.dispatches ORDER BY random() LIMIT 1';
CREATE FUNCTION sqlsmith.a_type() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT id FROM dispatch.types ORDER BY random() LIMIT 1';
CREATE FUNCTION sqlsmith.some_callbacks() RETURNS uuid[] LANGUAGE sql VOLATILE AS
    'SELECT array_agg(callback_id) FROM (SELECT callback_id FROM dispatch.queue ORDER BY random() LIMIT 2) AS q';
CREATE FUNCTION sqlsmith.some_integers() RETURNS integer[] LANGUAGE sql VOLATILE AS 'SELECT (ARRAY[ARRAY[1, 1], ARRAY[200, NULL], ARRAY[410, 503], ARRAY[-1, 2147483647]])[(random() * 3)::integer + 1 : (random() * 3)::integer + 1]';
CREATE FUNCTION sqlsmith.some_attempts() RETURNS integer[] LANGUAGE sql VOLATILE AS 'SELECT ARRAY[(random() * 3)::integer, 1]';
CREATE FUNCTION sqlsmith.some_intervals() RETURNS interval[] LANGUAGE sql VOLATILE AS 'SELECT ARRAY[NULL, make_interval(secs => random() * 1000)]::interval[]';
CREATE FUNCTION sqlsmith.an_interval() RETURNS interval LANGUAGE sql VOLATILE AS 'SELECT (ARRAY[interval ''0'', ''1 s'', ''-1 s'', ''100000 years'', ''1 day''])[(random() * 4)::integer + 1]';
CREATE FUNCTION sqlsmith.a_bigint() RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT (ARRAY[0, 1, 2, -1, 9223372036854775807])[(random() * 4)::integer + 1]';
CREATE FUNCTION sqlsmith.an_integer() RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT (ARRAY[0, 1, 2, -1, 2147483647])[(random() * 4)::integer + 1]';

-- Functions that return sets, which it leaves out, and changes of a dispatch that is there.
CREATE FUNCTION sqlsmith.claim(integer, interval, boolean) RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT count(*) FROM dispatch.claim_callbacks($1, $2, $3)';
CREATE FUNCTION sqlsmith.finish(uuid[], integer[], integer[], text[], interval[], interval[], text[]) RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT count(*) FROM dispatch.finish_callbacks($1, $2, $3, $4, $5, $6, $7)';
CREATE FUNCTION sqlsmith.history(uuid) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM dispatch.history($1)';
CREATE FUNCTION sqlsmith.type_history(uuid) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM dispatch.type_history($1)';
CREATE FUNCTION sqlsmith.type_history(text) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT count(*) FROM dispatch.type_history($1)';
CREATE FUNCTION sqlsmith.validate(uuid, jsonb) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT string_agg(message, '','') FROM dispatch.validate($1, $2)';
CREATE FUNCTION sqlsmith.validate(text, jsonb) RETURNS text LANGUAGE sql VOLATILE AS 'SELECT string_agg(message, '','') FROM dispatch.validate($1, $2)';
CREATE FUNCTION sqlsmith.list_types() RETURNS jsonb LANGUAGE sql VOLATILE AS 'SELECT jsonb_agg(t) FROM dispatch.list_types() AS t';
CREATE FUNCTION sqlsmith.add_job(text, jsonb) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.add_job(sqlsmith.a_dispatch(), $1, $2)';
CREATE FUNCTION sqlsmith.add_jobs(text[], text) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.add_jobs(sqlsmith.a_dispatch(), $1, request_id => $2)';
CREATE FUNCTION sqlsmith.add_participants(text[], bigint) RETURNS bigint LANGUAGE sql VOLATILE AS
    'SELECT dispatch.add_participants(sqlsmith.a_dispatch(), $1, expected_version => $2)';
CREATE FUNCTION sqlsmith.remove_jobs(text[], jsonb) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.remove_jobs(sqlsmith.a_dispatch(), $1, NULL, $2)';
CREATE FUNCTION sqlsmith.update_status(text, text) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.update_status(sqlsmith.a_dispatch(), $1, $2)';
CREATE FUNCTION sqlsmith.update_sub_status(text) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.update_sub_status(sqlsmith.a_dispatch(), $1)';
CREATE FUNCTION sqlsmith.update_custom_data(jsonb) RETURNS bigint LANGUAGE sql VOLATILE AS 'SELECT dispatch.update_custom_data(sqlsmith.a_dispatch(), $1)';
CREATE FUNCTION sqlsmith.create_dispatch(jsonb, jsonb) RETURNS uuid LANGUAGE sql VOLATILE AS
    'SELECT dispatch.create_dispatch(sqlsmith.a_type(), custom_data => $1, callback => $2)';
CREATE FUNCTION sqlsmith.create_attributes(jsonb) RETURNS integer LANGUAGE sql VOLATILE AS 'SELECT dispatch.create_attributes(sqlsmith.a_type(), $1)';
CREATE FUNCTION sqlsmith.request(jsonb) RETURNS jsonb LANGUAGE sql VOLATILE AS
    'SELECT dispatch.request(sqlsmith.a_text(), jsonb_build_object(''dispatchId'', sqlsmith.a_dispatch()), $1)';

-- The functions that it sees, since it asks for pg_proc by that name; what it calls too often is
-- left out.
CREATE VIEW sqlsmith.pg_proc AS
SELECT p.oid, p.proname, p.pronamespace, p.prorettype, p.proargtypes, p.prokind, p.proretset, p.prosrc
  FROM pg_catalog.pg_proc AS p
 WHERE p.pronamespace IN ('dispatch'::regnamespace, 'sqlsmith'::regnamespace)
       AND p.proname NOT IN ('is_sealed', 'uuidv7', 'adopt')
    OR p.oid IN ('count("any")'::regprocedure, 'string_agg(text, text)'::regprocedure, 'max(text)'::regprocedure)
    OR p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname IN ('jsonb_concat', 'jsonb_strip_nulls', 'jsonb_set', 'reverse', 'textcat', 'left', 'now',
                         'int4pl', 'int8pl', 'gen_random_uuid', 'interval_mul');

-- The types that it sees, and the operators: with pseudo-types it makes up hardly any query that
-- can be run. It asks for operators by their full name, so they have to go from the catalog.
CREATE VIEW sqlsmith.pg_type AS
SELECT t.oid, t.typname, t.typnamespace, t.typdelim, t.typrelid, t.typelem, t.typarray, t.typtype
  FROM pg_catalog.pg_type AS t
 WHERE t.typtype <> 'p' OR t.typname IN ('record', 'void', 'any', 'internal', 'anyarray');
SET allow_system_table_mods = on;
DELETE FROM pg_catalog.pg_operator AS o
 WHERE EXISTS (SELECT FROM pg_catalog.pg_type AS t
                WHERE (t.typtype = 'p' AND t.typname NOT IN ('record', 'anyarray') OR t.typcategory IN ('G', 'I', 'V', 'R')) AND t.oid IN (o.oprleft, o.oprright, o.oprresult))
    OR o.oprname IN ('&&', '@>', '<@');
