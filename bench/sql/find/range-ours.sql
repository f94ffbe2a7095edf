\set n random(1, 980000)
SELECT count(*) FROM dispatch.find_dispatches('dated', jsonb_build_object('weight', jsonb_build_object('gte', :n::numeric, 'lt', :n::numeric + 10000)));
