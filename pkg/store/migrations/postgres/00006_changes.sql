-- +goose Up

-- How many changes of the provider and its models were noted. It is counted under the
-- lock of the row, so the changes of a provider are counted in the order of commits.
ALTER TABLE providers ADD COLUMN changes bigint NOT NULL DEFAULT 0;

-- What happened to providers and models, for readers that follow it. A change is
-- numbered after its transaction has committed; see docs/adr/0020-changes.md.
CREATE TABLE changes (
    workspace text COLLATE "C" NOT NULL,
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
    number bigint, -- null: not numbered yet
    PRIMARY KEY (workspace, provider_id, provider_change)
);

CREATE UNIQUE INDEX changes_number ON changes (workspace, number) WHERE number IS NOT NULL;
CREATE INDEX changes_unnumbered ON changes (workspace, provider_id, provider_change) WHERE number IS NULL;
CREATE INDEX changes_at ON changes (at);
