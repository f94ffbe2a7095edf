INSERT INTO ceiling (at) VALUES (now());
