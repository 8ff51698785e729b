package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// On PostgreSQL, changes are numbered after their transactions have committed: a number that
// is taken before the commit is no order of commits. On SQLite, where transactions run one
// at a time, they are numbered when they are noted.

const (
	maxNumbered   = 2000 // changes that one statement numbers
	maxWorkspaces = 100  // of which one statement numbers changes
	numberAgain   = 5 * time.Millisecond
	// numberPause is the least time between the beginnings of two statements. Under load,
	// one numbers the changes of many transactions.
	numberPause = 10 * time.Millisecond
)

// unnumbered are the workspaces in which this process has noted changes.
type unnumbered struct {
	wake chan struct{} // has a value if there are workspaces

	mu         sync.Mutex
	workspaces map[string]bool
	taken      time.Time // when they were last taken
}

func (u *unnumbered) add(workspaces ...string) {
	if len(workspaces) == 0 {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.workspaces == nil {
		u.workspaces = map[string]bool{}
	}
	for _, workspace := range workspaces {
		u.workspaces[workspace] = true
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

// pause returns how long to wait before taking again.
func (u *unnumbered) pause() time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Until(u.taken.Add(numberPause))
}

func (u *unnumbered) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.taken = time.Now()
	taken := slices.Collect(maps.Keys(u.workspaces))
	clear(u.workspaces)
	return taken
}

// wakeNumberer makes [Store.NumberChanges] look at a workspace, after the transaction of the
// context has committed.
func (s *Store) wakeNumberer(ctx context.Context, workspace string) {
	if t := s.transaction(ctx); t != nil {
		t.noted = append(t.noted, workspace)
		return
	}
	s.unnumbered.add(workspace)
}

// NotedChanges implements [registry.ChangeStore].
func (s *Store) NotedChanges() <-chan struct{} { return s.unnumbered.wake }

// UnnumberedWorkspaces implements [registry.ChangeStore].
func (s *Store) UnnumberedWorkspaces(ctx context.Context) ([]string, error) {
	if s.engine.lastChange != "" {
		return nil, nil
	}
	return s.workspacesOf(ctx, "changes", " AND number IS NULL")
}

// NumberChanges implements [registry.ChangeStore].
func (s *Store) NumberChanges(ctx context.Context, workspaces ...string) (numbered []string, err error) {
	if s.engine.lastChange != "" {
		return append(workspaces, s.unnumbered.take()...), nil
	}
	select {
	case <-time.After(s.unnumbered.pause()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	workspaces = append(workspaces, s.unnumbered.take()...)
	slices.Sort(workspaces)
	for some := range slices.Chunk(slices.Compact(workspaces), maxWorkspaces) {
		done, err := s.numberChanges(ctx, some)
		if err != nil {
			return numbered, err
		}
		numbered = append(numbered, done...)
	}
	return numbered, nil
}

// numberChanges numbers up to $3 changes of the workspaces $1, except those of workspaces
// whose locks, $2, another process has. It notifies every process, itself included. Webhooks
// are due by the clock of the database; that of the process that noted a change may be ahead.
//
// It may not see what the previous holder of a lock has numbered. It does not number those
// changes again, and if it gives a number of theirs to another change, it fails with a
// violation of changes_number.
const numberChanges = `WITH l AS MATERIALIZED (
		SELECT workspace, (SELECT coalesce(max(c.number), 0) FROM changes c WHERE c.workspace = w.workspace) AS number
		FROM unnest($1::text[], $2::bigint[]) AS w(workspace, lock) WHERE pg_try_advisory_xact_lock(lock)
	), c AS (
		SELECT c.workspace, c.provider_id, c.provider_change, l.number FROM l JOIN changes c ON c.workspace = l.workspace
		WHERE c.number IS NULL ORDER BY c.workspace, c.provider_id, c.provider_change LIMIT $3
	), n AS (
		SELECT workspace, provider_id, provider_change,
			number + row_number() OVER (PARTITION BY workspace ORDER BY provider_id, provider_change) AS number
		FROM c
	), numbered AS (
		UPDATE changes SET number = n.number, webhook_due_at = CASE WHEN webhook_due_at > now() THEN now() ELSE webhook_due_at END
		FROM n WHERE changes.workspace = n.workspace AND changes.provider_id = n.provider_id
			AND changes.provider_change = n.provider_change AND changes.number IS NULL
		RETURNING changes.workspace
	)
	SELECT l.workspace, CASE WHEN count(numbered.workspace) > 0 THEN pg_notify('` + changesChannel + `', l.workspace)::text END
	FROM l LEFT JOIN numbered ON numbered.workspace = l.workspace GROUP BY l.workspace`

// changesChannel is the channel of notifications about numbered changes; the payload is the
// workspace.
const changesChannel = "modelproviders_changes"

// numberChanges numbers the changes of workspaces. Where another process is doing so, it may
// have missed the last ones, so this process soon tries again.
func (s *Store) numberChanges(ctx context.Context, workspaces []string) (numbered []string, err error) {
	locks := make([]int64, len(workspaces))
	for i, workspace := range workspaces {
		locks[i] = lockNumber("changes", workspace)
	}
	busy := slices.Clone(workspaces)
	var workspace string
	var notified *string
	err = s.each(ctx, numberChanges, []any{workspaces, locks, maxNumbered}, []any{&workspace, &notified}, func() error {
		busy = slices.DeleteFunc(busy, func(w string) bool { return w == workspace })
		if notified != nil {
			numbered = append(numbered, workspace)
		}
		return nil
	})
	if s.engine.violates(err, "changes_number", "") {
		err = nil
	}
	if err == nil {
		time.AfterFunc(numberAgain, func() { s.unnumbered.add(busy...) })
	}
	return numbered, err
}
