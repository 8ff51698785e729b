package audit

import (
	"context"
	"errors"
	"time"

	"modelproviders/pkg/fault"
)

// Bounds of dropping: the linker has the head of a chain only for moments.
const (
	dropPause    = 20 * time.Millisecond
	dropAttempts = 100
)

// errDropped says that another process is dropping, too.
var errDropped = errors.New("dropped by another process")

// Drop removes the events of the days before that of t (UTC), of every
// workspace. What is left stays verifiable: the head remembers, under its MAC,
// where the chain now begins. What is dropped was verified: an event that
// somebody made look old stays, and so does what comes after it, and Drop
// returns internal. Drop removes a batch at a time, so that nobody waits for it.
func (l *Log) Drop(ctx context.Context, t time.Time) error {
	day := t.UTC().Truncate(24 * time.Hour)
	workspaces, err := l.store.Workspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, workspace := range workspaces {
		if err := l.dropBefore(ctx, workspace, day); err != nil && !errors.Is(err, errDropped) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (l *Log) dropBefore(ctx context.Context, workspace string, day time.Time) error {
	head, err := l.store.Head(ctx, workspace)
	if err != nil {
		return err
	}
	if !l.key.headed(workspace, head) {
		return fault.New(fault.Internal, "The head of the audit chain of workspace %q was changed; nothing is dropped from it.", workspace)
	}
	oldest, err := l.store.Linked(ctx, workspace, head.First, 1)
	if err != nil || len(oldest) == 0 || !oldest[0].At.Before(day) {
		return err // as most of the time: it takes no walk to know
	}
	broken, err := l.walk(ctx, workspace, head, func(batch []Event) (bool, error) {
		n := 0
		for n < len(batch) && batch[n].At.Before(day) {
			n++
		}
		if n == 0 {
			return false, nil
		}
		return n == len(batch), l.dropBatch(ctx, workspace, batch[0].Number, batch[n-1])
	})
	if err == nil && broken != nil {
		err = fault.New(fault.Internal, "The audit chain is broken, and nothing is dropped from there on: %s.", broken)
	}
	return err
}

// dropBatch drops what begins a chain, from the event with the number first to
// last. It tries again while a linker has the head.
func (l *Log) dropBatch(ctx context.Context, workspace string, first int64, last Event) error {
	for attempt := 1; ; attempt++ {
		err := l.withHead(ctx, workspace, func(ctx context.Context, head Head) error {
			if head.First != first {
				return errDropped
			}
			head.First, head.Base = last.Number+1, last.LinkMAC
			head.MAC = l.key.head(workspace, head)
			return l.store.DropThrough(ctx, workspace, last.Number, head)
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
