-- +goose Up

-- What happened. No statement changes an event; retention removes old ones. The
-- changes are a JSON text.
CREATE TABLE audit_events (
    workspace text NOT NULL,
    id text NOT NULL,
    at integer NOT NULL,
    actor_subject text NOT NULL,
    actor_kind text NOT NULL,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    target_name text NOT NULL,
    provider_id text NOT NULL,
    outcome text NOT NULL,
    changes text NOT NULL,
    reason text NOT NULL,
    request_id text NOT NULL,
    client_ip text NOT NULL,
    count integer NOT NULL,
    seal blob NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

-- Each filter of the list has an index, and so has each together with the
-- action.
CREATE INDEX audit_events_at ON audit_events (workspace, at, id);
CREATE INDEX audit_events_action ON audit_events (workspace, action, at, id);
CREATE INDEX audit_events_actor ON audit_events (workspace, actor_subject, at, id);
CREATE INDEX audit_events_provider ON audit_events (workspace, provider_id, at, id);
CREATE INDEX audit_events_outcome ON audit_events (workspace, outcome, at, id);
CREATE INDEX audit_events_actor_action ON audit_events (workspace, actor_subject, action, at, id);
CREATE INDEX audit_events_provider_action ON audit_events (workspace, provider_id, action, at, id);
CREATE INDEX audit_events_outcome_action ON audit_events (workspace, outcome, action, at, id);

-- The events that are not linked yet. There is no foreign key here or in the
-- links: whoever removes an event is to be found out, not helped.
CREATE TABLE audit_unlinked (
    workspace text NOT NULL,
    event_id text NOT NULL,
    mac blob NOT NULL,
    PRIMARY KEY (workspace, event_id)
) STRICT;

CREATE TABLE audit_links (
    workspace text NOT NULL,
    number integer NOT NULL,
    event_id text NOT NULL,
    mac blob NOT NULL,
    PRIMARY KEY (workspace, number)
) STRICT;

CREATE UNIQUE INDEX audit_links_event ON audit_links (workspace, event_id);

CREATE TABLE audit_heads (
    workspace text NOT NULL PRIMARY KEY,
    first_number integer NOT NULL,
    base blob,
    last_number integer NOT NULL,
    last blob NOT NULL,
    mac blob NOT NULL
) STRICT;

-- The processes that serve, each with when it last said so. They share the
-- bounds on callers.
CREATE TABLE processes (
    id text NOT NULL PRIMARY KEY,
    seen_at integer NOT NULL -- Unix milliseconds
) STRICT;

-- Requests that may come again, named by a SHA-256 of who sent what where. One
-- without a status is still running.
CREATE TABLE repeatables (
    workspace text NOT NULL,
    key blob NOT NULL,
    body_mac blob NOT NULL,
    owner text NOT NULL,
    expires_at integer NOT NULL,
    status integer,
    header text,
    body blob,
    PRIMARY KEY (workspace, key)
) STRICT;

CREATE INDEX repeatables_expires ON repeatables (expires_at);
