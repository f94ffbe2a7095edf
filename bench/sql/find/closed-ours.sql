\set n random(1, 900)
SELECT count(*) FROM dispatch.find_dispatches('dated', status => 'CLOSED', after => (SELECT p.id FROM places AS p WHERE p.n = :n));
