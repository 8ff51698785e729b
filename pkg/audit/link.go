package audit

import (
	"context"
	"time"

	"modelproviders/pkg/fault"
)

// Bounds of linking.
const (
	linkEvery = 200 * time.Millisecond
	batchSize = 500
)

// Run links new events until ctx is done. report hears of a round that failed;
// the next one tries again.
func (l *Log) Run(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(linkEvery)
	defer ticker.Stop()
	for {
		if err := l.Link(ctx); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
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
	for _, workspace := range workspaces {
		for more := true; more; {
			more, err = l.linkBatch(ctx, workspace)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Log) linkBatch(ctx context.Context, workspace string) (more bool, err error) {
	err = l.store.InTx(ctx, func(ctx context.Context) error {
		more = false
		head, err := l.store.LockHead(ctx, workspace)
		if err != nil {
			return err
		}
		if !l.key.headed(workspace, head) {
			return fault.New(fault.Internal, "The head of the audit chain of workspace %q was changed; nothing is linked to it.", workspace)
		}
		events, err := l.store.Unlinked(ctx, workspace, batchSize)
		if err != nil || len(events) == 0 {
			return err
		}
		for _, e := range events {
			if !l.key.sealed(e) {
				return fault.New(fault.Internal, "The audit event %s of workspace %q was not made by this service; nothing is linked.", e.ID, workspace)
			}
		}
		links, head := l.key.extend(workspace, head, events)
		more = len(events) == batchSize
		return l.store.AppendLinks(ctx, workspace, links, head)
	})
	if fault.Is(err, fault.Conflict) {
		return false, nil
	}
	return more && err == nil, err
}
