\set n random(0, 9999)
SELECT count(*) FROM dispatch.find_dispatches(NULL, participant_id => 'driver-' || :n);
