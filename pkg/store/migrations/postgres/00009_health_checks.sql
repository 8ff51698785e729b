-- +goose Up

-- The last check of the connection of a provider, and the provider's connection when it
-- began. check_scheduled: the provider has a row in health_checks.
ALTER TABLE providers ADD COLUMN checked_at timestamptz(3); -- null: never
ALTER TABLE providers ADD COLUMN check_kind text; -- null: success
ALTER TABLE providers ADD COLUMN check_by text;
ALTER TABLE providers ADD COLUMN check_connection bigint;
ALTER TABLE providers ADD COLUMN check_scheduled boolean NOT NULL DEFAULT false;

CREATE INDEX providers_unscheduled ON providers (workspace, id) WHERE NOT check_scheduled;

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
