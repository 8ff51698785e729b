package chain

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"
)

// Report is the outcome of verifying the chain of a workspace.
type Report struct {
	Workspace string `json:"workspace"`
	Links     int64  `json:"links"`
	Break     *Break `json:"break"` // nil: the chain is intact
}

// Break is the first thing that is wrong with a chain.
type Break struct {
	Number  int64  `json:"link"`     // 0 if there is no link
	EntryID string `json:"event_id"` // empty if there is no entry
	Reason  string `json:"reason"`
}

// String describes the break in one line, as in `link 7, event 0199…: the event was
// changed`.
func (b Break) String() string {
	switch {
	case b.Number > 0 && b.EntryID != "":
		return fmt.Sprintf("link %d, event %s: %s", b.Number, b.EntryID, b.Reason)
	case b.Number > 0:
		return fmt.Sprintf("link %d: %s", b.Number, b.Reason)
	case b.EntryID != "":
		return fmt.Sprintf("event %s: %s", b.EntryID, b.Reason)
	}
	return b.Reason
}

// linkWithin is how long an entry may wait to be linked.
const linkWithin = time.Second

// Verify checks the chain of every workspace, each up to its first break. Entries
// may be added, linked and dropped at the same time.
func (c *Chain) Verify(ctx context.Context) ([]Report, error) {
	workspaces, err := c.store.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	reports := make([]Report, len(workspaces))
	for i, workspace := range workspaces {
		if reports[i], err = c.verify(ctx, workspace); err != nil {
			return nil, err
		}
	}
	return reports, nil
}

// verify checks one chain. If it finds a break after entries were dropped in the
// meantime, it checks again, because the missing links may be dropped ones.
func (c *Chain) verify(ctx context.Context, workspace string) (Report, error) {
	for {
		head, err := c.store.Head(ctx, workspace)
		if err != nil {
			return Report{}, err
		}
		report, err := c.verifyFrom(ctx, workspace, head)
		if err != nil || report.Break == nil {
			return report, err
		}
		now, err := c.store.Head(ctx, workspace)
		if err != nil || now.First == head.First || !c.authentic(workspace, now) {
			return report, err
		}
	}
}

func (c *Chain) verifyFrom(ctx context.Context, workspace string, head Head) (report Report, err error) {
	report.Workspace = workspace
	if !c.authentic(workspace, head) {
		report.Break = &Break{Reason: "the head of the chain was changed"}
		return report, nil
	}
	report.Break, err = c.walk(ctx, workspace, head, func(batch []Entry) (bool, error) {
		report.Links += int64(len(batch))
		return true, nil
	})
	if err == nil && report.Break == nil {
		report.Break, err = c.outside(ctx, workspace, head)
	}
	if err == nil && report.Break == nil {
		report.Break, err = c.waiting(ctx, workspace)
	}
	return report, err
}

// walk checks the links of a chain up to its head, and passes each intact batch
// to next until that returns false. With each batch it reads the entry that
// follows: it must not have the number of the last one in the batch.
func (c *Chain) walk(ctx context.Context, workspace string, head Head, next func(batch []Entry) (bool, error)) (*Break, error) {
	number, last := max(head.First, 1), head.Base
	for number <= head.Count {
		size := int(min(batchSize, head.Count-number+1))
		batch, err := c.store.Linked(ctx, workspace, number, size+1)
		if err != nil {
			return nil, err
		}
		if len(batch) == 0 {
			return &Break{Number: number, Reason: "the event is missing: the end of the chain was cut off"}, nil
		}
		for i, e := range batch {
			if i == size && e.Number >= number {
				batch = batch[:size]
				break
			}
			if broken := c.broken(workspace, number, last, e); broken != nil {
				return broken, nil
			}
			number, last = number+1, e.MAC
		}
		if more, err := next(batch); err != nil || !more {
			return nil, err
		}
	}
	if !bytes.Equal(last, head.Last) {
		return &Break{Number: head.Count, Reason: "the last link is not the one in the head of the chain"}, nil
	}
	return nil, nil
}

// broken returns what is wrong with the entry that should have a number and
// follow the link with the MAC last.
func (c *Chain) broken(workspace string, number int64, last []byte, e Entry) *Break {
	b := &Break{Number: number, EntryID: e.ID}
	switch {
	case e.Number < number: // the number of the entry before
		b.Number, b.Reason = e.Number, "another event has the same number"
	case e.Number > number:
		b.EntryID, b.Reason = "", "the event was removed"
	case !c.sealed(e):
		b.Reason = "the event was changed"
	case !bytes.Equal(c.linkMAC(workspace, number, last, e.Seal), e.MAC):
		b.Reason = "the link was changed, or events were put in another order"
	default:
		return nil
	}
	return b
}

// outside looks for numbered entries that are not part of the chain. Entries are
// numbered in the transaction that writes the head. Entries that were linked since
// head was read are therefore part of the head that is read last here.
func (c *Chain) outside(ctx context.Context, workspace string, head Head) (*Break, error) {
	lowest, err := c.store.Linked(ctx, workspace, math.MinInt64, 1)
	if err != nil {
		return nil, err
	}
	beyond, err := c.store.Linked(ctx, workspace, head.Count+1, batchSize)
	if err != nil || len(lowest) == 0 {
		return nil, err
	}
	now, err := c.store.Head(ctx, workspace)
	if err != nil {
		return nil, err
	}
	for _, e := range append(lowest, beyond...) {
		if e.Number < max(head.First, 1) || e.Number > now.Count {
			return &Break{Number: e.Number, EntryID: e.ID,
				Reason: "the event is not part of the chain: it was inserted, or the head was removed or replaced by an older one"}, nil
		}
	}
	return nil, nil
}

// waiting checks the entries that are not linked yet. If one has waited too long,
// waiting checks again a second later, because the transaction that added the entry
// may have committed just now.
func (c *Chain) waiting(ctx context.Context, workspace string) (*Break, error) {
	for late := ""; ; {
		entries, err := c.store.Unlinked(ctx, workspace, batchSize)
		if err != nil {
			return nil, err
		}
		found := ""
		for _, e := range entries {
			switch {
			case !c.isNew(e):
				return &Break{EntryID: e.ID, Reason: "the event was changed or inserted before it was linked"}, nil
			case found == "" && c.now().Sub(e.At) > linkWithin:
				found = e.ID
			}
		}
		switch {
		case found == "", late != "" && found != late:
			return nil, nil
		case found == late:
			return &Break{EntryID: found, Reason: "the event was not linked within a second; check that the service is running"}, nil
		}
		late = found
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(linkWithin):
		}
	}
}
