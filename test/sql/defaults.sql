-- Default values: when they are filled in, and when not.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') IS NOT NULL AS created;
SELECT dispatch.create_attributes('parcel', '[
    {"name": "zone", "dataType": "string", "defaultValue": "north", "validation": {"required": true, "valueOneOf": ["north", "south"]}},
    {"name": "weight", "dataType": "number", "defaultValue": 1.50},
    {"name": "loaded", "dataType": "boolean", "defaultValue": false},
    {"name": "note", "dataType": "string", "defaultValue": ""},
    {"name": "box", "dataType": "object", "defaultValue": {"size": [1, null]}},
    {"name": "bag", "dataType": "object", "defaultValue": {}},
    {"name": "stops", "dataType": "array", "defaultValue": []},
    {"name": "none", "dataType": "string", "defaultValue": null},
    {"name": "placeholder", "dataType": "number", "defaultValue": {}},
    {"name": "plain", "dataType": "string"}]');
CREATE FUNCTION pg_temp.stored(custom_data jsonb, dispatch_type text DEFAULT 'parcel') RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    id uuid := dispatch.create_dispatch(dispatch_type, custom_data => custom_data);
BEGIN
    RETURN dispatch.get_dispatch(id) -> 'customData';
END
$$;

-- Filled in where the member is absent, also where it is required. JSON null and the placeholder {} are no default, but on an object {} is one.
SELECT pg_temp.stored('{}') AS stored;
SELECT dispatch.create_dispatch('parcel') AS id \gset
SELECT dispatch.get_dispatch(:'id') -> 'customData' AS without_data;
-- Not where it is given, whatever its value.
SELECT pg_temp.stored('{"zone": "south", "weight": 0, "loaded": true, "note": " ", "box": {}, "bag": {"a": 1}, "stops": [[]], "plain": ""}') AS stored;
-- Not where it is JSON null, which counts as absent and is kept as given.
SELECT pg_temp.stored('{"weight": null, "loaded": null, "note": null, "box": null, "bag": null, "stops": null, "none": null, "placeholder": null, "plain": null}') AS stored;
-- A default does not help a required member that is given as null.
SELECT dispatch.create_dispatch('parcel', custom_data => '{"zone": null}');
\echo :SQLSTATE
-- Nor a value that is wrong.
SELECT dispatch.create_dispatch('parcel', custom_data => '{"zone": ""}');
\echo :SQLSTATE

-- validate() asks nothing that a default gives.
SELECT count(*) AS violations FROM dispatch.validate('parcel', '{}');
SELECT dispatch.is_valid('parcel', '{}') AS valid, dispatch.is_valid('parcel', '{"zone": null}') AS required_but_null;

-- What readers see in the event is what was stored.
SELECT dispatch.create_dispatch('parcel', 'with-defaults', custom_data => '{"weight": 2}') AS id \gset
SELECT h.data -> 'customData' = dispatch.get_dispatch(:'id') -> 'customData' AS same FROM dispatch.history(:'id') AS h;

-- An update that removes a member restores its default; one that gives a value keeps it.
SELECT dispatch.update_custom_data(:'id', '{"weight": null, "zone": "south", "plain": "x"}');
SELECT dispatch.get_dispatch(:'id') -> 'customData' AS stored;
SELECT dispatch.update_custom_data(:'id', '{"zone": null, "box": {"size": null}, "bag": null, "plain": null}');
SELECT dispatch.get_dispatch(:'id') -> 'customData' AS stored;
SELECT h.data -> 'customData' = dispatch.get_dispatch(:'id') -> 'customData' AS same, h.data -> 'patch' AS patch
  FROM dispatch.history(:'id') AS h WHERE h.sequence = 3;
-- A member that is stored as null stays so while others change.
SELECT dispatch.create_dispatch('parcel', 'with-null', custom_data => '{"weight": null}') AS id \gset
SELECT dispatch.update_custom_data(:'id', '{"plain": "x"}');
SELECT dispatch.get_dispatch(:'id') #> '{customData,weight}' AS still_null;

-- A default that comes later is filled in by the next update of custom data, and by no other change.
SELECT dispatch.create_dispatch('parcel', 'made-before') AS id \gset
SELECT dispatch.create_attributes('parcel', '[{"name": "later", "dataType": "string", "defaultValue": "late", "validation": {"required": true}}]');
SELECT dispatch.update_sub_status(:'id', 'waiting');
SELECT dispatch.get_dispatch(:'id') -> 'customData' ? 'later' AS after_sub_status;
SELECT dispatch.update_custom_data(:'id', '{}');
SELECT dispatch.get_dispatch(:'id') #> '{customData,later}' AS after_empty_patch;
SELECT pg_temp.stored('{}') -> 'later' AS in_a_new_one;

-- A type that allows more members keeps them beside its defaults.
SELECT dispatch.create_type('openparcel', additional_attributes => true) IS NOT NULL AS created;
SELECT dispatch.create_attributes('openparcel', '[{"name": "weight", "dataType": "number", "defaultValue": 7}]');
SELECT pg_temp.stored('{"any": null, "Weight": 1}', 'openparcel') AS stored;

-- Rows that are written by other ways get them too.
INSERT INTO dispatch.dispatches (type_id, dispatch_ref, custom_data)
SELECT t.id, 'written', '{"zone": "south"}' FROM dispatch.types AS t WHERE t.name = 'parcel';
SELECT d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'written';
INSERT INTO dispatch.dispatches (type_id, dispatch_ref)
SELECT t.id, 'no-data' FROM dispatch.types AS t WHERE t.name = 'parcel';
UPDATE dispatch.dispatches SET custom_data = '{"plain": "y"}' WHERE dispatch_ref = 'no-data';
SELECT d.custom_data FROM dispatch.dispatches AS d WHERE d.dispatch_ref = 'no-data';

DROP EXTENSION dispatch CASCADE;
