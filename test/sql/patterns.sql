-- Regular expressions: what they match, and that no search goes on without end.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off

-- One attribute a pattern.
SELECT dispatch.create_type('patterns') IS NOT NULL AS created;
SELECT dispatch.create_attributes('patterns', jsonb_agg(jsonb_build_object('name', p.name, 'dataType', 'string', 'validation', jsonb_build_object('regex', p.regex))))
  FROM (VALUES
    ('free', 'b+'),
    ('anchored', '^b+$'),
    ('empty', ''),
    ('onlyempty', '^$'),
    ('ahead', '^(?=.*[0-9])(?=.*[a-z])[a-z0-9]{4,}$'),
    ('notahead', '^(?!admin)[a-z]+$'),
    ('behind', '(?<=EUR )\d+'),
    ('notbehind', '(?<!-)\b5\b'),
    ('dot', '^.$'),
    ('twice', '^(\w+) \1$'),
    ('letter', '^\p{L}+$'),
    ('anycase', '(?i)^straße$'),
    ('umlauts', '^[äöü]{2}$'),
    ('lines', '(?m)^b$'),
    ('possessive', '^a++b$'),
    ('named', '^(?<year>\d{4})-(?<month>0[1-9]|1[0-2])$')
  ) AS p(name, regex);
SELECT c.name, c.value, dispatch.is_valid('patterns', jsonb_build_object(c.name, c.value)) AS valid
  FROM (VALUES
    -- A search, unanchored unless the pattern anchors.
    ('free', 'abc'), ('free', 'ac'), ('free', ''), ('anchored', 'bb'), ('anchored', 'abb'), ('anchored', 'bba'), ('anchored', ''),
    ('empty', ''), ('empty', 'a'), ('onlyempty', ''), ('onlyempty', ' '),
    -- Look-ahead and look-behind.
    ('ahead', 'abc1'), ('ahead', 'abcd'), ('ahead', '1234'), ('ahead', 'ab1'), ('notahead', 'user'), ('notahead', 'administrator'),
    ('behind', 'EUR 5'), ('behind', 'USD 5'), ('behind', '5'), ('notbehind', 'a 5'), ('notbehind', '-5'),
    -- Characters, not bytes; of any alphabet.
    ('dot', 'a'), ('dot', 'ä'), ('dot', '😀'), ('dot', 'ab'), ('dot', ''), ('umlauts', 'öä'), ('umlauts', 'ö'), ('umlauts', 'oa'),
    ('letter', 'Größe'), ('letter', 'Москва'), ('letter', '東京'), ('letter', 'a1'), ('anycase', 'STRAßE'), ('anycase', 'straße'), ('anycase', 'STRASSE'),
    -- More of what PCRE2 has.
    ('twice', 'bora bora'), ('twice', 'bora boro'), ('possessive', 'aab'), ('possessive', 'aa'),
    ('named', '2025-12'), ('named', '2025-13')
  ) AS c(name, value);

-- $ matches at the very end, not before a last line end too; with (?m) at the end of each line.
SELECT dispatch.is_valid('patterns', '{"anchored": "bb\n"}') AS before_line_end, dispatch.is_valid('patterns', '{"onlyempty": "\n"}') AS only_line_end,
       dispatch.is_valid('patterns', '{"dot": "\n"}') AS line_end, dispatch.is_valid('patterns', '{"lines": "a\nb\nc"}') AS any_line, dispatch.is_valid('patterns', '{"lines": "a\nbc"}') AS no_line;

-- The message names the pattern and the value.
SELECT v.attribute, v.rule, v.message FROM dispatch.validate('patterns', '{"anchored": "a \"quoted\"\nvalue", "letter": "ä1"}') AS v;

-- Long text is searched from end to end: a match, or none, in 1 MB.
SELECT dispatch.create_type('longtext') IS NOT NULL AS created;
SELECT dispatch.create_attributes('longtext', jsonb_agg(jsonb_build_object('name', p.name, 'dataType', 'string', 'validation', jsonb_build_object('regex', p.regex))))
  FROM (VALUES ('all', '^[a-z]+$'), ('last', 'z$'), ('groups', '^(?:[a-y]|z)*$'), ('found', '[0-9]'), ('unicode', '^\p{L}+$'), ('ends', 'ß\Z')) AS p(name, regex);
SET statement_timeout = '20s';
SELECT dispatch.is_valid('longtext', jsonb_build_object('all', repeat('a', 1000000))) AS all_letters,
       dispatch.is_valid('longtext', jsonb_build_object('all', repeat('a', 1000000) || '1')) AS all_but_the_last,
       dispatch.is_valid('longtext', jsonb_build_object('last', repeat('a', 1000000) || 'z')) AS the_last,
       dispatch.is_valid('longtext', jsonb_build_object('found', repeat('ä', 30000) || '1')) AS after_others,
       dispatch.is_valid('longtext', jsonb_build_object('unicode', repeat('ж', 500000))) AS two_bytes_each,
       dispatch.is_valid('longtext', jsonb_build_object('ends', repeat('ä', 30000) || 'ß')) AS the_end;
-- A place in the text does not matter: a match is found wherever it begins.
SELECT count(*) AS places, count(*) FILTER (WHERE dispatch.is_valid('longtext', jsonb_build_object('found', repeat('ä', i) || '1' || repeat('ö', 300 - i)))) AS found
  FROM generate_series(0, 300) AS i;
RESET statement_timeout;

-- A group that is entered for each of some thousand characters is no bomb.
SELECT dispatch.is_valid('longtext', jsonb_build_object('groups', repeat('az', 5000))) AS ten_thousand;

-- What exceeds the limits is 54000, long before the statement's own limit of time.
SELECT dispatch.create_type('bombs') IS NOT NULL AS created;
SELECT dispatch.create_attributes('bombs', jsonb_agg(jsonb_build_object('name', p.name, 'dataType', 'string', 'validation', jsonb_build_object('regex', p.regex))))
  FROM (VALUES
    ('nested', '^(a+)+$'),
    ('choice', '^(a|aa)+$'),
    ('starts', '(?=.*[0-9])[a-z]'),
    ('interpreted', '(*NO_JIT)c*:(a+)+$'),
    ('recursion', '^(\((?1)*\)|a)*$'),
    ('onestart', '^[a-z]*[a-z]*[0-9]')
  ) AS p(name, regex);
CREATE FUNCTION pg_temp.search(attribute text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    started timestamptz := clock_timestamp();
    result text;
BEGIN
    BEGIN
        result := dispatch.is_valid('bombs', jsonb_build_object(attribute, value))::text;
    EXCEPTION WHEN program_limit_exceeded OR query_canceled THEN
        result := SQLSTATE;
    END;
    RETURN result || CASE WHEN clock_timestamp() - started < '3 s' THEN '' ELSE ', late' END;
END
$$;
SET statement_timeout = '2s';
-- One start offset that backtracks without end.
SELECT pg_temp.search('nested', repeat('a', 30)) AS matches, pg_temp.search('nested', repeat('a', 100) || '!') AS bomb;
SELECT pg_temp.search('choice', repeat('a', 100) || '!') AS bomb;
-- Many start offsets, each of which looks at the rest of 100 kB of letters: no match limit bounds them.
SELECT pg_temp.search('starts', repeat('a', 100000)) AS many_starts;
-- Where the pattern asks for the interpreter.
SELECT pg_temp.search('interpreted', repeat('c', 1000) || ':' || repeat('a', 18) || '!') AS interpreted;
SELECT pg_temp.search('recursion', repeat('(', 20000)) IN ('54000', 'false') AS deep;
-- One start offset that runs over the rest of the text again and again.
SELECT pg_temp.search('onestart', repeat('a', 200000)) AS one_start;
-- The message says which attribute and pattern, and what to do.
SELECT dispatch.is_valid('bombs', jsonb_build_object('nested', repeat('a', 100) || '!'));
\echo :SQLSTATE
SELECT * FROM dispatch.validate('bombs', jsonb_build_object('nested', repeat('a', 100) || '!'));
\echo :SQLSTATE
SELECT dispatch.create_dispatch('bombs', custom_data => jsonb_build_object('nested', repeat('a', 100) || '!'));
\echo :SQLSTATE
RESET statement_timeout;

-- A search can be cancelled.
SET statement_timeout = '100ms';
SELECT pg_temp.search('starts', repeat('a', 100000)) AS cancelled;
RESET statement_timeout;

-- How long it may take is a setting; others than superusers cannot change it.
SHOW dispatch.regex_timeout;
SET statement_timeout = '2s';
SET dispatch.regex_timeout = '20ms';
SELECT pg_temp.search('starts', repeat('a', 100000)) AS soon;
SET dispatch.regex_timeout = '10s';
SELECT pg_temp.search('starts', repeat('a', 100000)) AS later_than_the_statement;
\set VERBOSITY sqlstate
SET dispatch.regex_timeout = 0;
\set VERBOSITY default
\echo :SQLSTATE
RESET dispatch.regex_timeout;
RESET statement_timeout;
DROP ROLE IF EXISTS regress_dispatch_user;
CREATE ROLE regress_dispatch_user;
SET ROLE regress_dispatch_user;
SET dispatch.regex_timeout = '1h';
\echo :SQLSTATE
RESET ROLE;
DROP ROLE regress_dispatch_user;

DROP EXTENSION dispatch CASCADE;
