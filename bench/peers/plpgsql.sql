-- The service as a team writes it in PL/pgSQL, on the plain schema: arguments checked, custom data
-- validated by hand, one INSERT a job, an event, a callback, and a notification where asked for.
CREATE SCHEMA hand;

CREATE FUNCTION hand.check_custom_data(custom_data jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    member text;
BEGIN
    FOR member IN SELECT jsonb_object_keys(custom_data) LOOP
        IF member NOT IN ('zone', 'weightKg', 'plate', 'phone', 'express', 'note', 'stops', 'contact') THEN
            RAISE EXCEPTION 'unknown attribute %', member USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    IF custom_data ->> 'zone' IS NULL OR custom_data ->> 'zone' NOT IN ('north', 'south', 'east', 'west') THEN
        RAISE EXCEPTION 'zone is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF jsonb_typeof(custom_data -> 'weightKg') IS DISTINCT FROM 'number'
       OR (custom_data ->> 'weightKg')::numeric NOT BETWEEN 0 AND 1000 THEN
        RAISE EXCEPTION 'weightKg is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF jsonb_typeof(custom_data -> 'plate') IS DISTINCT FROM 'string' OR custom_data ->> 'plate' !~ '^[A-Z]{2}-[0-9]{4}$' THEN
        RAISE EXCEPTION 'plate is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF custom_data ? 'phone' AND (jsonb_typeof(custom_data -> 'phone') <> 'string' OR custom_data ->> 'phone' !~ '^\+[0-9]{6,15}$') THEN
        RAISE EXCEPTION 'phone is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF jsonb_typeof(custom_data -> 'express') IS DISTINCT FROM 'boolean' THEN
        RAISE EXCEPTION 'express is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF custom_data ? 'note' AND (jsonb_typeof(custom_data -> 'note') <> 'string' OR length(custom_data ->> 'note') > 200) THEN
        RAISE EXCEPTION 'note is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF custom_data ? 'stops' AND (jsonb_typeof(custom_data -> 'stops') <> 'number'
       OR (custom_data ->> 'stops')::numeric NOT BETWEEN 1 AND 100) THEN
        RAISE EXCEPTION 'stops is invalid' USING ERRCODE = 'check_violation';
    END IF;
    IF custom_data ? 'contact' AND jsonb_typeof(custom_data -> 'contact') <> 'object' THEN
        RAISE EXCEPTION 'contact is invalid' USING ERRCODE = 'check_violation';
    END IF;
END $$;

-- Records an event and, where there is a URL, its callback.
CREATE FUNCTION hand.record(dispatch_id bigint, type text, data jsonb, url text, headers jsonb, notify boolean)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    event bigint;
BEGIN
    INSERT INTO plain.events (dispatch_id, type, data) VALUES (record.dispatch_id, record.type, record.data)
        RETURNING id INTO event;
    IF url IS NOT NULL THEN
        INSERT INTO plain.callbacks (event_id, url, headers) VALUES (event, record.url, record.headers);
        IF notify THEN
            PERFORM pg_notify('callbacks', event::text);
        END IF;
    END IF;
END $$;

CREATE FUNCTION hand.create_dispatch(type_name text, ref text, jobs text[], participants text[], custom_data jsonb,
                                     url text, headers jsonb, notify boolean)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    type bigint;
    dispatch bigint;
    member text;
BEGIN
    SELECT t.id INTO type FROM plain.types AS t WHERE t.name = type_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no dispatch type %', type_name USING ERRCODE = 'no_data_found';
    END IF;
    IF length(ref) NOT BETWEEN 4 AND 64 THEN
        RAISE EXCEPTION 'ref must have 4 to 64 characters' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM hand.check_custom_data(custom_data);
    INSERT INTO plain.dispatches (type_id, dispatch_ref, custom_data) VALUES (type, ref, create_dispatch.custom_data)
        RETURNING id INTO dispatch;
    FOREACH member IN ARRAY jobs LOOP
        IF length(member) NOT BETWEEN 1 AND 64 THEN
            RAISE EXCEPTION 'job id must have 1 to 64 characters' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        INSERT INTO plain.jobs (dispatch_id, job_id) VALUES (dispatch, member);
    END LOOP;
    FOREACH member IN ARRAY participants LOOP
        IF length(member) NOT BETWEEN 1 AND 64 THEN
            RAISE EXCEPTION 'participant id must have 1 to 64 characters' USING ERRCODE = 'invalid_parameter_value';
        END IF;
        INSERT INTO plain.participants (dispatch_id, participant_id) VALUES (dispatch, member);
    END LOOP;
    PERFORM hand.record(dispatch, 'dispatch.created',
                        jsonb_build_object('dispatchTypeName', type_name, 'status', 'INITIATED', 'jobs', jobs,
                                           'participants', participants, 'customData', custom_data),
                        url, headers, notify);
    RETURN dispatch;
END $$;

-- Locks a dispatch that is to be changed and counts its version up.
CREATE FUNCTION hand.touch(dispatch bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE plain.dispatches SET version = version + 1, updated_at = now()
     WHERE id = dispatch AND closed_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'dispatch % does not exist or is closed', dispatch USING ERRCODE = 'no_data_found';
    END IF;
END $$;

CREATE FUNCTION hand.add_jobs(dispatch bigint, jobs text[], url text, notify boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    member text;
BEGIN
    PERFORM hand.touch(dispatch);
    FOREACH member IN ARRAY jobs LOOP
        INSERT INTO plain.jobs (dispatch_id, job_id) VALUES (dispatch, member);
    END LOOP;
    PERFORM hand.record(dispatch, 'dispatch.job.added', jsonb_build_object('jobs', jobs), url, '[]', notify);
END $$;

CREATE FUNCTION hand.remove_jobs(dispatch bigint, jobs text[], url text, notify boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    member text;
BEGIN
    PERFORM hand.touch(dispatch);
    FOREACH member IN ARRAY jobs LOOP
        DELETE FROM plain.jobs WHERE dispatch_id = dispatch AND job_id = member;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'dispatch % has no job %', dispatch, member USING ERRCODE = 'no_data_found';
        END IF;
    END LOOP;
    PERFORM hand.record(dispatch, 'dispatch.job.removed', jsonb_build_object('jobs', jobs), url, '[]', notify);
END $$;

CREATE FUNCTION hand.update_status(dispatch bigint, new_status text, url text, notify boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    old plain.dispatches;
BEGIN
    SELECT * INTO old FROM plain.dispatches WHERE id = dispatch FOR UPDATE;
    IF NOT FOUND OR old.closed_at IS NOT NULL THEN
        RAISE EXCEPTION 'dispatch % does not exist or is closed', dispatch USING ERRCODE = 'no_data_found';
    END IF;
    IF array_position(ARRAY['INITIATED', 'ASSIGNED', 'IN_PROGRESS', 'PENDING_CLOSURE', 'CLOSED'], new_status)
       < array_position(ARRAY['INITIATED', 'ASSIGNED', 'IN_PROGRESS', 'PENDING_CLOSURE', 'CLOSED'], old.status) THEN
        RAISE EXCEPTION 'dispatch % cannot go from % to %', dispatch, old.status, new_status;
    END IF;
    UPDATE plain.dispatches
       SET status = new_status, version = version + 1, updated_at = now(),
           closed_at = CASE WHEN new_status = 'CLOSED' THEN now() END
     WHERE id = dispatch;
    PERFORM hand.record(dispatch, 'dispatch.status.updated',
                        jsonb_build_object('status', new_status, 'previousStatus', old.status), url, '[]', notify);
END $$;

CREATE FUNCTION hand.patch(dispatch bigint, patch jsonb, url text, notify boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    merged jsonb;
BEGIN
    PERFORM hand.touch(dispatch);
    UPDATE plain.dispatches AS d SET custom_data = jsonb_strip_nulls(d.custom_data || patch.patch)
     WHERE id = dispatch RETURNING d.custom_data INTO merged;
    PERFORM hand.check_custom_data(merged);
    PERFORM hand.record(dispatch, 'dispatch.custom_data.updated',
                        jsonb_build_object('customData', merged, 'patch', patch.patch), url, '[]', notify);
END $$;

CREATE FUNCTION hand.get_dispatch(dispatch bigint) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    d plain.dispatches;
BEGIN
    SELECT * INTO d FROM plain.dispatches WHERE id = dispatch;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no dispatch %', dispatch USING ERRCODE = 'no_data_found';
    END IF;
    RETURN jsonb_build_object(
        'dispatchId', d.id, 'dispatchRef', d.dispatch_ref, 'status', d.status, 'customData', d.custom_data,
        'dispatchTypeName', (SELECT t.name FROM plain.types AS t WHERE t.id = d.type_id), 'version', d.version,
        'createdAt', d.created_at, 'updatedAt', d.updated_at,
        'jobs', (SELECT jsonb_agg(jsonb_build_object('jobId', j.job_id, 'state', j.state) ORDER BY j.id)
                   FROM plain.jobs AS j WHERE j.dispatch_id = d.id),
        'participants', (SELECT jsonb_agg(jsonb_build_object('participantId', p.participant_id, 'state', p.state) ORDER BY p.id)
                           FROM plain.participants AS p WHERE p.dispatch_id = d.id));
END $$;
