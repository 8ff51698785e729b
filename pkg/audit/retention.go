package audit

import (
	"context"
	"time"

	"modelproviders/pkg/fault"
)

// Drop removes the events of the days before that of t (UTC), of every
// workspace. What is left stays verifiable: the head remembers, under its MAC,
// where the chain now begins.
func (l *Log) Drop(ctx context.Context, t time.Time) error {
	day := t.UTC().Truncate(24 * time.Hour)
	workspaces, err := l.store.Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		err := l.store.InTx(ctx, func(ctx context.Context) error { return l.dropBefore(ctx, workspace, day) })
		if err != nil && !fault.Is(err, fault.Conflict) { // another process is at it
			return err
		}
	}
	return nil
}

func (l *Log) dropBefore(ctx context.Context, workspace string, day time.Time) error {
	head, err := l.store.LockHead(ctx, workspace)
	if err != nil {
		return err
	}
	if !l.key.headed(workspace, head) {
		return fault.New(fault.Internal, "The head of the audit chain of workspace %q was changed; nothing is dropped from it.", workspace)
	}
	number, err := l.store.LastBefore(ctx, workspace, day)
	if err != nil || number < head.First || number == 0 {
		return err
	}
	links, err := l.store.Links(ctx, workspace, number, 1)
	if err != nil {
		return err
	}
	if len(links) == 0 || links[0].Number != number {
		return fault.New(fault.Internal, "The audit chain of workspace %q has no link %d; nothing is dropped from it.", workspace, number)
	}
	head.First, head.Base = number+1, links[0].MAC
	head.MAC = l.key.head(workspace, head)
	return l.store.DropThrough(ctx, workspace, number, head)
}
