-- +goose Up

-- How many changes of the provider and its models were noted.
ALTER TABLE providers ADD COLUMN changes integer NOT NULL DEFAULT 0;

-- What happened to providers and models, for readers that follow it.
CREATE TABLE changes (
    workspace text NOT NULL,
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
    number integer NOT NULL,
    PRIMARY KEY (workspace, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX changes_at ON changes (at);
