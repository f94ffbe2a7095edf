-- After the dispatches of bench/find: the small type, the indexes by hand, statistics, and places to page on from.
INSERT INTO dispatch.dispatches (type_id, custom_data)
SELECT t.id, jsonb_build_object('zone', 'north', 'customer', 'c' || n, 'weight', n, 'day', 0) FROM dispatch.types AS t, generate_series(1, 1000) AS n WHERE t.name = 'tiny';
ALTER TABLE hand ADD PRIMARY KEY (id);
CREATE INDEX ON hand ((custom_data ->> 'zone'), id);
CREATE INDEX ON hand ((custom_data ->> 'customer'), id);
CREATE INDEX ON hand (((custom_data ->> 'weight')::numeric));
ALTER TABLE gin ADD PRIMARY KEY (id);
CREATE INDEX ON gin USING gin (custom_data jsonb_path_ops);
CREATE TABLE places AS
SELECT row_number() OVER () AS n, s.id FROM (SELECT h.id FROM hand AS h TABLESAMPLE BERNOULLI (0.1) LIMIT 1000) AS s;
ALTER TABLE places ADD PRIMARY KEY (n);
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
VACUUM (ANALYZE);
