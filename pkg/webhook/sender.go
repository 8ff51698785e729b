// Package webhook tells a service of the operator, the receiver, of changed statuses, as
// Standard Webhooks specify (https://www.standardwebhooks.com).
//
// The store knows which changes the receiver must still be told of. A [Sender] leases one
// after the other and sends it to the [Receiver], signed. What is not accepted is sent
// again, so each message arrives at least once, unless the receiver is away for a day.
package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"modelproviders/pkg/registry"
)

const (
	maxSending   = 8               // messages of one process at once
	leaseTime    = 2 * sendTimeout // for which no other process sends a message
	storeTimeout = 5 * time.Second // for the result of an attempt
	stopGrace    = 3 * time.Second // for attempts that are under way
	maxPause     = 6 * time.Hour   // that a receiver may ask for
)

// pauses are the times between attempts, of which the last one repeats. They are those of
// the specification ("Deliverability and reliability"), for a day.
func pauses() []time.Duration {
	return []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 6 * time.Hour}
}

// Sender sends the messages that are due to a receiver.
type Sender struct {
	store    registry.WebhookStore
	receiver *Receiver
	observe  func(delivered bool) // called after each attempt
	log      *slog.Logger

	slots     *semaphore.Weighted // one for each message that is being sent
	attempts  context.Context
	interrupt context.CancelFunc

	gone    atomic.Bool // the receiver wants no more messages
	failing atomic.Bool // the last attempt failed
}

// NewSender returns a sender, which sends with [Sender.SendDue].
func NewSender(store registry.WebhookStore, receiver *Receiver, observe func(delivered bool), log *slog.Logger) *Sender {
	s := &Sender{store: store, receiver: receiver, observe: observe, log: log, slots: semaphore.NewWeighted(maxSending)}
	s.attempts, s.interrupt = context.WithCancel(context.Background())
	return s
}

// Gone reports whether the receiver answered 410: it wants no more messages. They wait for
// another process, or for the next one, until they are dropped.
func (s *Sender) Gone() bool { return s.gone.Load() }

// SendDue sends the messages that are due, several at once, until there are no more of
// them. It may return before the last ones are sent.
func (s *Sender) SendDue(ctx context.Context) error {
	for !s.gone.Load() {
		if err := s.slots.Acquire(ctx, 1); err != nil { // the process stops
			return err
		}
		due, found, err := s.store.LeaseWebhook(ctx, leaseTime)
		if err != nil || !found {
			s.slots.Release(1)
			return err
		}
		go func() {
			defer s.slots.Release(1)
			s.attempt(due)
		}()
	}
	return nil
}

// Stop waits for the attempts that are under way. It interrupts those that last too long;
// their messages are due again at once.
func (s *Sender) Stop(ctx context.Context) error {
	defer s.interrupt()
	grace, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if s.slots.Acquire(grace, maxSending) == nil {
		return nil
	}
	s.interrupt()
	return s.slots.Acquire(ctx, maxSending)
}

// attempt sends a message once and stores the result. If it can't be stored, the message
// is sent again when its lease has ended.
func (s *Sender) attempt(due registry.Webhook) {
	err := s.receiver.send(s.attempts, due.ID, body(due.Change))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.attempts), storeTimeout)
	defer cancel()
	switch {
	case err == nil:
		s.observe(true)
		s.report(due, nil)
		err = s.store.WebhookDelivered(ctx, due)
	case s.attempts.Err() != nil:
		err = s.store.DelayWebhook(ctx, due, 0)
	default:
		s.observe(false)
		s.report(due, err)
		err = s.store.DelayWebhook(ctx, due, pause(due.Attempts, err))
	}
	if err != nil {
		s.log.Error("could not store whether a webhook was delivered; it will be sent again", slog.String("webhook_id", due.ID), slog.Any("error", err))
	}
}

// report logs when attempts begin to fail and when they succeed again.
func (s *Sender) report(due registry.Webhook, err error) {
	attrs := []any{slog.String("webhook_id", due.ID), slog.Int("attempt", due.Attempts)}
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.status == http.StatusGone:
		if !s.gone.Swap(true) {
			s.log.Error("the receiver of webhooks answered 410 Gone, so this process sends no more of them; correct or remove the URL and restart it", attrs...)
		}
	case err != nil && !s.failing.Swap(true):
		s.log.Warn("a webhook was not delivered; further failures are not logged until one is", append(attrs, slog.Any("error", err))...)
	case err == nil && s.failing.Swap(false):
		s.log.Info("webhooks are delivered again", attrs...)
	}
}

// pause returns the time until the next attempt. It is up to a fifth shorter than in
// [pauses], so that messages that failed together are not sent again together.
func pause(attempts int, err error) time.Duration {
	all := pauses()
	next := all[min(max(attempts, 1), len(all))-1]
	next -= rand.N(next / 5) //nolint:gosec // nobody needs to guess it
	var refused *refusal
	if errors.As(err, &refused) {
		next = max(next, min(refused.retryAfter, maxPause))
	}
	return next
}
