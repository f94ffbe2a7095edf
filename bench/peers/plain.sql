-- A schema as people write it by hand: sequences, foreign keys, an index for each thing that is
-- looked up. Nothing is validated, nobody is notified.
CREATE SCHEMA plain;

CREATE TABLE plain.types (
    id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE
);

CREATE TABLE plain.dispatches (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type_id      bigint NOT NULL REFERENCES plain.types,
    dispatch_ref text UNIQUE,
    status       text NOT NULL DEFAULT 'INITIATED',
    sub_status   text,
    custom_data  jsonb NOT NULL DEFAULT '{}',
    version      bigint NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    closed_at    timestamptz
);

CREATE INDEX ON plain.dispatches (type_id, status) WHERE closed_at IS NULL;

CREATE TABLE plain.jobs (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dispatch_id bigint NOT NULL REFERENCES plain.dispatches ON DELETE CASCADE,
    job_id      text NOT NULL,
    state       text NOT NULL DEFAULT 'CONFIRMED',
    added_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dispatch_id, job_id)
);

CREATE INDEX ON plain.jobs (job_id);

CREATE TABLE plain.participants (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dispatch_id    bigint NOT NULL REFERENCES plain.dispatches ON DELETE CASCADE,
    participant_id text NOT NULL,
    state          text NOT NULL DEFAULT 'CONFIRMED',
    added_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dispatch_id, participant_id)
);

CREATE INDEX ON plain.participants (participant_id);

CREATE TABLE plain.events (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dispatch_id bigint NOT NULL REFERENCES plain.dispatches ON DELETE CASCADE,
    type        text NOT NULL,
    data        jsonb NOT NULL,
    event_meta  jsonb,
    caller      text NOT NULL DEFAULT session_user,
    at          timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON plain.events (dispatch_id);

CREATE TABLE plain.callbacks (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id bigint NOT NULL REFERENCES plain.events ON DELETE CASCADE,
    url      text NOT NULL,
    headers  jsonb NOT NULL DEFAULT '[]',
    state    text NOT NULL DEFAULT 'PENDING',
    attempts integer NOT NULL DEFAULT 0,
    next_at  timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX ON plain.callbacks (next_at) WHERE state = 'PENDING';
CREATE INDEX ON plain.callbacks (event_id);

INSERT INTO plain.types (name) VALUES ('lastmile');
