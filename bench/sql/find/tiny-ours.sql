SELECT count(*) FROM dispatch.find_dispatches('tiny', '{"zone": "north"}');
