\set n random(1, 900)
UPDATE dispatch.dispatches SET sub_status = 'S' || (:n)::text, updated_at = now() WHERE id = (SELECT o.id FROM opened AS o WHERE o.n = :n);
