package registry

import (
	"context"
	"time"
)

// Store keeps providers and models. Every method but InTx is scoped to a
// workspace: what belongs to another one is not found. Ids are UUIDs in their
// canonical form. When the database cannot be reached every method returns a
// fault of kind unavailable.
type Store interface {
	// InTx runs fn in one transaction: everything done with the context it is
	// handed, whoever owns the rows, is committed together, or not at all when
	// fn returns an error. Nested calls join the outer transaction. When two
	// transactions collide, one is undone and its fn runs again.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	// Providers returns up to q.Limit providers after q.After, in the order of
	// q.Sort, each with its models ordered by creation; one query brings the
	// models of the whole page.
	Providers(ctx context.Context, workspace string, q ProviderQuery) ([]Provider, error)
	// Provider returns one provider with its models. It returns not_found.
	Provider(ctx context.Context, workspace, id string) (Provider, error)
	// LockProvider is Provider, and keeps other writers away from the provider
	// and its models until the transaction ends.
	LockProvider(ctx context.Context, workspace, id string) (Provider, error)
	// CreateProvider adds a provider with its models. It returns name_taken.
	CreateProvider(ctx context.Context, p Provider) error
	// UpdateProvider writes every column of a locked provider, and makes its
	// models the given list: models are added, changed and removed by id. It
	// returns name_taken, model_exists and not_found.
	UpdateProvider(ctx context.Context, p Provider) error
	// DeleteProvider removes a provider, its models and its credentials. It
	// returns not_found.
	DeleteProvider(ctx context.Context, workspace, id string) error

	// Models returns up to q.Limit models after q.After, in the order of
	// q.Sort, each with the facts of its provider.
	Models(ctx context.Context, workspace string, q ModelQuery) ([]Model, error)
	// Model returns one model with the facts of its provider. It returns
	// not_found.
	Model(ctx context.Context, workspace, id string) (Model, error)

	// RecordTest writes the outcome of a test: last_test of the model, where
	// the model still has the given model id, and its provider the given
	// connection version.
	RecordTest(ctx context.Context, workspace, id, modelID string, connectionVersion int64, last LastTest) error
	// RecordHealth sets or, with nil, clears the provider's error, where the
	// provider still has the given connection version. It reports whether it
	// has. Neither raises an edit version nor touches updated_at.
	RecordHealth(ctx context.Context, workspace, id string, connectionVersion int64, health *ProviderError) (bool, error)
}

// ProviderQuery selects and orders providers. Zero values select everything.
type ProviderQuery struct {
	Search string // substring of the folded name, itself folded
	Type   string
	Status Status
	Sort   Sort
	After  *Position
	Limit  int
}

// ModelQuery selects and orders models. Zero values select everything.
type ModelQuery struct {
	Search         string // substring of the folded display name or of the folded model id
	Stage          Stage
	Enabled        *bool
	ProviderID     string
	ProviderType   string
	ProviderStatus Status
	// Available: model and provider are both switched on; false selects the rest.
	Available *bool
	Sort      Sort
	After     *Position
	Limit     int
}

// Sort is the order of a list. Equal rows are ordered by id, in the same
// direction.
type Sort string

// The orders. Names are compared folded; see [Fold].
const (
	SortName        Sort = "name"
	SortNameDesc    Sort = "-name"
	SortCreated     Sort = "created_at"
	SortCreatedDesc Sort = "-created_at"
)

// Position is the last row of a page: the value it was sorted by, and its id.
type Position struct {
	Name      string    `json:"n,omitempty"` // folded
	CreatedAt time.Time `json:"c,omitzero"`
	ID        string    `json:"i"`
}
