package store

import (
	"context"
	"time"

	"modelproviders/pkg/registry"
)

// webhookDue is the column of changes that says when the receiver of webhooks is to be told.
func webhookDue(field any) column { return column{"webhook_due_at", field, fixed} }

// webhookDue returns the column of a new change: the receiver is told at once, or never.
func (s *Store) webhookDue(c *registry.Change) column {
	if s.webhooks && c.Webhook() {
		return webhookDue((*moment)(&c.At))
	}
	return webhookDue(new([]byte)) // null
}

// LeaseWebhook implements [registry.WebhookStore]. It leases the change that has been due
// for the longest time.
func (s *Store) LeaseWebhook(ctx context.Context, lease time.Duration) (w registry.Webhook, found bool, err error) {
	var row changeRow
	d := s.engine.dialect
	text := `UPDATE changes SET webhook_due_at = ` + d.inSeconds("$1") + `, webhook_attempts = webhook_attempts + 1
		WHERE (workspace, number) = (SELECT t.workspace, t.number FROM changes t
			WHERE t.webhook_due_at <= ` + d.secondsAgo(0) + ` AND t.number IS NOT NULL ORDER BY t.webhook_due_at LIMIT 1` + d.skipLocked + `)
		RETURNING workspace, webhook_attempts, ` + row.columns().names("")
	fields := append([]any{&w.Workspace, &w.Attempts}, row.columns().fields()...)
	err = s.InTx(ctx, func(ctx context.Context) error {
		found, err = s.one(ctx, text, []any{lease.Seconds()}, fields...)
		return err
	})
	row.Workspace = w.Workspace
	w.Change = row.Change
	return w, found, err
}

const webhookDelivered = `UPDATE changes SET webhook_due_at = NULL WHERE workspace = $1 AND number = $2`

// WebhookDelivered implements [registry.WebhookStore].
func (s *Store) WebhookDelivered(ctx context.Context, w registry.Webhook) error {
	_, err := s.together(ctx, statement{webhookDelivered, []any{w.Workspace, w.Number}})
	return err
}

// DelayWebhook implements [registry.WebhookStore].
func (s *Store) DelayWebhook(ctx context.Context, w registry.Webhook, pause time.Duration) error {
	text := `UPDATE changes SET webhook_due_at = ` + s.engine.inSeconds("$4") + `
		WHERE workspace = $1 AND number = $2 AND webhook_attempts = $3 AND webhook_due_at IS NOT NULL`
	_, err := s.together(ctx, statement{text, []any{w.Workspace, w.Number, w.Attempts, pause.Seconds()}})
	return err
}

const dropWebhooks = `UPDATE changes SET webhook_due_at = NULL WHERE webhook_due_at IS NOT NULL AND at < $1`

// DropWebhooks gives up telling the receiver of webhooks of changes of all workspaces that
// are before a time, and returns their number.
func (s *Store) DropWebhooks(ctx context.Context, before time.Time) (dropped int64, err error) {
	return s.together(ctx, statement{dropWebhooks, []any{moment(before)}})
}

const countWaitingWebhooks = `SELECT count(*) FROM (
	SELECT 1 FROM changes WHERE webhook_due_at IS NOT NULL AND webhook_attempts > 1 LIMIT $1) AS waiting`

// CountWaitingWebhooks counts the changes of all workspaces that the receiver of webhooks
// was not told of in the first attempt, and was not told of since, up to a limit.
func (s *Store) CountWaitingWebhooks(ctx context.Context, limit int) (n int, err error) {
	_, err = s.one(ctx, countWaitingWebhooks, []any{limit}, &n)
	return n, err
}
