\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT hand.add_jobs(:n, (SELECT array_agg('j' || :r || '-' || i) FROM generate_series(1, 100) AS i), 'http://127.0.0.1:9/hook', true);
