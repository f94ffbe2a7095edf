-- What bench/find searches in: dispatches of a type with five indexed attributes, a small type
-- beside it, and the same dispatches in tables as people make them, with indexes by hand; and types
-- with three indexed attributes and with none, to create dispatches of.
SELECT dispatch.create_type('parcel'), dispatch.create_type('tiny'), dispatch.create_type('bare');
SELECT dispatch.create_attributes(t, replace('[{"name": "zone", "dataType": "string", "indexed": yes}, {"name": "customer", "dataType": "string", "indexed": yes},
        {"name": "weight", "dataType": "number", "indexed": yes}, {"name": "day", "dataType": "number"}]', 'yes', (t <> 'bare')::text)::jsonb)
  FROM unnest('{parcel,tiny,bare}'::text[]) AS t;
-- "stops" is no attribute yet. Express goes north only.
BEGIN;
SELECT dispatch.create_type('dated', additional_attributes => true);
SELECT dispatch.create_attributes('dated', '[{"name": "zone", "dataType": "string", "indexed": true}, {"name": "customer", "dataType": "string", "indexed": true},
        {"name": "weight", "dataType": "number", "indexed": true}, {"name": "day", "dataType": "number", "indexed": true},
        {"name": "express", "dataType": "boolean", "indexed": true}]');
COMMIT;
CREATE TABLE hand (id uuid NOT NULL, status text NOT NULL, custom_data jsonb NOT NULL);
CREATE TABLE gin (LIKE hand);

-- Dispatches from number first to last, of which a part is open.
CREATE PROCEDURE fill(first integer, last integer, total integer) LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE made ON COMMIT DROP AS
    SELECT dispatch.uuidv7() AS id, n, CASE WHEN n > total - 50000 THEN 'INITIATED' ELSE 'CLOSED' END AS status,
           jsonb_build_object('zone', (ARRAY['north', 'south', 'east', 'west'])[1 + n % 4], 'customer', CASE WHEN n <= 1000 THEN 'old' ELSE 'customer-' || n / 10 END,
                              'weight', trunc(random() * 1000000), 'day', n / 10000, 'express', n % 8 = 0, 'stops', n % 20) AS custom_data
      FROM generate_series(first, last) AS n;
    INSERT INTO dispatch.dispatches (id, type_id, status, custom_data)
    SELECT m.id, t.id, m.status, m.custom_data FROM made AS m, dispatch.types AS t WHERE t.name = 'dated' ORDER BY m.n;
    INSERT INTO dispatch.members (dispatch_id, sequence, added_at, ordinal, kind, state, member_id)
    SELECT m.id, 1, now(), 1, 'p', 'c', 'driver-' || m.n % 10000 FROM made AS m ORDER BY m.n;
    INSERT INTO hand SELECT m.id, m.status, m.custom_data FROM made AS m ORDER BY m.n;
    INSERT INTO gin SELECT m.id, m.status, m.custom_data FROM made AS m ORDER BY m.n;
END $$;
