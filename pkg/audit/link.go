package audit

import (
	"context"
	"errors"
	"math"
	"time"

	"modelproviders/pkg/fault"
)

// Bounds of linking.
const (
	linkEvery  = 200 * time.Millisecond
	retryEvery = time.Second // after a round that failed
	batchSize  = 500
)

// Run links new events until ctx is done. report hears of a round that failed;
// the next one tries again.
func (l *Log) Run(ctx context.Context, report func(error)) {
	for {
		pause := linkEvery
		if err := l.Link(ctx); err != nil && ctx.Err() == nil {
			report(err)
			pause = retryEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Link links every event that is not linked yet. What another process is linking
// is left to it. It returns internal, and links nothing of a workspace, when the
// head of its chain or one of its new events is not authentic.
func (l *Log) Link(ctx context.Context) error {
	workspaces, err := l.store.UnlinkedWorkspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, workspace := range workspaces {
		for more := true; more; {
			if more, err = l.linkBatch(ctx, workspace); err != nil {
				errs = append(errs, err)
			}
		}
		if ctx.Err() != nil || fault.Is(err, fault.Unavailable) {
			break
		}
	}
	return errors.Join(errs...)
}

func (l *Log) linkBatch(ctx context.Context, workspace string) (more bool, err error) {
	err = l.withHead(ctx, workspace, func(ctx context.Context, head Head) error {
		events, err := l.store.Unlinked(ctx, workspace, batchSize)
		more = len(events) == batchSize
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if !l.key.isFresh(e) {
				return fault.New(fault.Internal, "The audit event %s of workspace %q was changed or inserted before it was linked; nothing is linked.", e.ID, workspace)
			}
		}
		links, head := l.key.extend(workspace, head, events)
		return l.store.Link(ctx, workspace, links, head)
	})
	if fault.Is(err, fault.Conflict) { // another process is at it
		return false, nil
	}
	return more && err == nil, err
}

// withHead runs fn in a transaction that has locked the head of a chain. It
// returns conflict when another process has, and internal for a head that is not
// authentic.
func (l *Log) withHead(ctx context.Context, workspace string, fn func(ctx context.Context, head Head) error) error {
	return l.store.InOwnTx(ctx, func(ctx context.Context) error {
		head, err := l.store.LockHead(ctx, workspace)
		if err != nil {
			return err
		}
		if !l.key.headed(workspace, head) {
			return fault.New(fault.Internal, "The head of the audit chain of workspace %q was changed; nothing is added to it or dropped from it.", workspace)
		}
		if head.zero() {
			linked, err := l.store.Linked(ctx, workspace, math.MinInt64, 1)
			if err != nil {
				return err
			}
			if len(linked) > 0 {
				return fault.New(fault.Internal, "The head of the audit chain of workspace %q was removed; nothing is added to it.", workspace)
			}
		}
		return fn(ctx, head)
	})
}
