-- The keys of indexed values: equal where the values are, in the values' order, and found by each comparison.
-- Numbers of the largest and smallest exponents, and all that lie where keys are cut: after 126 digits of
-- base 10000 or 254 bytes of a string. What random values show is in tap/027_search.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off
SELECT count(dispatch.create_type(t)) AS types FROM unnest('{numbers,strings}'::text[]) AS t;
SELECT dispatch.create_attributes('numbers', '[{"name": "v", "dataType": "number", "indexed": true}]'), dispatch.create_attributes('strings', '[{"name": "v", "dataType": "string", "indexed": true}]');
INSERT INTO dispatch.dispatches (type_id, custom_data)
SELECT t.id, jsonb_build_object('v', n.v::numeric)
  FROM dispatch.types AS t,
       (SELECT sign || digits || 'e' || exponent
          FROM unnest('{"",-}'::text[]) AS sign, unnest('{0,1,1.0,9,9.999,1.00001,12345.6789}'::text[]) AS digits, unnest('{0,1,3,4,-1,-3,-4,100,-100,131060,-16370}'::text[]) AS exponent
         UNION ALL
        SELECT sign || repeat(digits, n) FROM unnest('{"",-}'::text[]) AS sign, unnest('{9,1,10}'::text[]) AS digits, generate_series(490, 520) AS n
         UNION ALL
        SELECT sign || repeat('9999', 126) || rest FROM unnest('{"",-}'::text[]) AS sign, unnest('{"",0,1,9999,0001,00010001,.0001,.00010001,.9999,0000}'::text[]) AS rest) AS n(v)
 WHERE t.name = 'numbers';
INSERT INTO dispatch.dispatches (type_id, custom_data)
SELECT t.id, jsonb_build_object('v', s.v)
  FROM dispatch.types AS t,
       (SELECT begin || rest
          FROM (SELECT repeat('x', n) FROM generate_series(248, 257) AS n UNION ALL SELECT repeat('é', n) FROM generate_series(124, 129) AS n UNION ALL VALUES ('')) AS b(begin),
               unnest(ARRAY['', E'\x01', 'a', '~', 'é', '€', E'\uFFFF', '😀', E'\U0010FFFF', 'aa', repeat('z', 300)]) AS rest) AS s(v)
 WHERE t.name = 'strings';
-- The values of each type, beside the ones before: how many pairs, and those that are equal where their keys are not, or the other way round, or out of order where keys are whole.
SELECT n.name, count(*) AS pairs, count(*) FILTER (WHERE n.equal <> (n.key = n.before)) AS unequal, count(*) FILTER (WHERE substr(n.key, 1, 263) < substr(n.before, 1, 263)) AS unordered, max(length(n.key)) AS longest
  FROM (SELECT t.name, d.slot1 AS key, lag(d.slot1) OVER w AS before, d.custom_data -> 'v' = lag(d.custom_data -> 'v') OVER w AS equal
          FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id
        WINDOW w AS (PARTITION BY t.name ORDER BY CASE WHEN t.name = 'numbers' THEN (d.custom_data ->> 'v')::numeric END, (d.custom_data ->> 'v') COLLATE "C")) AS n
 WHERE n.before IS NOT NULL
 GROUP BY n.name ORDER BY n.name;
-- Each of some of them is compared with all: comparisons that count others than they should.
CREATE TEMPORARY TABLE held AS
SELECT t.name, d.custom_data -> 'v' AS value, CASE WHEN t.name = 'numbers' THEN (d.custom_data ->> 'v')::numeric END AS number, (d.custom_data ->> 'v') COLLATE "C" AS string, row_number() OVER (ORDER BY d.id) AS place
  FROM dispatch.dispatches AS d JOIN dispatch.types AS t ON t.id = d.type_id;
SELECT h.name, c.comparison, count(*) AS compared, count(*) FILTER (WHERE dispatch.count_dispatches(h.name, jsonb_build_object('v', jsonb_build_object(c.comparison, h.value))) <> o.counted) AS wrong
  FROM held AS h CROSS JOIN unnest('{eq,gt,gte,lt,lte}'::text[]) AS c(comparison) CROSS JOIN LATERAL
       (SELECT count(*) FILTER (WHERE CASE c.comparison WHEN 'eq' THEN w.above = w.below WHEN 'gt' THEN w.above WHEN 'gte' THEN NOT w.below WHEN 'lt' THEN w.below ELSE NOT w.above END) AS counted
          FROM (SELECT CASE WHEN h.name = 'numbers' THEN o.number > h.number ELSE o.string > h.string END AS above, CASE WHEN h.name = 'numbers' THEN o.number < h.number ELSE o.string < h.string END AS below
                  FROM held AS o WHERE o.name = h.name) AS w) AS o
 WHERE h.place % 5 = 0
 GROUP BY h.name, c.comparison ORDER BY h.name, c.comparison;
-- One after the other, each once.
SELECT (SELECT count(*) FROM dispatch.find_dispatches('numbers', '{"v": {"lt": 0}}', max_rows => 10000)) + (SELECT count(*) FROM dispatch.find_dispatches('numbers', '{"v": 0}', max_rows => 10000))
     + (SELECT count(*) FROM dispatch.find_dispatches('numbers', '{"v": {"gt": -0.0}}', max_rows => 10000)) - dispatch.count_dispatches('numbers') AS left_over;
DROP EXTENSION dispatch CASCADE;
