\set n random(0, 9999)
SELECT count(*) FROM dispatch.find_dispatches('dated', participant_id => 'driver-' || :n, open_only => true);
