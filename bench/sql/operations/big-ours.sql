\set r random(1, 1000000000000000)
SELECT dispatch.add_job('00000000-0000-7000-8000-000000010000', 'j' || :r);
