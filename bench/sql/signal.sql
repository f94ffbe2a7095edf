\set r random(1000, 1000000000000000)
SELECT dispatch.create_dispatch('lastmile', 'R' || :r,
    ARRAY['job-1', 'job-2', 'job-3', 'job-4', 'job-5', 'job-6', 'job-7', 'job-8', 'job-9', 'job-10'],
    ARRAY['driver-17', 'van-4'],
    '{"zone": "north", "weightKg": 12.5, "plate": "AB-1234", "phone": "+4915112345678", "express": true, "note": "ring twice", "stops": 7, "contact": {"name": "Ada", "floor": 3}}',
    jsonb_build_object('url', :url::text, 'headers', '[{"key": "X-Token", "value": "secret"}]'::jsonb));
