-- The callback argument: every rule of its URL, headers and other members, at the edge.
CREATE EXTENSION dispatch;
\pset format unaligned
\pset tuples_only on

SELECT dispatch.create_type('plain') IS NOT NULL;
SELECT dispatch.create_dispatch('plain', 'ROUTE-17') IS NOT NULL;

-- Gives a callback to an operation: the host that was found in its URL, or code and messages.
CREATE FUNCTION pg_temp.given(callback jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    message text;
    result text;
BEGIN
    PERFORM dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', callback);
    SELECT 'ok, host ' || host INTO result FROM dispatch.callbacks ORDER BY sequence DESC LIMIT 1;
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE || ':', message || '.', NULLIF(detail, ''));
END $$;
CREATE FUNCTION pg_temp.url(url text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.given(jsonb_build_object('url', url));
$$;
CREATE FUNCTION pg_temp.headers(headers jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.given(jsonb_build_object('url', 'http://example.com/', 'headers', headers));
$$;
CREATE FUNCTION pg_temp.header(key text, value text DEFAULT 'v') RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.headers(jsonb_build_array(jsonb_build_object('key', key, 'value', value)));
$$;

--
-- url: absolute http or https …
--
SELECT url, pg_temp.url(url) FROM unnest(ARRAY[
    'http://example.com', 'https://example.com/', 'HTTP://EXAMPLE.com/Path', 'hTtPs://Example.COM', 'http://example.com/a/b;c=d?e=f&g=[1]', 'http://example.com?x',
    'http://localhost', 'http://a', 'http://10.0.0.1/', 'http://xn--bcher-kva.example/', 'http://a_b.example/', 'http://example.com./',
    'http://example.com/%20%C3%BC', 'http://example.com/a@b', 'http://example.com/?user:password@host', 'http://example.com//a//', 'http://example.com/:8080']) AS url;
SELECT url, pg_temp.url(url) FROM unnest(ARRAY[
    '', '/hook', 'hook', 'example.com/hook', '//example.com/hook', 'ftp://example.com/', 'file:///etc/passwd', 'javascript:alert(1)', 'http', 'http:', 'http:/', 'http:example.com',
    'http:/example.com/', 'httpx://example.com/', 'http+unix://x/', 'mailto:a@example.com', 'ws://example.com/', ' http://example.com/', 'gopher://example.com/']) AS url;
-- … a host …
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://', 'https://', 'http:///', 'http:///path', 'http://?x', 'http://:80/', 'http://:/']) AS url;
-- … at most 2,048 bytes …
SELECT pg_temp.url('http://example.com/' || repeat('x', 2048 - 19)), pg_temp.url('http://example.com/' || repeat('x', 2049 - 19));
SELECT pg_temp.url('http://example.com/' || repeat('%C3%BC', 338)), pg_temp.url('http://' || repeat('h', 2041)) = 'ok, host ' || repeat('h', 2041);
SELECT pg_temp.url(repeat('x', 1000000));
-- … no user:password part …
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://user:secret@example.com/', 'http://user@example.com/', 'http://@example.com/', 'http://:secret@example.com', 'http://user:secret@example.com:80/x',
    'http://a@b@example.com/', 'http://user:secret@[::1]/', 'http://user%40x:y@example.com/']) AS url;
-- … no fragment.
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://example.com/#', 'http://example.com#top', 'http://example.com/?a#b', 'http://#x/']) AS url;
SELECT pg_temp.url('http://example.com/%23');

-- Ports: a number up to 65535.
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://example.com:1/', 'https://example.com:65535/', 'http://example.com:080', 'http://example.com:8080?x']) AS url;
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://example.com:65536/', 'http://example.com:0/', 'http://example.com:/', 'http://example.com:', 'http://example.com:http/', 'http://example.com:-1/',
    'http://example.com:+80/', 'http://example.com:80:80/', 'http://example.com:4294967376/', 'http://example.com:18446744073709551696/', 'http://example.com:99999999999999999999999999/', 'http://example.com:8 0/']) AS url;

-- IPv6 literals.
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://[::1]', 'http://[::1]:8080/', 'https://[2001:DB8::1]/x', 'http://[::ffff:127.0.0.1]/', 'http://[fe80::1]?q']) AS url;
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://[]/', 'http://[::1', 'http://::1/', 'http://[::1]8080/', 'http://[::1]:/', 'http://[::1]:x/', 'http://[example.com]/', 'http://[fe80::1%25eth0]/', 'http://[v1.x]/',
    'http://[::1]@example.com/', 'http://x[::1]/', 'http://[::1/]', 'http://::1]/']) AS url;
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://[1]/', 'http://[:::]/', 'http://[1.2.3.4]/', 'http://[1:2:3:4:5:6:7:8:9]/', 'http://[1::2::3]/', 'http://[12345::]/', 'http://[::1.2.3.256]/']) AS url;

-- Spaces, control characters, what must be percent-encoded, what is not ASCII.
SELECT to_json(url), pg_temp.url(url) FROM unnest(ARRAY['http://example.com/a b', 'http://exa mple.com/', 'http://example.com/ ', E'http://example.com/\t', E'http://example.com/\r\nX-Evil: 1', E'http://example.com/\n',
    E'http://example.com/\x7f', E'http://example.com/\x01', 'http://example.com/ü', 'http://bücher.example/', 'http://example.com/日本', 'http://example.com/"', 'http://example.com/<x>',
    'http://example.com/\x', 'http://example.com\@evil.example/', 'http://example.com/{id}', 'http://example.com/`', 'http://example.com/^', 'http://example.com/|']) AS url;
-- A host with a character that no host has.
SELECT url, pg_temp.url(url) FROM unnest(ARRAY['http://exa[mple.com/', 'http://example.com]/']) AS url;

--
-- headers: an array of {key, value} …
--
SELECT headers, pg_temp.headers(headers) FROM (VALUES ('null'::jsonb), ('[]'), ('[{"key": "X-Token", "value": "secret"}]'), ('[{"value": "", "key": "X"}]'), ('[{"key": "Accept", "value": "a"}, {"key": "Accept", "value": "b"}]')) AS v(headers);
SELECT headers, pg_temp.headers(headers) FROM (VALUES ('{}'::jsonb), ('{"X-Token": "s"}'), ('"X: y"'), ('1'), ('true'), ('[null]'), ('[1]'), ('["X: y"]'), ('[[]]'), ('[{}]'), ('[{"key": "X"}]'), ('[{"value": "x"}]'),
    ('[{"key": "X", "value": 1}]'), ('[{"key": "X", "value": null}]'), ('[{"key": 1, "value": "x"}]'), ('[{"key": null, "value": "x"}]'), ('[{"key": "X", "value": ["x"]}]'),
    ('[{"key": "X", "value": "x", "more": 1}]'), ('[{"Key": "X", "Value": "x"}]'), ('[{"key": "A", "value": "a"}, {"key": "B"}]')) AS v(headers);
-- … at most 32 …
SELECT pg_temp.headers(jsonb_agg(jsonb_build_object('key', 'X-' || n, 'value', n::text))) FROM generate_series(1, 32) AS n;
SELECT pg_temp.headers(jsonb_agg(jsonb_build_object('key', 'X-' || n, 'value', n::text))) FROM generate_series(1, 33) AS n;
-- … and 8 kB together, keys and values, in bytes …
SELECT pg_temp.header('X', repeat('v', 8191)), pg_temp.header('X', repeat('v', 8192)), pg_temp.header('X', repeat('ü', 4096));
SELECT pg_temp.headers(jsonb_build_array(jsonb_build_object('key', 'X-1', 'value', repeat('v', 4093)), jsonb_build_object('key', 'X-2', 'value', repeat('v', 4093 + n)))) FROM generate_series(0, 1) AS n;
SELECT pg_temp.header(repeat('k', 8192), ''), pg_temp.header(repeat('k', 8193), '');
-- … the key a token …
SELECT pg_temp.header('!#$%&''*+-.^_`|~0aZ');
SELECT count(*), count(*) FILTER (WHERE pg_temp.header('X' || chr(c)) LIKE 'ok%') FROM generate_series(33, 126) AS c WHERE chr(c) ~ '[!#$%&''*+.^_`|~0-9A-Za-z-]';
SELECT string_agg(chr(c), ''), count(*) FILTER (WHERE pg_temp.header('X' || chr(c)) = '22023: invalid callback. The key of header 1 is not a token.') FROM generate_series(32, 126) AS c WHERE chr(c) !~ '[!#$%&''*+.^_`|~0-9A-Za-z-]';
SELECT to_json(key), pg_temp.header(key) FROM unnest(ARRAY['', ' ', 'X Y', ' X', 'X ', 'X:', E'X\n', E'X\tY', E'X\r\nY', E'X\x7f', 'Ü', 'X日']) AS key;
-- … the value without control characters save HTAB …
SELECT to_json(value), pg_temp.header('X', value) FROM unnest(ARRAY['', ' ', E'a\tb', 'a b', '"quoted"', 'ü', '日本', 'Bearer abc.def=']) AS value;
SELECT count(*), count(*) FILTER (WHERE pg_temp.header('X', 'a' || chr(c) || 'b') = '22023: invalid callback. The value of header 1 holds a control character.') FROM generate_series(1, 127) AS c WHERE c < 9 OR c BETWEEN 10 AND 31 OR c = 127;
SELECT count(*), count(*) FILTER (WHERE pg_temp.header('X', 'a' || chr(c) || 'b') = '22023: invalid callback. The value of header 1 holds a control character.') FROM generate_series(128, 255) AS c;
SELECT pg_temp.header('X', E'a\r\nX-Evil: 1');
-- … and none of those that are the listener's, whatever their case.
SELECT key, pg_temp.header(key) FROM unnest(ARRAY['Host', 'hOST', 'CONTENT-LENGTH', 'Content-Length', 'content-TYPE', 'Transfer-encoding', 'CONNECTION', 'te', 'Te', 'TRAILER', 'uPgRaDe', 'Expect', 'EXPECT',
    'Proxy-Authorization', 'PROXY-connection', 'proxy-', 'Proxy-X', 'webhook-id', 'Webhook-Timestamp', 'WEBHOOK-SIGNATURE', 'webhook-x']) AS key;
SELECT key, pg_temp.header(key) FROM unnest(ARRAY['X-Host', 'Hosts', 'Content-Encoding', 'Content-Types', 'Tea', 'Trailers', 'Proxy', 'X-Proxy-Y', 'Webhook', 'X-Webhook-Id', 'Authorization', 'User-Agent', 'Accept', 'Cookie']) AS key;
SELECT pg_temp.headers('[{"key": "X", "value": "v"}, {"key": "hosT", "value": "v"}]');

--
-- The other members.
--
SELECT callback, pg_temp.given(callback) FROM (VALUES
    ('{"url": "http://example.com/", "method": "POST"}'::jsonb), ('{"url": "http://example.com/", "method": "PUT"}'), ('{"url": "http://example.com/", "method": null}'),
    ('{"url": "http://example.com/", "method": "GET"}'), ('{"url": "http://example.com/", "method": "put"}'), ('{"url": "http://example.com/", "method": "POSTS"}'), ('{"url": "http://example.com/", "method": ""}'), ('{"url": "http://example.com/", "method": 1}'),
    ('{"url": "http://example.com/", "wait": false}'), ('{"url": "http://example.com/", "wait": null}'), ('{"url": "http://example.com/", "wait": "true"}'), ('{"url": "http://example.com/", "wait": 1}'),
    ('{"url": "http://example.com/", "acceptableStatusCodes": [200, 202]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": [100, 599, 2.0e2]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": null}'),
    ('{"url": "http://example.com/", "acceptableStatusCodes": []}'), ('{"url": "http://example.com/", "acceptableStatusCodes": 200}'), ('{"url": "http://example.com/", "acceptableStatusCodes": {"a": 200}}'), ('{"url": "http://example.com/", "acceptableStatusCodes": ["200"]}'),
    ('{"url": "http://example.com/", "acceptableStatusCodes": [99]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": [600]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": [200.5]}'),
    ('{"url": "http://example.com/", "acceptableStatusCodes": [-200]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": [200, null]}'), ('{"url": "http://example.com/", "acceptableStatusCodes": [1e300]}')) AS v(callback);
-- Unknown members are named; so are those whose case is another.
SELECT callback, pg_temp.given(callback) FROM (VALUES
    ('{"url": "http://example.com/", "retries": 3}'::jsonb), ('{"URL": "http://example.com/"}'), ('{"url": "http://example.com/", "": 1}'), ('{"url": "http://example.com/", "timeout": null}')) AS v(callback);
SELECT pg_temp.given(jsonb_build_object('url', 'http://example.com/', repeat('x', 1000), 1));
-- url is required; JSON null is as absent; the argument is an object.
SELECT callback, pg_temp.given(callback) FROM (VALUES
    ('{}'::jsonb), ('{"url": null}'), ('{"url": 1}'), ('{"url": ["http://example.com/"]}'), ('{"headers": []}'), ('[]'), ('"http://example.com/"'), ('1'), ('true'), ('[{"url": "http://example.com/"}]')) AS v(callback);
SELECT count(*) AS before FROM dispatch.callbacks \gset
SELECT dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', 'null') > 0, dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', NULL) > 0;
SELECT count(*) - :before FROM dispatch.callbacks;

-- wait: only where something is added, which regress/confirm has.
\set wait '\'{"url": "http://example.com/", "wait": true}\''
SELECT pg_temp.given(:wait);

-- Every operation checks it, and before anything else: what is malformed is 22023 even where there is no dispatch.
\set bad '\'{"url": "nowhere"}\''
\set VERBOSITY sqlstate
SELECT dispatch.create_dispatch('plain', callback => :bad);
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'j', :bad);
SELECT dispatch.add_jobs(dispatch.dispatch_id('ROUTE-17'), '{j}', :bad);
SELECT dispatch.add_participant(dispatch.dispatch_id('ROUTE-17'), 'p', :bad);
SELECT dispatch.add_participants(dispatch.dispatch_id('ROUTE-17'), '{p}', :bad);
SELECT dispatch.remove_job(dispatch.dispatch_id('ROUTE-17'), 'j', :bad);
SELECT dispatch.remove_jobs(dispatch.dispatch_id('ROUTE-17'), '{j}', :bad);
SELECT dispatch.remove_participant(dispatch.dispatch_id('ROUTE-17'), 'p', :bad);
SELECT dispatch.remove_participants(dispatch.dispatch_id('ROUTE-17'), '{p}', :bad);
SELECT dispatch.update_status(dispatch.dispatch_id('ROUTE-17'), 'ASSIGNED', NULL, :bad);
SELECT dispatch.update_sub_status(dispatch.dispatch_id('ROUTE-17'), 'x', :bad);
SELECT dispatch.update_custom_data(dispatch.dispatch_id('ROUTE-17'), '{}', :bad);
SELECT dispatch.update_sub_status('00000000-0000-7000-8000-000000000000', 'x', :bad);
SELECT dispatch.request('addJob', '{"dispatchRef": "ROUTE-17"}', '{"jobId": "j", "callback": {"url": "nowhere"}}');
\set VERBOSITY default

-- No message shows a URL or what is in a header.
CREATE TABLE pg_temp.said (message text);
INSERT INTO said SELECT pg_temp.url(url) FROM unnest(ARRAY['ftp://secret/', 'http://secret:secret@secret/', 'http://secret/#secret', 'http://secret:secret/', 'http://[secret]/', 'http://secret[/', 'http://secret /', 'http://:secret', 'secret', 'http://' || repeat('secret', 500)]) AS url;
INSERT INTO said SELECT pg_temp.header('secret secret', 'secret') UNION ALL SELECT pg_temp.header('Host', 'secret') UNION ALL SELECT pg_temp.header('X', E'secret\n') UNION ALL SELECT pg_temp.header('proxy-secret', 'secret')
    UNION ALL SELECT pg_temp.header('X', repeat('secret', 2000));
INSERT INTO said SELECT pg_temp.headers('[{"key": "secret", "value": 1}]') UNION ALL SELECT pg_temp.headers('"secret"') UNION ALL SELECT pg_temp.headers('[{"key": "secret", "value": "secret", "secret": "secret"}]');
INSERT INTO said SELECT pg_temp.given('"http://secret/"') UNION ALL SELECT pg_temp.given('{"url": "http://secret/", "method": "secret"}') UNION ALL SELECT pg_temp.given('{"url": ["secret"]}') UNION ALL SELECT pg_temp.given('{"url": "http://secret/", "wait": true}');
SELECT count(*), count(*) FILTER (WHERE message LIKE 'ok%'), count(*) FILTER (WHERE message LIKE '%secret%') FROM said;

-- What was accepted is sent as it was given: URL, method, headers in their order.
DELETE FROM dispatch.queue;
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'last', '{"url": "HTTPS://Example.COM:443/A?b=%20c", "method": "PUT", "headers": [{"key": "X-b", "value": "ü\t\"x\""}, {"key": "X-A", "value": ""}, {"key": "x-a", "value": "2"}]}') > 0;
SELECT method, url, headers FROM dispatch.claim_callbacks();
SELECT dispatch.add_job(dispatch.dispatch_id('ROUTE-17'), 'later', '{"url": "http://example.com"}') > 0;
SELECT method, url, headers FROM dispatch.claim_callbacks();

SET client_min_messages = warning;
DROP EXTENSION dispatch CASCADE;
