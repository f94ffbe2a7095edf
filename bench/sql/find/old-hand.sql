\set n random(1, 900)
SELECT h.id FROM hand AS h WHERE h.custom_data ->> 'customer' = 'old' AND h.id > (SELECT p.id FROM places AS p WHERE p.n = :n) ORDER BY h.id LIMIT 100;
