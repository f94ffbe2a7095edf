\set n random(1, 980000)
SELECT h.id FROM hand AS h WHERE h.custom_data ->> 'zone' = 'north' AND (h.custom_data ->> 'weight')::numeric >= :n AND (h.custom_data ->> 'weight')::numeric < :n + 10000 ORDER BY h.id LIMIT 100;
