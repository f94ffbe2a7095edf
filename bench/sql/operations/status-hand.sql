\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT hand.update_status(:n, 'ASSIGNED', 'http://127.0.0.1:9/hook', true);
