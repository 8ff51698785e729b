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
    number integer, -- null: only until the trigger has run
    PRIMARY KEY (workspace, id)
) STRICT;

CREATE UNIQUE INDEX changes_number ON changes (workspace, number);
CREATE INDEX changes_at ON changes (at);

-- Transactions of SQLite run one at a time, so the numbers are in the order of commits.
-- On PostgreSQL they are not; see docs/adr/0020-changes.md.
-- +goose StatementBegin
CREATE TRIGGER changes_number AFTER INSERT ON changes BEGIN
    UPDATE changes SET number = 1 + coalesce((SELECT max(number) FROM changes WHERE workspace = NEW.workspace), 0)
        WHERE workspace = NEW.workspace AND id = NEW.id;
END;
-- +goose StatementEnd
