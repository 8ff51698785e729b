-- +goose Up

-- Text that is compared or sorted has the collation "C": by bytes, as SQLite
-- does. Times are Unix milliseconds.

CREATE TABLE providers (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL,
    error_kind text,
    error_message text,
    error_model_id text,
    error_since bigint,
    status text COLLATE "C" NOT NULL GENERATED ALWAYS AS
        (CASE WHEN NOT enabled THEN 'inactive' WHEN error_kind IS NOT NULL THEN 'error' ELSE 'active' END) STORED,
    config text NOT NULL,
    version bigint NOT NULL,
    connection bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace, id)
);

-- A name is unique in its workspace, so it orders providers by itself; what is
-- ordered by creation needs the id after it. Each filter of the list has an
-- index in each order, and so has the pair.
CREATE UNIQUE INDEX providers_name ON providers (workspace, name_key);
CREATE INDEX providers_created ON providers (workspace, created_at, id);
CREATE INDEX providers_type_name ON providers (workspace, type, name_key);
CREATE INDEX providers_type_created ON providers (workspace, type, created_at, id);
CREATE INDEX providers_status_name ON providers (workspace, status, name_key);
CREATE INDEX providers_status_created ON providers (workspace, status, created_at, id);
CREATE INDEX providers_type_status_name ON providers (workspace, type, status, name_key);
CREATE INDEX providers_type_status_created ON providers (workspace, type, status, created_at, id);

-- One sealed value a credential field.
CREATE TABLE provider_credentials (
    workspace text COLLATE "C" NOT NULL,
    provider_id text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    sealed bytea NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace, provider_id, field),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
);

-- A model carries a copy of what its list tells of the provider and filters by
-- it, so that the list reads one table and each filter can have an index.
CREATE TABLE models (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    provider_id text COLLATE "C" NOT NULL,
    provider_name text NOT NULL,
    provider_type text COLLATE "C" NOT NULL,
    provider_status text COLLATE "C" NOT NULL,
    model_id text COLLATE "C" NOT NULL,
    model_key text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    name_key text COLLATE "C" NOT NULL,
    stage_planning boolean NOT NULL,
    stage_tool_call boolean NOT NULL,
    stage_summarization boolean NOT NULL,
    stage_guardrail boolean NOT NULL,
    enabled boolean NOT NULL,
    available boolean NOT NULL GENERATED ALWAYS AS (enabled AND provider_status <> 'inactive') STORED,
    tested_at bigint,
    test_success boolean NOT NULL,
    test_kind text NOT NULL,
    test_latency_ns bigint NOT NULL,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
);

-- The models of one provider are few, so this index serves every list of them.
CREATE UNIQUE INDEX models_provider ON models (workspace, provider_id, model_id);

-- Each filter of the flat list has an index in each order, and so has the pair
-- that routing asks for, a stage and available. A stage's index holds only the
-- models that serve it.
CREATE INDEX models_name ON models (workspace, name_key, id);
CREATE INDEX models_created ON models (workspace, created_at, id);
CREATE INDEX models_enabled_name ON models (workspace, enabled, name_key, id);
CREATE INDEX models_enabled_created ON models (workspace, enabled, created_at, id);
CREATE INDEX models_available_name ON models (workspace, available, name_key, id);
CREATE INDEX models_available_created ON models (workspace, available, created_at, id);
CREATE INDEX models_type_name ON models (workspace, provider_type, name_key, id);
CREATE INDEX models_type_created ON models (workspace, provider_type, created_at, id);
CREATE INDEX models_status_name ON models (workspace, provider_status, name_key, id);
CREATE INDEX models_status_created ON models (workspace, provider_status, created_at, id);
CREATE INDEX models_planning_name ON models (workspace, name_key, id) WHERE stage_planning;
CREATE INDEX models_planning_created ON models (workspace, created_at, id) WHERE stage_planning;
CREATE INDEX models_planning_available_name ON models (workspace, available, name_key, id) WHERE stage_planning;
CREATE INDEX models_planning_available_created ON models (workspace, available, created_at, id) WHERE stage_planning;
CREATE INDEX models_tool_call_name ON models (workspace, name_key, id) WHERE stage_tool_call;
CREATE INDEX models_tool_call_created ON models (workspace, created_at, id) WHERE stage_tool_call;
CREATE INDEX models_tool_call_available_name ON models (workspace, available, name_key, id) WHERE stage_tool_call;
CREATE INDEX models_tool_call_available_created ON models (workspace, available, created_at, id) WHERE stage_tool_call;
CREATE INDEX models_summarization_name ON models (workspace, name_key, id) WHERE stage_summarization;
CREATE INDEX models_summarization_created ON models (workspace, created_at, id) WHERE stage_summarization;
CREATE INDEX models_summarization_available_name ON models (workspace, available, name_key, id) WHERE stage_summarization;
CREATE INDEX models_summarization_available_created ON models (workspace, available, created_at, id) WHERE stage_summarization;
CREATE INDEX models_guardrail_name ON models (workspace, name_key, id) WHERE stage_guardrail;
CREATE INDEX models_guardrail_created ON models (workspace, created_at, id) WHERE stage_guardrail;
CREATE INDEX models_guardrail_available_name ON models (workspace, available, name_key, id) WHERE stage_guardrail;
CREATE INDEX models_guardrail_available_created ON models (workspace, available, created_at, id) WHERE stage_guardrail;

-- API tokens: their hashes, never their values.
CREATE TABLE tokens (
    workspace text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    role text COLLATE "C" NOT NULL,
    scopes text NOT NULL,
    hash bytea NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_at bigint,
    revoked_at bigint,
    PRIMARY KEY (workspace, id)
);

CREATE UNIQUE INDEX tokens_hash ON tokens (hash);
CREATE INDEX tokens_created ON tokens (workspace, created_at, id) WHERE revoked_at IS NULL;

-- What one of several processes has settled for all, such as the keyset's
-- fingerprint. A claim is never changed.
CREATE TABLE claims (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value bytea NOT NULL
);
