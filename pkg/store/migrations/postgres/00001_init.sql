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
    -- The provider that it was cloned from. Not a foreign key: deleting the original would
    -- have to find its clones. Queries look whether it is still there.
    cloned_from uuid,
    version bigint NOT NULL,
    connection bigint NOT NULL, -- counts changes of credentials and config
    -- How many changes of the provider and its models were noted. It is counted under the
    -- lock of the row, so the changes of a provider are counted in the order of commits.
    changes bigint NOT NULL DEFAULT 0,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    -- The last check of the connection, and the connection when it began.
    checked_at timestamptz(3), -- null: never
    check_kind text, -- null: success
    check_by text,
    check_connection bigint,
    check_scheduled boolean NOT NULL DEFAULT false, -- it has a row in health_checks
    -- The last two are long. SQLite reads a row from its beginning. credentials is
    -- {field: {"sealed": base64, "hash": base64, "updated_at": time}}; a lookup finds a
    -- value by its hash.
    config jsonb NOT NULL,
    credentials jsonb NOT NULL,
    PRIMARY KEY (workspace, id),
    CONSTRAINT providers_name UNIQUE (workspace, name_key)
);

CREATE INDEX providers_created ON providers (workspace, created_at, id);
CREATE INDEX providers_unscheduled ON providers (workspace, id) WHERE NOT check_scheduled;

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
    version bigint NOT NULL,
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    tested_at timestamptz(3), -- null: never
    test_kind text, -- null: success
    test_latency_ns bigint,
    test_connection bigint, -- the provider's connection when the test began
    -- The last check of each stage that the model serves, as a JSON object {stage:
    -- {"status", "at"}}; null: no check. They count only while the provider has the same
    -- connection.
    stage_checks text,
    checks_connection bigint,
    -- Written together with the references, so that reading models needs no other table.
    reference_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, id),
    CONSTRAINT models_provider UNIQUE (workspace, provider_id, model_id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
);

CREATE INDEX models_name ON models (workspace, name_key, id);
CREATE INDEX models_created ON models (workspace, created_at, id);

-- What depends on a model, as others have said. They choose ref.
CREATE TABLE model_references (
    workspace text COLLATE "C" NOT NULL,
    model_id uuid NOT NULL, -- models.id
    ref text COLLATE "C" NOT NULL,
    label text NOT NULL,
    url text NOT NULL, -- empty: none
    created_at timestamptz(3) NOT NULL,
    updated_at timestamptz(3) NOT NULL,
    PRIMARY KEY (workspace, model_id, ref),
    FOREIGN KEY (workspace, model_id) REFERENCES models (workspace, id) ON DELETE CASCADE
);

-- When providers are checked in the background. While a check runs, it has a lease, and
-- due_at is the end of the lease.
CREATE TABLE health_checks (
    workspace text COLLATE "C" NOT NULL,
    provider_id uuid NOT NULL,
    due_at timestamptz(3) NOT NULL,
    lease uuid, -- null: no check runs
    testing boolean NOT NULL DEFAULT false, -- the check that runs may test a model
    -- The rest of the row is about this connection of the provider, except tests.
    connection bigint NOT NULL DEFAULT 0,
    needs_test boolean NOT NULL DEFAULT false, -- a list of models does not prove the credentials
    failures bigint NOT NULL DEFAULT 0, -- in a row
    failed_at timestamptz(3), -- the first of them
    tests bigint NOT NULL DEFAULT 0, -- on the day
    day timestamptz(3), -- UTC
    PRIMARY KEY (workspace, provider_id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
);

-- The one index that does not begin with the workspace and has a row for each provider:
-- a process looks for the providers of all workspaces that are due.
CREATE INDEX health_checks_due ON health_checks (due_at);

-- What happened to providers and models, for readers that follow it. A change is
-- numbered after its transaction has committed; see docs/adr/0020-changes.md.
CREATE TABLE changes (
    workspace text COLLATE "C" NOT NULL,
    number bigint, -- null: not numbered yet
    id uuid NOT NULL,
    provider_id uuid NOT NULL,
    provider_change bigint NOT NULL, -- the value of providers.changes
    at timestamptz(3) NOT NULL,
    resource text NOT NULL,
    resource_id uuid NOT NULL,
    action text NOT NULL,
    version bigint NOT NULL,
    provider_version bigint NOT NULL,
    status text NOT NULL,
    kind text NOT NULL,
    reference_count bigint NOT NULL,
    -- When the receiver of webhooks is to be told of the change, or told again; null: not at
    -- all, or not any more. A process that sends it puts the time off.
    webhook_due_at timestamptz(3),
    webhook_attempts bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (workspace, provider_id, provider_change)
);

CREATE UNIQUE INDEX changes_number ON changes (workspace, number) WHERE number IS NOT NULL;
CREATE INDEX changes_unnumbered ON changes (workspace, provider_id, provider_change) WHERE number IS NULL;
CREATE INDEX changes_at ON changes (at);
CREATE INDEX changes_webhook ON changes (webhook_due_at) WHERE webhook_due_at IS NOT NULL;

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
CREATE INDEX tokens_revoked ON tokens (workspace, created_at, id) WHERE revoked_at IS NOT NULL;

-- What one of several processes has settled for all, such as the keyset's fingerprint.
-- Only resealing changes the value of a claim.
CREATE TABLE claims (
    name text NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);

-- The keys of the keyset that encrypt values of this database. Exactly one of them
-- encrypts new values.
CREATE TABLE sealing_keys (
    id bigint NOT NULL PRIMARY KEY, -- in the keyset
    added_at timestamptz(3) NOT NULL,
    promoted_at timestamptz(3), -- when it last began to encrypt; null: never
    sealing boolean NOT NULL, -- it encrypts new values
    retired_at timestamptz(3) -- null: not retired
);

CREATE UNIQUE INDEX sealing_keys_sealing ON sealing_keys (sealing) WHERE sealing;

-- The processes that serve. One that was not seen for a while is dead.
CREATE TABLE processes (
    id uuid NOT NULL PRIMARY KEY,
    seen_at timestamptz(3) NOT NULL,
    host text NOT NULL, -- what operators call the process
    key_ids text -- a JSON list of the keys that it has loaded; null: none
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
