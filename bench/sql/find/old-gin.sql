\set n random(1, 900)
SELECT g.id FROM gin AS g WHERE g.custom_data @> '{"customer": "old"}' AND g.id > (SELECT p.id FROM places AS p WHERE p.n = :n) ORDER BY g.id LIMIT 100;
