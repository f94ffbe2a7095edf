\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT hand.add_jobs(:n, ARRAY['j' || :r], 'http://127.0.0.1:9/hook', true);
SELECT hand.remove_jobs(:n, ARRAY['j' || :r], 'http://127.0.0.1:9/hook', true);
