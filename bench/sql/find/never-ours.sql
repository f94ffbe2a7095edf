SELECT count(*) FROM dispatch.find_dispatches('dated', '{"zone": "south", "express": true}');
