\set n random(1, 980000)
SELECT count(*) FROM dispatch.find_dispatches('dated', jsonb_build_object('zone', 'north', 'weight', jsonb_build_object('gte', :n::numeric, 'lt', :n::numeric + 10000)));
