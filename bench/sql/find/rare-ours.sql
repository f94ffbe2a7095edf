\set n random(110, :many / 10 - 10)
SELECT count(*) FROM dispatch.find_dispatches('dated', jsonb_build_object('customer', 'customer-' || :n));
