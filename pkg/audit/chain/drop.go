package chain

import (
	"context"
	"errors"
	"slices"
	"time"

	"modelproviders/pkg/fault"
)

// A process that links entries holds the lock of a head only briefly, so dropping
// waits and tries again.
const (
	dropPause    = 20 * time.Millisecond
	dropAttempts = 100
)

// errDropped means that another process is dropping the same entries.
var errDropped = errors.New("dropped by another process")

// Drop removes the entries of all workspaces from days before the day of t (UTC), in
// batches. The remaining entries can still be verified, because the head contains
// where the chain now begins. Drop removes only verified entries: if a chain is
// broken, it keeps all entries from the break on, and returns internal.
func (c *Chain) Drop(ctx context.Context, t time.Time) error {
	day := t.UTC().Truncate(24 * time.Hour)
	workspaces, err := c.store.Workspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, workspace := range workspaces {
		if err := c.dropBefore(ctx, workspace, day); !errors.Is(err, errDropped) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (c *Chain) dropBefore(ctx context.Context, workspace string, day time.Time) error {
	head, err := c.store.Head(ctx, workspace)
	if err != nil {
		return err
	}
	if !c.authentic(workspace, head) {
		return headChanged(workspace)
	}
	oldest, err := c.store.Linked(ctx, workspace, head.First, 1)
	if err != nil || len(oldest) == 0 || !oldest[0].At.Before(day) {
		return err // most of the time there is nothing to drop
	}
	broken, err := c.walk(ctx, workspace, head, func(batch []Entry) (bool, error) {
		n := slices.IndexFunc(batch, func(e Entry) bool { return !e.At.Before(day) })
		if n < 0 {
			n = len(batch)
		}
		if n == 0 {
			return false, nil
		}
		return n == len(batch), c.dropBatch(ctx, workspace, batch[0].Number, batch[n-1])
	})
	if err == nil && broken != nil {
		err = fault.New(fault.Internal, "The audit chain is broken, and nothing is dropped from there on: workspace %q, %s.", workspace, broken)
	}
	return err
}

// dropBatch drops the beginning of a chain, from the entry with the number first
// to last.
func (c *Chain) dropBatch(ctx context.Context, workspace string, first int64, last Entry) error {
	for attempt := 1; ; attempt++ {
		err := c.withHead(ctx, workspace, func(ctx context.Context, head Head) error {
			if head.First != first {
				return errDropped
			}
			head.First, head.Base = last.Number+1, last.MAC
			head.MAC = c.headMAC(workspace, head)
			return c.store.DropThrough(ctx, workspace, last.Number, head)
		})
		if !fault.Is(err, fault.Conflict) || attempt == dropAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(dropPause):
		}
	}
}
