package registry

import (
	"context"
	"errors"
	"time"

	"modelproviders/pkg/fault"
)

const (
	// numberEvery is how often changes are looked for that were not numbered by the process
	// that noted them.
	numberEvery = 200 * time.Millisecond
	// pollEvery is how often changes are looked for if the database does not tell of them, and
	// pollListening if it does, because a connection can be lost without notice.
	pollEvery     = 250 * time.Millisecond
	pollListening = 5 * time.Second
)

// The methods below are background jobs. Each is called again when it has returned.

// NumberChanges waits until this process has noted changes, or until it is time to look for
// those of other processes, and then numbers changes.
func (r *Registry) NumberChanges(ctx context.Context) error {
	select {
	case <-r.store.NotedChanges():
		return r.number(ctx, nil)
	case <-time.After(time.Until(r.feeds.swept.Add(numberEvery))):
		r.feeds.swept = time.Now()
		return r.NumberAllChanges(ctx)
	case <-ctx.Done():
		return nil
	}
}

// NumberAllChanges numbers the changes of all processes.
func (r *Registry) NumberAllChanges(ctx context.Context) error {
	unnumbered, err := r.store.UnnumberedWorkspaces(ctx)
	if err != nil {
		return err
	}
	return r.number(ctx, unnumbered)
}

func (r *Registry) number(ctx context.Context, workspaces []string) error {
	numbered, err := r.store.NumberChanges(ctx, workspaces...)
	if !r.feeds.listening.Load() {
		r.feeds.look(numbered...)
	}
	return err
}

// ListenForChanges makes feeds look when the database tells of changes. It begins when there
// is a reader, so that a service without readers needs no connection for it.
func (r *Registry) ListenForChanges(ctx context.Context) error {
	select {
	case <-r.feeds.needed:
	case <-ctx.Done():
		return nil
	}
	defer r.feeds.listening.Store(false)
	err := r.store.ListenForChanges(ctx, func() {
		r.feeds.listening.Store(true)
		r.feeds.look(r.feeds.workspaces()...) // for what happened while it did not listen
	}, func(workspace string) { r.feeds.look(workspace) })
	if errors.Is(err, errors.ErrUnsupported) {
		<-ctx.Done()
		return nil
	}
	return err
}

// ReadChanges waits until a feed is behind, at most for a while, and reads what feeds lack.
func (r *Registry) ReadChanges(ctx context.Context) error {
	every := pollEvery
	if r.feeds.listening.Load() {
		every = pollListening
	}
	select {
	case <-r.feeds.wake:
	case <-time.After(time.Until(r.feeds.polled.Add(every))):
		r.feeds.polled = time.Now()
		if err := r.pollChanges(ctx); err != nil {
			return err
		}
	case <-ctx.Done():
		return nil
	}
	for _, workspace := range r.feeds.workspaces() {
		if err := r.readFeed(ctx, workspace); err != nil {
			return err
		}
	}
	return nil
}

// pollChanges drops feeds that nobody uses, and makes others look whose end is not that of
// their workspace.
func (r *Registry) pollChanges(ctx context.Context) error {
	r.feeds.dropIdle()
	workspaces := r.feeds.workspaces()
	if len(workspaces) == 0 {
		return nil
	}
	ends, err := r.store.ChangeEnds(ctx, workspaces)
	if err == nil {
		r.feeds.compare(ends)
	}
	return err
}

// readFeed reads what the feed of a workspace lacks.
func (r *Registry) readFeed(ctx context.Context, workspace string) error {
	for {
		end, behind := r.feeds.catchUp(workspace)
		if !behind {
			return nil
		}
		changes, err := r.store.ChangesAfter(ctx, workspace, end, maxRecent)
		if fault.Is(err, fault.Gone) {
			r.feeds.drop(workspace)
			return nil
		}
		if err != nil {
			r.feeds.look(workspace)
			return err
		}
		r.feeds.add(workspace, changes)
	}
}
