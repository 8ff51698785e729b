-- +goose Up

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

-- What operators call the process, and the keys that it has loaded as a JSON list. Both
-- are null for an earlier version of the program.
ALTER TABLE processes ADD COLUMN host text;
ALTER TABLE processes ADD COLUMN key_ids text;
