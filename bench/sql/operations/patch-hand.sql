\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT hand.patch(:n, jsonb_build_object('stops', 1 + (:r)::bigint % 100), 'http://127.0.0.1:9/hook', true);
