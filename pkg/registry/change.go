package registry

import (
	"context"
	"slices"
	"time"

	"modelproviders/pkg/fault"
)

// Change is what happened to a provider or a model. It is stored in the transaction of
// its write, and numbered after that has committed.
type Change struct {
	ID        string // UUIDv7
	Workspace string
	// Number is consecutive in the workspace. The changes of a provider and its models are
	// numbered in the order of commits.
	Number          int64
	At              time.Time // UTC, whole milliseconds
	Resource        ChangeResource
	ResourceID      string
	ProviderID      string
	Action          ChangeAction
	Version         int64 // of the resource
	ProviderVersion int64

	// Status is the status of a provider after the change, and "deleted" of a deleted one.
	// Of a model it is "enabled", "disabled" or "deleted" if an edit changed that.
	Status string
	// Kind is the kind of the provider's error, if Status is [Error].
	Kind string
	// References is the number of references to the model, or to all models of the
	// provider, before the change.
	References int
}

// ChangeResource is what a change is about.
type ChangeResource string

// The resources of changes. A change of a provider covers its models.
const (
	ProviderResource ChangeResource = "provider"
	ModelResource    ChangeResource = "model"
)

// ChangeAction is what happened to the resource of a change.
type ChangeAction string

// The actions of changes.
const (
	Created       ChangeAction = "created"
	Updated       ChangeAction = "updated"
	Deleted       ChangeAction = "deleted"
	StatusChanged ChangeAction = "status_changed"
	Verified      ChangeAction = "verified" // the status of a stage check of a model changed
)

// ChangePosition is the position of a reader: the last change that it has read. The zero
// value is the position before the first change.
type ChangePosition struct {
	Number int64
	ID     string
}

// Position returns the position after the change.
func (c Change) Position() ChangePosition { return ChangePosition{Number: c.Number, ID: c.ID} }

// ChangeStore stores changes.
type ChangeStore interface {
	// ChangesAfter returns up to limit numbered changes after a position. It returns gone if
	// they are not all stored any more, or if the position is not one of this database.
	ChangesAfter(ctx context.Context, workspace string, after ChangePosition, limit int) ([]Change, error)
	// NotedChanges returns a channel that has a value when this process has noted changes,
	// and their transactions have committed.
	NotedChanges() <-chan struct{}
	// UnnumberedWorkspaces returns the workspaces with changes that are not numbered.
	UnnumberedWorkspaces(ctx context.Context) ([]string, error)
	// NumberChanges numbers the changes of workspaces, and of those in which this process has
	// noted some. It returns the workspaces with newly numbered changes, of this call or, on
	// SQLite, of the transactions that noted them.
	NumberChanges(ctx context.Context, workspaces ...string) ([]string, error)
	// ListenForChanges calls fn with the workspaces in which a process has numbered changes.
	// It first calls listening, after which it misses none. It returns
	// [errors.ErrUnsupported] if the database can't tell, and otherwise only after an error.
	ListenForChanges(ctx context.Context, listening func(), fn func(workspace string)) error
	// ChangeEnds returns the ids of the last changes of workspaces that have any.
	ChangeEnds(ctx context.Context, workspaces []string) (map[string]string, error)
	// DropChanges removes the changes before a time, except the last one before it of each
	// workspace.
	DropChanges(ctx context.Context, before time.Time) error
}

// ChangesGone returns the fault of a position from which changes can't be read.
func ChangesGone() *fault.Error {
	return fault.New(fault.Gone, "The changes after this cursor are no longer known. List providers and models again, and follow from a new cursor.")
}

// Changes returns what a write makes of a provider, in the order in which it is stored. A
// provider without an id before the write is new, and one without an id after it is
// deleted. The status of a model in use is a change of its own even if one of the provider
// covers it, because receivers of webhooks must be told of it.
func Changes(before, after Provider, at time.Time) []Change {
	var c Change
	switch {
	case before.ID == "":
		c = after.change(Created, at)
	case after.ID == "":
		c = before.change(Deleted, at)
		c.Status, c.Kind = "deleted", ""
	case before.Status() != after.Status():
		c = after.change(StatusChanged, at)
	case before.Name != after.Name || before.Connection != after.Connection:
		c = after.change(Updated, at)
	default:
		return modelChanges(before, after, at)
	}
	c.References = before.ModelCounts().References
	changes := []Change{c}
	if before.ID != "" && after.ID != "" {
		ofModels := modelChanges(before, after, at)
		changes = append(changes, slices.DeleteFunc(ofModels, func(c Change) bool { return !c.Webhook() })...)
	}
	return changes
}

func modelChanges(before, after Provider, at time.Time) (changes []Change) {
	for _, m := range before.Models {
		if indexOf(after.Models, m.ID) < 0 {
			c := m.change(after, Deleted, at)
			c.Status = "deleted"
			changes = append(changes, c)
		}
	}
	for _, m := range after.Models {
		i := indexOf(before.Models, m.ID)
		switch {
		case i < 0:
			changes = append(changes, m.change(after, Created, at))
		case before.Models[i].Version != m.Version:
			c := m.change(after, Updated, at)
			if before.Models[i].Enabled != m.Enabled {
				c.Status = map[bool]string{true: "enabled", false: "disabled"}[m.Enabled]
			}
			changes = append(changes, c)
		}
	}
	return changes
}

// change returns a change of the provider.
func (p Provider) change(action ChangeAction, at time.Time) Change {
	c := Change{
		ID: newID(), Workspace: p.Workspace, At: at, Resource: ProviderResource, ResourceID: p.ID, ProviderID: p.ID,
		Action: action, Version: p.Version, ProviderVersion: p.Version, Status: string(p.Status()),
	}
	if p.Status() == Error {
		c.Kind = p.Error.Kind
	}
	return c
}

// change returns a change of a model of p.
func (m Model) change(p Provider, action ChangeAction, at time.Time) Change {
	return Change{
		ID: newID(), Workspace: p.Workspace, At: at, Resource: ModelResource, ResourceID: m.ID, ProviderID: p.ID,
		Action: action, Version: m.Version, ProviderVersion: p.Version, References: m.References,
	}
}

// ChangesAfter returns up to limit changes after a position, which the caller must not
// change. It returns gone if they are not all known any more, or if the position is not one
// of this database.
func (r *Registry) ChangesAfter(ctx context.Context, workspace string, after ChangePosition, limit int) ([]Change, error) {
	if recent, known := r.feeds.recent(workspace, after, limit); known {
		return recent, nil
	}
	return r.store.ChangesAfter(ctx, workspace, after, limit)
}

// WaitForChange returns when there may be changes after a position, or with the error of
// ctx. It needs no connection to the database, and while somebody waits, [Registry.ChangesAfter]
// seldom does: one query reads the new changes of a workspace for all who wait.
func (r *Registry) WaitForChange(ctx context.Context, workspace string, after ChangePosition) error {
	feed, moved := r.feeds.enter(workspace, after)
	if feed == nil {
		return nil
	}
	defer r.feeds.leave(feed)
	select {
	case <-moved:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
