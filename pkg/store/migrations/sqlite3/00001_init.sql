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
    -- The provider that it was cloned from. Not a foreign key: deleting the original would
    -- have to find its clones. Queries look whether it is still there.
    cloned_from text,
    version integer NOT NULL,
    connection integer NOT NULL, -- counts changes of credentials and config
    -- How many changes of the provider and its models were noted. It is counted under the
    -- lock of the row, so the changes of a provider are counted in the order of commits.
    changes integer NOT NULL DEFAULT 0,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    -- The last check of the connection, and the connection when it began.
    checked_at integer, -- null: never
    check_kind text, -- null: success
    check_by text,
    check_connection integer,
    check_scheduled integer NOT NULL DEFAULT 0 CHECK (check_scheduled IN (0, 1)), -- it has a row in health_checks
    -- The last two are long. SQLite reads a row from its beginning. credentials is
    -- {field: {"sealed": base64, "hash": base64, "updated_at": time}}; a lookup finds a
    -- value by its hash.
    config text NOT NULL,
    credentials text NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE UNIQUE INDEX providers_name ON providers (workspace, name_key);
CREATE INDEX providers_created ON providers (workspace, created_at, id);
CREATE INDEX providers_unscheduled ON providers (workspace, id) WHERE NOT check_scheduled;

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
    version integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    tested_at integer, -- null: never
    test_kind text, -- null: success
    test_latency_ns integer,
    test_connection integer, -- the provider's connection when the test began
    -- The last check of each stage that the model serves, as a JSON object {stage:
    -- {"status", "at"}}; null: no check. They count only while the provider has the same
    -- connection.
    stage_checks text,
    checks_connection integer,
    -- Written together with the references, so that reading models needs no other table.
    reference_count integer NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
) STRICT;

CREATE UNIQUE INDEX models_provider ON models (workspace, provider_id, model_id);

-- What a list filters by stands in its index: rows that follow each other by
-- name lie anywhere in the table, and a list that passes over many would look
-- each up. By creation they lie one after the other; the provider alone is there.
CREATE INDEX models_name ON models (workspace, name_key, id, provider_id, enabled, stages, model_key);
CREATE INDEX models_created ON models (workspace, created_at, id, provider_id);

-- What depends on a model, as others have said. They choose ref.
CREATE TABLE model_references (
    workspace text NOT NULL,
    model_id text NOT NULL, -- models.id
    ref text NOT NULL,
    label text NOT NULL,
    url text NOT NULL, -- empty: none
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, model_id, ref),
    FOREIGN KEY (workspace, model_id) REFERENCES models (workspace, id) ON DELETE CASCADE
) STRICT;

-- When providers are checked in the background. While a check runs, it has a lease, and
-- due_at is the end of the lease.
CREATE TABLE health_checks (
    workspace text NOT NULL,
    provider_id text NOT NULL,
    due_at integer NOT NULL,
    lease text, -- null: no check runs
    testing integer NOT NULL DEFAULT 0 CHECK (testing IN (0, 1)), -- the check that runs may test a model
    -- The rest of the row is about this connection of the provider, except tests.
    connection integer NOT NULL DEFAULT 0,
    needs_test integer NOT NULL DEFAULT 0 CHECK (needs_test IN (0, 1)), -- a list of models does not prove the credentials
    failures integer NOT NULL DEFAULT 0, -- in a row
    failed_at integer, -- the first of them
    tests integer NOT NULL DEFAULT 0, -- on the day
    day integer, -- UTC
    PRIMARY KEY (workspace, provider_id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
) STRICT;

-- The one index that does not begin with the workspace and has a row for each provider:
-- a process looks for the providers of all workspaces that are due.
CREATE INDEX health_checks_due ON health_checks (due_at);

-- What happened to providers and models, for readers that follow it.
CREATE TABLE changes (
    workspace text NOT NULL,
    number integer NOT NULL,
    id text NOT NULL,
    provider_id text NOT NULL,
    provider_change integer NOT NULL, -- the value of providers.changes
    at integer NOT NULL,
    resource text NOT NULL,
    resource_id text NOT NULL,
    action text NOT NULL,
    version integer NOT NULL,
    provider_version integer NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    reference_count integer NOT NULL,
    -- See the migration of PostgreSQL.
    webhook_due_at integer,
    webhook_attempts integer NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_at ON changes (at);
CREATE INDEX changes_webhook ON changes (webhook_due_at) WHERE webhook_due_at IS NOT NULL;

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
CREATE INDEX tokens_revoked ON tokens (workspace, created_at, id) WHERE revoked_at IS NOT NULL;

-- What one of several processes has settled for all, such as the keyset's fingerprint.
-- Only resealing changes the value of a claim.
CREATE TABLE claims (
    name text NOT NULL PRIMARY KEY,
    value blob NOT NULL
) STRICT;

-- The keys of the keyset that encrypt values of this database. Exactly one of them
-- encrypts new values.
CREATE TABLE sealing_keys (
    id integer NOT NULL PRIMARY KEY, -- in the keyset
    added_at integer NOT NULL,
    promoted_at integer, -- when it last began to encrypt; null: never
    sealing integer NOT NULL CHECK (sealing IN (0, 1)), -- it encrypts new values
    retired_at integer -- null: not retired
) STRICT;

CREATE UNIQUE INDEX sealing_keys_sealing ON sealing_keys (sealing) WHERE sealing;

-- The processes that serve. One that was not seen for a while is dead.
CREATE TABLE processes (
    id text NOT NULL PRIMARY KEY,
    seen_at integer NOT NULL,
    host text NOT NULL, -- what operators call the process
    key_ids text -- a JSON list of the keys that it has loaded; null: none
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
    actor_name text NOT NULL, -- at that time: of a token, or of a user as the OIDC issuer gave it
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
