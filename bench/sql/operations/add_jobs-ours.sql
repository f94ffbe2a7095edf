\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT dispatch.add_jobs(('00000000-0000-7000-8000-' || lpad((:n)::text, 12, '0'))::uuid, (SELECT array_agg('j' || :r || '-' || i) FROM generate_series(1, 100) AS i), '{"url": "http://127.0.0.1:9/hook"}');
