package registry

import (
	"context"
	"time"
)

// Webhook is a change that a receiver of webhooks is told of.
type Webhook struct {
	Change
	Attempts int // to send it, with the one that it was leased for
}

// WebhookStore stores which changes a receiver of webhooks must still be told of. Times
// are those of the database's clock.
type WebhookStore interface {
	// LeaseWebhook returns a change that is due, if there is one. No other process gets it
	// before the lease has ended.
	LeaseWebhook(ctx context.Context, lease time.Duration) (w Webhook, found bool, err error)
	// WebhookDelivered notes that the receiver knows a change.
	WebhookDelivered(ctx context.Context, w Webhook) error
	// DelayWebhook makes a leased change due after a pause, unless another process has
	// leased it since.
	DelayWebhook(ctx context.Context, w Webhook, pause time.Duration) error
}

// Webhook reports whether a receiver of webhooks is told of the change: the status of a
// provider, or that of a model in use, is another one.
func (c Change) Webhook() bool {
	inUse := c.References > 0
	if c.Resource == ProviderResource {
		return c.Action == StatusChanged || c.Action == Deleted && inUse
	}
	return c.Status != "" && inUse
}
