\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT dispatch.get_dispatch(('00000000-0000-7000-8000-' || lpad((:n)::text, 12, '0'))::uuid);
