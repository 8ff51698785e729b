package audit

import (
	"bytes"
	"context"
	"fmt"
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

// Verify checks the chain of every workspace, each up to its first break.
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

// verify walks one chain. It reads the head first: links that are added
// meanwhile are not its business.
func (l *Log) verify(ctx context.Context, workspace string) (Report, error) {
	report := Report{Workspace: workspace}
	broken := func(number int64, event, reason string) (Report, error) {
		report.Break = &Break{Workspace: workspace, Number: number, EventID: event, Reason: reason}
		return report, nil
	}
	head, err := l.store.Head(ctx, workspace)
	if err != nil {
		return report, err
	}
	if !l.key.headed(workspace, head) {
		return broken(0, "", "the head of the chain was changed")
	}
	last, next := head.Base, max(head.First, 1)
	for next <= head.Count {
		links, err := l.store.Links(ctx, workspace, next, batchSize)
		if err != nil {
			return report, err
		}
		if len(links) == 0 {
			return broken(next, "", "the link is missing: the end of the chain was cut off")
		}
		for _, link := range links {
			if next > head.Count {
				break // added meanwhile
			}
			switch {
			case link.Number != next:
				return broken(next, "", "the link is missing")
			case link.Event.ID == "":
				return broken(next, link.EventID, "the event was removed")
			case !l.key.sealed(link.Event):
				return broken(next, link.EventID, "the event was changed")
			case !bytes.Equal(l.key.link(workspace, next, last, link.Event.Seal), link.MAC):
				return broken(next, link.EventID, "the link was changed, or events were put in another order")
			}
			last, next = link.MAC, next+1
			report.Links++
		}
	}
	if !bytes.Equal(last, head.Last) {
		return broken(head.Count, "", "the end of the chain is not the one that its head names")
	}
	return l.verifyRest(ctx, workspace, report)
}

// verifyRest looks at the events that no link tells of.
func (l *Log) verifyRest(ctx context.Context, workspace string, report Report) (Report, error) {
	strays, err := l.store.Strays(ctx, workspace, 1)
	if err != nil {
		return report, err
	}
	if len(strays) > 0 {
		report.Break = &Break{Workspace: workspace, EventID: strays[0].ID, Reason: "the event was inserted: the chain does not know it"}
		return report, nil
	}
	waiting, err := l.store.Unlinked(ctx, workspace, batchSize)
	if err != nil {
		return report, err
	}
	for _, e := range waiting {
		switch {
		case !l.key.sealed(e):
			report.Break = &Break{Workspace: workspace, EventID: e.ID, Reason: "the event was changed or inserted before it was linked"}
			return report, nil
		case l.now().Sub(e.At) > linkWithin:
			report.Break = &Break{Workspace: workspace, EventID: e.ID, Reason: "the event has waited for its link for more than a second: is the service running?"}
			return report, nil
		}
	}
	return report, nil
}
