-- +goose Up

-- Booleans are 0 or 1. Times are Unix milliseconds.

CREATE TABLE providers (
    workspace text NOT NULL,
    id text NOT NULL,
    name text NOT NULL,
    name_key text NOT NULL,
    type text NOT NULL,
    enabled integer NOT NULL CHECK (enabled IN (0, 1)),
    error_kind text,
    error_message text,
    error_model_id text,
    error_since integer,
    status text NOT NULL GENERATED ALWAYS AS
        (CASE WHEN NOT enabled THEN 'inactive' WHEN error_kind IS NOT NULL THEN 'error' ELSE 'active' END) STORED,
    config text NOT NULL,
    version integer NOT NULL,
    connection integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, id)
) STRICT;

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
    workspace text NOT NULL,
    provider_id text NOT NULL,
    field text NOT NULL,
    sealed blob NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, provider_id, field),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
) STRICT;

-- A model carries a copy of what its list tells of the provider and filters by
-- it, so that the list reads one table and each filter can have an index.
CREATE TABLE models (
    workspace text NOT NULL,
    id text NOT NULL,
    provider_id text NOT NULL,
    provider_name text NOT NULL,
    provider_type text NOT NULL,
    provider_status text NOT NULL,
    model_id text NOT NULL,
    model_key text NOT NULL,
    display_name text NOT NULL,
    name_key text NOT NULL,
    stage_planning integer NOT NULL CHECK (stage_planning IN (0, 1)),
    stage_tool_call integer NOT NULL CHECK (stage_tool_call IN (0, 1)),
    stage_summarization integer NOT NULL CHECK (stage_summarization IN (0, 1)),
    stage_guardrail integer NOT NULL CHECK (stage_guardrail IN (0, 1)),
    enabled integer NOT NULL CHECK (enabled IN (0, 1)),
    available integer NOT NULL GENERATED ALWAYS AS (enabled AND provider_status <> 'inactive') STORED,
    tested_at integer,
    test_success integer NOT NULL CHECK (test_success IN (0, 1)),
    test_kind text NOT NULL,
    test_latency_ns integer NOT NULL,
    version integer NOT NULL,
    created_at integer NOT NULL,
    updated_at integer NOT NULL,
    PRIMARY KEY (workspace, id),
    FOREIGN KEY (workspace, provider_id) REFERENCES providers (workspace, id) ON DELETE CASCADE
) STRICT;

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
