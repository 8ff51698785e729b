-- +goose Up

-- Every key begins with the workspace, as in PostgreSQL. Ids are UUIDs as text,
-- booleans 0 or 1, times Unix milliseconds; config, credentials, scopes and
-- stages are JSON texts.

CREATE TABLE providers (
    workspace text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL, -- the folded name: sorted and searched by
    type text NOT NULL,
    enabled integer NOT NULL CHECK (enabled IN (0, 1)),
    error_kind text, -- null: nothing is wrong
    error_message text,
    error_model_id text,
    error_since integer,
    credentials text NOT NULL, -- {field: {"sealed": base64, "updated_at": time}}
    config text NOT NULL,
    version integer NOT NULL,
    connection integer NOT NULL, -- counts changes of credentials and config
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE UNIQUE INDEX providers_name ON providers (workspace, name_key);
CREATE INDEX providers_created ON providers (workspace, created_at, id);

CREATE TABLE models (
    workspace text NOT NULL,
    id text NOT NULL,
    provider_id text NOT NULL,
    model_id text NOT NULL,
    model_key text NOT NULL, -- the folded model_id: searched
    display_name text NOT NULL,
    name_key text NOT NULL, -- the folded display_name: sorted and searched by
    stages text NOT NULL,
    enabled integer NOT NULL CHECK (enabled IN (0, 1)),
    tested_at integer, -- null: never
    test_kind text, -- null: success
    test_latency_ns integer,
    test_connection integer, -- the provider's connection when the test began
    version integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
) STRICT;

CREATE UNIQUE INDEX models_provider ON models (workspace, provider_id, model_id);

-- What a list filters by stands in its index: rows that follow each other by
-- name lie anywhere in the table, and a list that passes over many would look
-- each up. By creation they lie one after the other; the provider alone is there.
CREATE INDEX models_name ON models (workspace, name_key, id, provider_id, enabled, stages, model_key);
CREATE INDEX models_created ON models (workspace, created_at, id, provider_id);

-- API tokens: their hashes, never their values.
CREATE TABLE tokens (
    workspace text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    scopes text NOT NULL,
    hash blob NOT NULL,
    created_at integer NOT NULL,
    expires_at integer,
    last_used_at integer,
    revoked_at integer,
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE INDEX tokens_created ON tokens (workspace, created_at, id) WHERE revoked_at IS NULL;

-- What one of several processes has settled for all, such as the keyset's
-- fingerprint. A claim is never changed.
CREATE TABLE claims (
    name text NOT NULL PRIMARY KEY,
    value blob NOT NULL
) STRICT;

-- The processes that serve. One that was not seen for a while is dead.
CREATE TABLE processes (
    id text NOT NULL PRIMARY KEY,
    seen_at integer NOT NULL
) STRICT;

-- What happened. Linking an event to its workspace's chain sets number and
-- link_mac; nothing else changes an event, and retention removes old ones. The
-- changes are a JSON text, sealed as it was written.
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
    number integer, -- null: not linked yet
    link_mac blob, -- until it is linked, the HMAC that says so
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE UNIQUE INDEX audit_events_number ON audit_events (workspace, number);
CREATE INDEX audit_events_at ON audit_events (workspace, at, id);
CREATE INDEX audit_events_action ON audit_events (workspace, action, at, id);
CREATE INDEX audit_events_actor ON audit_events (workspace, actor_subject, at, id);
CREATE INDEX audit_events_provider ON audit_events (workspace, provider_id, at, id);
CREATE INDEX audit_events_outcome ON audit_events (workspace, outcome, at, id) WHERE outcome <> 'success';
CREATE INDEX audit_events_unlinked ON audit_events (workspace, id) WHERE number IS NULL;

CREATE TABLE audit_heads (
    workspace text NOT NULL PRIMARY KEY,
    first_number integer NOT NULL,
    base blob,
    last_number integer NOT NULL,
    last blob NOT NULL,
    mac blob NOT NULL
) STRICT;

-- Requests with an Idempotency-Key, named by a SHA-256 of who sent what where.
-- One without a status is still running.
CREATE TABLE idempotency_keys (
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

CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);
