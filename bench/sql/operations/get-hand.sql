\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT hand.get_dispatch(:n);
