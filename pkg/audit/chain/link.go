package chain

import (
	"context"
	"errors"
	"math"

	"modelproviders/pkg/fault"
)

const batchSize = 500

// Link links all entries that are not linked yet, except those that another process
// is linking. If the head of a workspace's chain or one of its new entries is not
// authentic, it links no entry of that workspace and returns internal.
func (c *Chain) Link(ctx context.Context) error {
	workspaces, err := c.store.UnlinkedWorkspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, workspace := range workspaces {
		err := c.linkWorkspace(ctx, workspace)
		errs = append(errs, err)
		if ctx.Err() != nil || fault.Is(err, fault.Unavailable) {
			break
		}
	}
	return errors.Join(errs...)
}

func (c *Chain) linkWorkspace(ctx context.Context, workspace string) error {
	for more := true; more; {
		err := c.withHead(ctx, workspace, func(ctx context.Context, head Head) error {
			entries, err := c.store.Unlinked(ctx, workspace, batchSize)
			more = len(entries) == batchSize
			if err != nil || len(entries) == 0 {
				return err
			}
			links, head, err := c.extend(workspace, head, entries)
			if err != nil {
				return err
			}
			return c.store.Link(ctx, workspace, links, head)
		})
		switch {
		case fault.Is(err, fault.Conflict): // another process is linking
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// extend returns the links of new entries, and the head after them.
func (c *Chain) extend(workspace string, head Head, entries []Entry) ([]Link, Head, error) {
	head.First = max(head.First, 1)
	links := make([]Link, 0, len(entries))
	for _, e := range entries {
		if !c.isNew(e) {
			return nil, head, fault.New(fault.Internal, "The audit event %s of workspace %q was changed or inserted before it was linked; nothing is linked.", e.ID, workspace)
		}
		head.Count++
		head.Last = c.linkMAC(workspace, head.Count, head.Last, e.Seal)
		links = append(links, Link{Number: head.Count, EntryID: e.ID, MAC: head.Last})
	}
	head.MAC = c.headMAC(workspace, head)
	return links, head, nil
}

// withHead runs fn in a transaction that has locked the head of a chain. It
// returns conflict when another process has the lock, and internal for a head
// that is not authentic.
func (c *Chain) withHead(ctx context.Context, workspace string, fn func(ctx context.Context, head Head) error) error {
	return c.store.InOwnTx(ctx, func(ctx context.Context) error {
		head, err := c.store.LockHead(ctx, workspace)
		if err != nil {
			return err
		}
		if !c.authentic(workspace, head) {
			return headChanged(workspace)
		}
		if head.zero() {
			linked, err := c.store.Linked(ctx, workspace, math.MinInt64, 1)
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

func headChanged(workspace string) error {
	return fault.New(fault.Internal, "The head of the audit chain of workspace %q was changed; nothing is added to it or dropped from it.", workspace)
}
