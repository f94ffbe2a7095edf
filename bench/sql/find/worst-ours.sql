SELECT count(*) FROM dispatch.find_dispatches('dated', jsonb_build_object('day', jsonb_build_object('gte', :many / 10000 * 9 / 10)));
