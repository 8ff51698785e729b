-- +goose Up

-- Every key begins with the workspace: no query crosses workspaces, so a
-- database can be split by workspace. Text that is sorted has the collation "C":
-- by bytes, as in SQLite.

CREATE TABLE providers (
    workspace text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    name_key text COLLATE "C" NOT NULL, -- the folded name: sorted and searched by
    type text NOT NULL,
    enabled boolean NOT NULL,
    error_kind text, -- null: nothing is wrong
    error_message text,
    error_model_id text,
    error_since timestamptz(3),
    credentials jsonb NOT NULL, -- {field: {"sealed": base64, "updated_at": time}}
    config jsonb NOT NULL,
    version bigint NOT NULL,
    connection bigint NOT NULL, -- counts changes of credentials and config
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT providers_name UNIQUE (workspace, name_key)
);

CREATE INDEX providers_created ON providers (workspace, created_at, id);

CREATE TABLE models (
    workspace text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    model_id text NOT NULL,
    model_key text COLLATE "C" NOT NULL, -- the folded model_id: searched
    display_name text NOT NULL,
    name_key text COLLATE "C" NOT NULL, -- the folded display_name: sorted and searched by
    stages text[] NOT NULL,
    enabled boolean NOT NULL,
    tested_at timestamptz(3), -- null: never
    test_kind text, -- null: success
    test_latency_ns bigint,
    test_connection bigint, -- the provider's connection when the test began
    version bigint NOT NULL,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT models_provider UNIQUE (workspace, provider_id, model_id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
);

CREATE INDEX models_name ON models (workspace, name_key, id);
CREATE INDEX models_created ON models (workspace, created_at, id);

-- API tokens: their hashes, never their values.
CREATE TABLE tokens (
    workspace text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    scopes jsonb NOT NULL,
    hash bytea NOT NULL,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3),
    last_used_at timestamptz(3),
    revoked_at timestamptz(3),
    PRIMARY KEY (workspace, id),
    CONSTRAINT tokens_hash UNIQUE (hash)
);

CREATE INDEX tokens_created ON tokens (workspace, created_at, id) WHERE revoked_at IS NULL;

-- What one of several processes has settled for all, such as the keyset's
-- fingerprint. A claim is never changed.
CREATE TABLE claims (
    name text NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);

-- The processes that serve. One that was not seen for a while is dead.
CREATE TABLE processes (
    id uuid NOT NULL PRIMARY KEY,
    seen_at timestamptz(3) NOT NULL
);

-- What happened. Linking an event to its workspace's chain sets number and
-- link_mac; nothing else changes an event, and retention removes old ones. The
-- changes are a JSON text, sealed as it was written.
CREATE TABLE audit_events (
    workspace text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    at timestamptz(3) NOT NULL,
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
    count bigint NOT NULL,
    seal bytea NOT NULL,
    number bigint, -- null: not linked yet
    link_mac bytea, -- until it is linked, the HMAC that says so
    PRIMARY KEY (workspace, id),
    CONSTRAINT audit_events_number UNIQUE (workspace, number)
);

CREATE INDEX audit_events_at ON audit_events (workspace, at, id);
CREATE INDEX audit_events_action ON audit_events (workspace, action, at, id);
CREATE INDEX audit_events_actor ON audit_events (workspace, actor_subject, at, id);
CREATE INDEX audit_events_provider ON audit_events (workspace, provider_id, at, id);
CREATE INDEX audit_events_outcome ON audit_events (workspace, outcome, at, id) WHERE outcome <> 'success';
CREATE INDEX audit_events_unlinked ON audit_events (workspace, id) WHERE number IS NULL;

CREATE TABLE audit_heads (
    workspace text COLLATE "C" NOT NULL PRIMARY KEY,
    first_number bigint NOT NULL,
    base bytea,
    last_number bigint NOT NULL,
    last bytea NOT NULL,
    mac bytea NOT NULL
);

-- Requests with an Idempotency-Key, named by a SHA-256 of who sent what where.
-- One without a status is still running.
CREATE TABLE idempotency_keys (
    workspace text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    body_mac bytea NOT NULL,
    owner uuid NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    status bigint,
    header text,
    body bytea,
    PRIMARY KEY (workspace, key)
);

CREATE INDEX idempotency_keys_expires ON idempotency_keys (expires_at);
