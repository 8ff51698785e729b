-- +goose Up

-- The last check of the connection of a provider, and the provider's connection when it
-- began. check_scheduled: the provider has a row in health_checks.
ALTER TABLE providers ADD COLUMN checked_at integer; -- null: never
ALTER TABLE providers ADD COLUMN check_kind text; -- null: success
ALTER TABLE providers ADD COLUMN check_by text;
ALTER TABLE providers ADD COLUMN check_connection integer;
ALTER TABLE providers ADD COLUMN check_scheduled integer NOT NULL DEFAULT 0 CHECK (check_scheduled IN (0, 1));

CREATE INDEX providers_unscheduled ON providers (workspace, id) WHERE NOT check_scheduled;

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
