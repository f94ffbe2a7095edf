SELECT count(*) FROM dispatch.find_dispatches('dated', open_only => true);
