-- +goose Up

-- When the receiver of webhooks is to be told of a change, or told again; null: not at
-- all, or not any more. A process that sends it puts the time off.
ALTER TABLE changes ADD COLUMN webhook_due_at timestamptz(3);
ALTER TABLE changes ADD COLUMN webhook_attempts bigint NOT NULL DEFAULT 0;

CREATE INDEX changes_webhook ON changes (webhook_due_at) WHERE webhook_due_at IS NOT NULL;
