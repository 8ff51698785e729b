-- +goose Up

-- The provider that it was cloned from. Not a foreign key: deleting the original would
-- have to find its clones. Queries look whether it is still there.
ALTER TABLE providers ADD COLUMN cloned_from uuid;
