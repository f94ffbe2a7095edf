\set r random(1000, 1000000000000000)
\set w random(1, 1000000)
SELECT dispatch.create_dispatch(:type::text, 'R' || :r, '{job-1,job-2,job-3,job-4,job-5,job-6,job-7,job-8,job-9,job-10}', '{driver-17,van-4}',
    jsonb_build_object('zone', 'north', 'customer', 'customer-' || :r, 'weight', :w::numeric, 'day', 1), '{"url": "http://127.0.0.1:9/hook"}');
