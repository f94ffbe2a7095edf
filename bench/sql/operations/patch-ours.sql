\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT dispatch.update_custom_data(('00000000-0000-7000-8000-' || lpad((:n)::text, 12, '0'))::uuid, jsonb_build_object('stops', 1 + (:r)::bigint % 100), '{"url": "http://127.0.0.1:9/hook"}');
