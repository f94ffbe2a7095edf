\set n random(1, 5000)
\set r random(1, 1000000000000000)
SELECT e.id, e.type, e.data, e.event_meta, e.caller, e.at FROM plain.events AS e WHERE e.dispatch_id = :n ORDER BY e.id;
