-- +goose Up

-- The last check of each stage that a model serves, as a JSON object {stage: {"status",
-- "at"}}; null: no check. They count only while the provider has the same connection.
ALTER TABLE models ADD COLUMN stage_checks text;
ALTER TABLE models ADD COLUMN checks_connection integer;
