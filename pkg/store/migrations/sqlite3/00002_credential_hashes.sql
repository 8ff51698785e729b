-- +goose Up

-- Keyed hashes of the credentials, {field: base64}, by which a lookup finds a value. They
-- are valid while hashed_connection equals connection. Those of rows that were there
-- before are written in the background.
ALTER TABLE providers ADD COLUMN credential_hashes text;
ALTER TABLE providers ADD COLUMN hashed_connection integer;

CREATE INDEX providers_unhashed ON providers (workspace, id) WHERE hashed_connection IS DISTINCT FROM connection;
