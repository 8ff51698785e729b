-- +goose Up

-- See the migration of PostgreSQL.
ALTER TABLE changes ADD COLUMN webhook_due_at integer;
ALTER TABLE changes ADD COLUMN webhook_attempts integer NOT NULL DEFAULT 0;

CREATE INDEX changes_webhook ON changes (webhook_due_at) WHERE webhook_due_at IS NOT NULL;
