\set n random(110, :many / 10 - 10)
SELECT h.id FROM hand AS h WHERE h.custom_data ->> 'customer' = 'customer-' || :n ORDER BY h.id LIMIT 100;
