\set r random(1000, 1000000000000000)
SELECT dispatch.create_dispatch('lastmile', 'R' || :r,
    ARRAY['job-' || :r || '-1', 'job-' || :r || '-2', 'job-' || :r || '-3', 'job-' || :r || '-4', 'job-' || :r || '-5'], '{}',
    '{"zone": "north", "weightKg": 12.5, "plate": "AB-1234", "phone": "+4915112345678", "express": true, "note": "ring twice", "stops": 7, "contact": {"name": "Ada", "floor": 3}}',
    jsonb_build_object('url', :url::text));
