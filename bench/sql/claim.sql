-- What bench/claim is made of: a queue that is filled at once, and claims that are timed.
CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.times (series text, claim integer, ms double precision, claimed integer);

-- The dispatch whose events all callbacks carry, and one callback as a model.
SELECT dispatch.create_dispatch('lastmile', 'MODEL', '{P-1,P-2}', '{driver-1}', '{"zone": "north", "weightKg": 212.5, "plate": "AB-1234", "express": false}',
    '{"url": "http://model.example/", "headers": [{"key": "Authorization", "value": "Bearer token"}]}');
CREATE TABLE bench.model AS SELECT e.*, q.origin FROM dispatch.event_log AS e JOIN dispatch.queue AS q USING (callback_id);
DELETE FROM dispatch.queue;
CREATE SEQUENCE bench.number START 2;

-- Queues so many callbacks that are due, to so many hosts in turn, with their events. Past the
-- functions, since a million creates would take a minute.
CREATE PROCEDURE bench.fill(n integer, name text, hosts integer) LANGUAGE plpgsql AS $$
BEGIN
    CREATE TEMP TABLE made AS
    SELECT dispatch.uuidv7() AS callback_id, nextval('bench.number') AS sequence, name || '-' || i % hosts || '.example' AS host,
           clock_timestamp() AS at FROM generate_series(1, n) AS i;
    INSERT INTO dispatch.event_log (dispatch_id, sequence, at, type, caller, data, event_meta, callback_id, callback_method, callback_host, callback_url, callback_headers)
    SELECT m.dispatch_id, x.sequence, x.at, m.type, m.caller, m.data, m.event_meta, x.callback_id, m.callback_method, x.host, 'http://' || x.host || '/', m.callback_headers
      FROM made AS x, bench.model AS m;
    INSERT INTO dispatch.queue (callback_id, dispatch_id, sequence, next_at, origin, host)
    SELECT x.callback_id, m.dispatch_id, x.sequence, x.at, m.origin, x.host FROM made AS x, bench.model AS m;
    DROP TABLE made;
    COMMIT;
END $$;

-- Claims so many rows so many times, and answers them, each in a transaction of its own, as a
-- listener does. Before each claim so many callbacks are queued, where that is not 0.
CREATE PROCEDURE bench.claim(of_series text, claims integer, max_rows integer, queued integer DEFAULT 0, answered boolean DEFAULT true) LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz;
    ids uuid[];
    attempts integer[];
    n integer;
    took double precision;
BEGIN
    FOR i IN 1 .. claims LOOP
        IF queued > 0 THEN
            CALL bench.fill(queued, 'fresh', 10);
        END IF;
        began := clock_timestamp();
        SELECT array_agg(c.callback_id), array_agg(c.attempt), count(*) INTO ids, attempts, n
          FROM dispatch.claim_callbacks(max_rows, '60 s', false) AS c;
        took := extract(epoch FROM clock_timestamp() - began) * 1000;
        COMMIT;
        INSERT INTO bench.times VALUES (of_series, i, took, n);
        IF answered AND n > 0 THEN
            began := clock_timestamp();
            PERFORM dispatch.finish_callbacks(ids, attempts, array_fill(200, ARRAY[n]), array_fill(NULL::text, ARRAY[n]), array_fill(NULL::interval, ARRAY[n]));
            took := extract(epoch FROM clock_timestamp() - began) * 1000;
            COMMIT;
            INSERT INTO bench.times VALUES (of_series || ' finish', i, took, n);
        END IF;
        COMMIT;
    END LOOP;
END $$;
