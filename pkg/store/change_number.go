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
// at a time, a trigger numbers them.

const (
	maxNumbered   = 2000 // changes that one transaction numbers
	maxWorkspaces = 100  // of which one transaction numbers changes
	numberAgain   = 5 * time.Millisecond
)

// unnumbered are the workspaces in which this process has noted changes.
type unnumbered struct {
	wake chan struct{} // has a value if there are workspaces

	mu         sync.Mutex
	workspaces map[string]bool
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

func (u *unnumbered) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
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
	if s.engine.tryLocks == "" {
		return nil, nil
	}
	return s.workspacesOf(ctx, "changes", " AND number IS NULL")
}

// NumberChanges implements [registry.ChangeStore].
func (s *Store) NumberChanges(ctx context.Context, workspaces ...string) (numbered []string, err error) {
	workspaces = append(workspaces, s.unnumbered.take()...)
	if s.engine.tryLocks == "" {
		return workspaces, nil
	}
	slices.Sort(workspaces)
	for some := range slices.Chunk(slices.Compact(workspaces), maxWorkspaces) {
		err := s.InTx(ctx, func(ctx context.Context) error {
			done, err := s.numberChanges(ctx, some)
			numbered = append(numbered, done...)
			return err
		})
		if err != nil {
			return numbered, err
		}
	}
	return numbered, nil
}

// numberChanges numbers the changes of the workspaces $1, whose locks the transaction has.
// It notifies every process, itself included. Webhooks are due by the clock of the
// database; that of the process that noted a change may be ahead.
const numberChanges = `WITH c AS (
		SELECT workspace, id, provider_id, provider_change FROM changes WHERE workspace = ANY($1) AND number IS NULL
		ORDER BY workspace, provider_id, provider_change LIMIT $2
	), n AS (
		SELECT workspace, id, coalesce((SELECT max(h.number) FROM changes h WHERE h.workspace = c.workspace), 0)
			+ row_number() OVER (PARTITION BY workspace ORDER BY provider_id, provider_change) AS number
		FROM c
	), numbered AS (
		UPDATE changes SET number = n.number, webhook_due_at = CASE WHEN webhook_due_at > now() THEN now() ELSE webhook_due_at END
		FROM n WHERE changes.workspace = n.workspace AND changes.id = n.id RETURNING changes.workspace
	)
	SELECT workspace, pg_notify('` + changesChannel + `', workspace) FROM numbered GROUP BY workspace`

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
	var workspace string
	var locked []string
	err = s.each(ctx, s.engine.tryLocks, []any{workspaces, locks}, []any{&workspace}, func() error {
		locked = append(locked, workspace)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(locked) < len(workspaces) {
		busy := slices.DeleteFunc(slices.Clone(workspaces), func(w string) bool { return slices.Contains(locked, w) })
		time.AfterFunc(numberAgain, func() { s.unnumbered.add(busy...) })
	}
	if len(locked) == 0 {
		return nil, nil
	}
	// Only this statement sees what the previous holders of the locks have committed.
	err = s.each(ctx, numberChanges, []any{locked, maxNumbered}, []any{&workspace, new(any)}, func() error {
		numbered = append(numbered, workspace)
		return nil
	})
	return numbered, err
}
