SELECT count(*) FROM dispatch.find_dispatches('dated', '{"zone": "north"}', open_only => true);
