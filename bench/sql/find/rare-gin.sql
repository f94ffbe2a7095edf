\set n random(110, :many / 10 - 10)
SELECT g.id FROM gin AS g WHERE g.custom_data @> jsonb_build_object('customer', 'customer-' || :n) ORDER BY g.id LIMIT 100;
