-- Lifecycles: the default, own ones, and every form that is refused.
SET client_min_messages = warning;
CREATE EXTENSION dispatch;
\pset format unaligned
\pset footer off

-- Tries a lifecycle and leaves nothing behind.
CREATE FUNCTION pg_temp.lifecycle(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
BEGIN
    PERFORM dispatch.create_type('trial', document);
    RAISE EXCEPTION USING ERRCODE = 'ZZ000';
EXCEPTION
    WHEN SQLSTATE 'ZZ000' THEN
        RETURN 'accepted';
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
        RETURN SQLSTATE || ': ' || message || ': ' || detail;
END
$$;

-- The default.
SELECT dispatch.create_type('standard') IS NOT NULL AS created;
SELECT jsonb_pretty(dispatch.get_type('standard') -> 'lifecycle') AS lifecycle;

-- Forms that are accepted.
SELECT c.title, pg_temp.lifecycle(c.document) AS result
  FROM (VALUES
    ('one step', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B"]}}'::jsonb),
    ('two ends', '{"initial": "A", "final": ["B", "C"], "transitions": {"A": ["B", "C"]}}'),
    ('a loop with a way out', '{"initial": "A", "final": ["C"], "transitions": {"A": ["B"], "B": ["A", "C"]}}'),
    ('a transition to itself', '{"initial": "A", "final": ["B"], "transitions": {"A": ["A", "B"]}}'),
    ('a final status with an empty list', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B"], "B": []}}'),
    ('initial and final', '{"initial": "A", "final": ["A"], "transitions": {}}'),
    ('a final status that cannot be reached', '{"initial": "A", "final": ["B", "C"], "transitions": {"A": ["B"]}}'),
    ('a dead end that cannot be reached', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B"], "X": ["Y"], "Y": ["X"]}}'),
    ('a name of 1 and one of 64', jsonb_build_object('initial', 'A', 'final', jsonb_build_array(rpad('Z9_', 64, 'X')),
        'transitions', jsonb_build_object('A', jsonb_build_array(rpad('Z9_', 64, 'X')))))
  ) AS c(title, document);

-- Forms that are refused: 22023, and the detail says what is wrong and where.
SELECT c.title, pg_temp.lifecycle(c.document) AS result
  FROM (VALUES
    ('an array', '[]'::jsonb),
    ('a string', '"A"'),
    ('JSON null', 'null'),
    ('nothing in it', '{}'),
    ('no initial', '{"final": ["B"], "transitions": {"A": ["B"]}}'),
    ('no final', '{"initial": "A", "transitions": {"A": ["B"]}}'),
    ('no transitions', '{"initial": "A", "final": ["B"]}'),
    ('initial is null', '{"initial": null, "final": ["B"], "transitions": {"A": ["B"]}}'),
    ('initial is a list', '{"initial": ["A"], "final": ["B"], "transitions": {"A": ["B"]}}'),
    ('final is a name', '{"initial": "A", "final": "B", "transitions": {"A": ["B"]}}'),
    ('transitions is a list', '{"initial": "A", "final": ["B"], "transitions": [["A", "B"]]}'),
    ('a member too many', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B"]}, "finals": []}'),
    ('final is empty', '{"initial": "A", "final": [], "transitions": {"A": ["A"]}}'),
    ('a final number', '{"initial": "A", "final": [1], "transitions": {"A": ["B"]}}'),
    ('final named twice', '{"initial": "A", "final": ["B", "B"], "transitions": {"A": ["B"]}}'),
    ('targets are no list', '{"initial": "A", "final": ["B"], "transitions": {"A": "B"}}'),
    ('targets are null', '{"initial": "A", "final": ["B"], "transitions": {"A": null}}'),
    ('a target is a number', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B", 2]}}'),
    ('a target is null', '{"initial": "A", "final": ["B"], "transitions": {"A": [null]}}'),
    ('unknown initial', '{"initial": "X", "final": ["B"], "transitions": {"A": ["B"]}}'),
    ('unknown target', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B", "X"]}}'),
    ('a final status goes on', '{"initial": "A", "final": ["B"], "transitions": {"A": ["B"], "B": ["A"]}}'),
    ('a dead end', '{"initial": "A", "final": ["C"], "transitions": {"A": ["B", "C"], "B": []}}'),
    ('a loop without a way out', '{"initial": "A", "final": ["D"], "transitions": {"A": ["B", "D"], "B": ["C"], "C": ["B"]}}'),
    ('final out of reach', '{"initial": "A", "final": ["B"], "transitions": {"A": ["A"], "C": ["B"]}}')
  ) AS c(title, document);

-- Names match ^[A-Z][A-Z0-9_]{0,63}$, wherever they stand.
SELECT c.title,
       pg_temp.lifecycle(jsonb_build_object('initial', c.name, 'final', '["Z"]'::jsonb,
           'transitions', jsonb_build_object(c.name, '["Z"]'::jsonb))) AS result
  FROM (VALUES
    ('empty', ''), ('small letters', 'assigned'), ('a digit first', '1A'), ('an underscore first', '_A'),
    ('a hyphen', 'A-B'), ('a space', 'A B'), ('a line end', E'A\n'), ('an umlaut', 'FÄLLIG'),
    ('65 characters', repeat('A', 65))
  ) AS c(title, name);
SELECT pg_temp.lifecycle('{"initial": "a", "final": ["B"], "transitions": {"A": ["B"]}}') AS initial;
SELECT pg_temp.lifecycle('{"initial": "A", "final": ["b"], "transitions": {"A": ["B"]}}') AS final;
SELECT pg_temp.lifecycle('{"initial": "A", "final": ["B"], "transitions": {"A": ["b"]}}') AS target;

-- What the default allows: staying where it is not final, any later status, never an earlier one.
CREATE FUNCTION pg_temp.move(dispatch_type text, source text, target text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id uuid := dispatch.create_dispatch(dispatch_type);
BEGIN
    IF source <> dispatch.get_dispatch(id) ->> 'status' THEN
        PERFORM dispatch.update_status(id, source);
    END IF;
    PERFORM dispatch.update_status(id, target);
    RETURN CASE WHEN dispatch.get_dispatch(id) ->> 'status' = target THEN 'yes' ELSE 'lost' END;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
SELECT f.status AS from_status, string_agg(pg_temp.move('standard', f.status, t.status), ' ' ORDER BY t.place) AS to_each
  FROM unnest('{INITIATED,ASSIGNED,IN_PROGRESS,PENDING_CLOSURE,CLOSED}'::text[]) WITH ORDINALITY AS f(status, place)
 CROSS JOIN unnest('{INITIATED,ASSIGNED,IN_PROGRESS,PENDING_CLOSURE,CLOSED}'::text[]) WITH ORDINALITY AS t(status, place)
 GROUP BY f.status, f.place
 ORDER BY f.place;

-- An own lifecycle is followed in the same way.
SELECT dispatch.create_type('looping', '{"initial": "NEW", "final": ["DONE", "LOST"], "transitions": {"NEW": ["OUT"], "OUT": ["BACK", "DONE"], "BACK": ["OUT", "LOST"]}}') IS NOT NULL AS created;
SELECT dispatch.create_dispatch('looping', 'loop') AS id \gset
SELECT dispatch.get_dispatch(:'id') ->> 'status' AS status;
SELECT dispatch.update_status(:'id', 'OUT');
SELECT dispatch.update_status(:'id', 'BACK');
SELECT dispatch.update_status(:'id', 'OUT', 'second try');
SELECT pg_temp.move('looping', 'NEW', 'DONE') AS skipped,
       pg_temp.move('looping', 'NEW', 'CLOSED') AS of_the_default,
       pg_temp.move('looping', 'NEW', 'done') AS malformed,
       pg_temp.move('looping', 'NEW', NULL) AS no_status;
-- The error says from where to where, and what is allowed instead.
CREATE FUNCTION pg_temp.why_not(id uuid, status text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM dispatch.update_status(id, status);
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN replace(concat_ws(E'\n', SQLSTATE || ': ' || message, nullif(detail, ''), nullif(hint, '')), id::text, '<id>');
END
$$;
SELECT pg_temp.why_not(:'id', 'LOST') AS not_from_here;
SELECT pg_temp.why_not(:'id', 'ASSIGNED') AS not_of_the_type;
SELECT pg_temp.why_not(:'id', 'Done') AS malformed;
SELECT dispatch.update_status(:'id', 'DONE');
SELECT d.status, d.sub_status, d.closed_at IS NOT NULL AS closed FROM dispatch.dispatches AS d WHERE d.id = :'id';
SELECT pg_temp.why_not(:'id', 'DONE') AS final;

-- Where the initial status is final, a dispatch is closed from the start.
SELECT dispatch.create_type('stillborn', '{"initial": "DONE", "final": ["DONE"], "transitions": {}}') IS NOT NULL AS created;
SELECT dispatch.create_dispatch('stillborn') AS id \gset
SELECT d.status, d.closed_at IS NOT NULL AS closed FROM dispatch.dispatches AS d WHERE d.id = :'id';
SELECT pg_temp.move('stillborn', 'DONE', 'DONE') AS again;

-- A lifecycle that was refused leaves no type behind.
SELECT count(*) AS types FROM dispatch.types WHERE name = 'trial';

DROP EXTENSION dispatch CASCADE;
