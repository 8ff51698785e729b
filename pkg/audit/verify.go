package audit

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"
)

// Break is the first thing that is wrong with the chain of a workspace.
type Break struct {
	Workspace string
	Number    int64  // of the link; 0 when the fault is not at a link
	EventID   string // empty when no event is concerned
	Reason    string
}

// String says the break in a line.
func (b Break) String() string {
	s := fmt.Sprintf("workspace %q", b.Workspace)
	if b.Number > 0 {
		s += fmt.Sprintf(", link %d", b.Number)
	}
	if b.EventID != "" {
		s += ", event " + b.EventID
	}
	return s + ": " + b.Reason
}

// Report is the outcome of verifying one chain.
type Report struct {
	Workspace string
	Links     int64
	Break     *Break // nil: the chain is whole
}

// linkWithin is how long an event may wait to be linked.
const linkWithin = time.Second

// Verify checks the chain of every workspace, each up to its first break. Events
// may be added, linked and dropped meanwhile.
func (l *Log) Verify(ctx context.Context) ([]Report, error) {
	workspaces, err := l.store.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	reports := make([]Report, 0, len(workspaces))
	for _, workspace := range workspaces {
		report, err := l.verify(ctx, workspace)
		if err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

// verify checks one chain, again where old events were dropped while it did: the
// links it was to read were gone.
func (l *Log) verify(ctx context.Context, workspace string) (Report, error) {
	for {
		head, err := l.store.Head(ctx, workspace)
		if err != nil {
			return Report{}, err
		}
		report, err := l.verifyFrom(ctx, workspace, head)
		if err != nil || report.Break == nil {
			return report, err
		}
		now, err := l.store.Head(ctx, workspace)
		if err != nil || now.First == head.First || !l.key.headed(workspace, now) {
			return report, err
		}
	}
}

func (l *Log) verifyFrom(ctx context.Context, workspace string, head Head) (Report, error) {
	report := Report{Workspace: workspace}
	if !l.key.headed(workspace, head) {
		report.Break = &Break{Workspace: workspace, Reason: "the head of the chain was changed"}
		return report, nil
	}
	var err error
	report.Break, err = l.walk(ctx, workspace, head, func(batch []Event) (bool, error) {
		report.Links += int64(len(batch))
		return true, nil
	})
	for _, check := range []func(context.Context, string, Head) (*Break, error){l.outside, l.waiting} {
		if err == nil && report.Break == nil {
			report.Break, err = check(ctx, workspace, head)
		}
	}
	return report, err
}

// walk checks the links of a chain, and hands each batch that is whole to next,
// until that wants no more. Links that are added meanwhile are not its business.
func (l *Log) walk(ctx context.Context, workspace string, head Head, next func(batch []Event) (bool, error)) (*Break, error) {
	number, last := max(head.First, 1), head.Base
	for number <= head.Count {
		batch, err := l.store.Linked(ctx, workspace, number, batchSize)
		if err != nil {
			return nil, err
		}
		for len(batch) > 0 && batch[len(batch)-1].Number > head.Count {
			batch = batch[:len(batch)-1]
		}
		if len(batch) == 0 {
			return &Break{Workspace: workspace, Number: number, Reason: "the event is missing: the end of the chain was cut off"}, nil
		}
		for _, e := range batch {
			if broken := l.key.broken(workspace, number, last, e); broken != nil {
				return broken, nil
			}
			number, last = number+1, e.LinkMAC
		}
		if more, err := next(batch); err != nil || !more {
			return nil, err
		}
	}
	if !bytes.Equal(last, head.Last) {
		return &Break{Workspace: workspace, Number: head.Count, Reason: "the end of the chain is not the one that its head names"}, nil
	}
	return nil, nil
}

// broken tells what is wrong with the event that should have a number and come
// after the link with the MAC last.
func (k chainKey) broken(workspace string, number int64, last []byte, e Event) *Break {
	b := &Break{Workspace: workspace, Number: number, EventID: e.ID}
	switch {
	case e.Number != number:
		b.EventID, b.Reason = "", "the event was removed"
	case !k.sealed(e):
		b.Reason = "the event was changed"
	case !bytes.Equal(k.link(workspace, number, last, e.Seal), e.LinkMAC):
		b.Reason = "the link was changed, or events were put in another order"
	default:
		return nil
	}
	return b
}

// outside looks for events with numbers that are not of the chain. A linker
// numbers events and writes the head together: what is there of them after the
// head is known to the head that is read after them.
func (l *Log) outside(ctx context.Context, workspace string, head Head) (*Break, error) {
	lowest, err := l.store.Linked(ctx, workspace, math.MinInt64, 1)
	if err != nil {
		return nil, err
	}
	beyond, err := l.store.Linked(ctx, workspace, head.Count+1, batchSize)
	if err != nil || len(lowest) == 0 {
		return nil, err
	}
	now, err := l.store.Head(ctx, workspace)
	if err != nil {
		return nil, err
	}
	for _, e := range append(lowest, beyond...) {
		if e.Number < max(head.First, 1) || e.Number > now.Count {
			return &Break{Workspace: workspace, Number: e.Number, EventID: e.ID,
				Reason: "the event is not part of the chain: it was inserted, or the head was put back or removed"}, nil
		}
	}
	return nil, nil
}

// waiting looks at the events that are not linked yet. Where one has waited too
// long it looks again a second later: its transaction may have ended just now.
func (l *Log) waiting(ctx context.Context, workspace string, _ Head) (*Break, error) {
	late := ""
	for {
		events, err := l.store.Unlinked(ctx, workspace, batchSize)
		if err != nil {
			return nil, err
		}
		found := ""
		for _, e := range events {
			switch {
			case !l.key.isFresh(e):
				return &Break{Workspace: workspace, EventID: e.ID, Reason: "the event was changed or inserted before it was linked"}, nil
			case found == "" && l.now().Sub(e.At) > linkWithin:
				found = e.ID
			}
		}
		switch {
		case found == "", late != "" && found != late:
			return nil, nil
		case found == late:
			return &Break{Workspace: workspace, EventID: found, Reason: "the event has waited for its link for more than a second: is the service running?"}, nil
		}
		late = found
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(linkWithin):
		}
	}
}
