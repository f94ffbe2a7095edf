-- A type is given as uuid, or as text that is its name or its id; whoever calls, the right overload is meant.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT dispatch.create_type('parcel') AS id \gset

-- A literal is text; domains are what they are made of.
CREATE DOMAIN id_domain AS uuid;
CREATE DOMAIN name_domain AS text;
SELECT dispatch.is_valid(:'id', '{}') AS literal, dispatch.is_valid(:'id'::uuid, '{}') AS uuid, dispatch.is_valid('parcel', '{}') AS name,
       dispatch.is_valid(:'id'::id_domain, '{}') AS domain_of_uuid, dispatch.is_valid('parcel'::name_domain, '{}') AS domain_of_text,
       dispatch.is_valid('parcel'::varchar, '{}') AS varchar, dispatch.is_valid('parcel'::name, '{}') AS type_name;
PREPARE by_id AS SELECT dispatch.is_valid($1, '{}'), dispatch.is_valid($1::text, '{}');
EXECUTE by_id(:'id');
DEALLOCATE by_id;

-- The planner calls an operator's function with nothing but its arguments.
CREATE OPERATOR public.=~ (FUNCTION = dispatch.is_valid, LEFTARG = uuid, RIGHTARG = jsonb, RESTRICT = matchingsel);
CREATE OPERATOR public.=~ (FUNCTION = dispatch.is_valid, LEFTARG = text, RIGHTARG = jsonb, RESTRICT = matchingsel);
CREATE TABLE shipment AS SELECT :'id'::uuid AS type_id, 'parcel' AS type_name FROM generate_series(1, 100);
ANALYZE shipment;
SELECT count(*) AS by_id FROM shipment AS s WHERE s.type_id =~ '{}';
SELECT count(*) AS by_name FROM shipment AS s WHERE s.type_name =~ '{}';
SELECT count(*) AS not_valid FROM shipment AS s WHERE s.type_id =~ '{"a": 1}';
DROP TABLE shipment;
DROP DOMAIN id_domain, name_domain;

DROP EXTENSION dispatch CASCADE;
