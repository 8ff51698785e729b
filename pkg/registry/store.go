package registry

import (
	"context"
	"time"

	"modelproviders/pkg/audit"
)

// Store stores providers and models. Its methods find only what belongs to the workspace.
// They return unavailable if the database cannot be reached. Only edits change versions
// and updated_at.
type Store interface {
	// InTx runs fn in a transaction: everything done with its context is committed
	// together, or not at all if fn returns an error. Nested calls join the outer
	// transaction. If two transactions collide, one is rolled back and its fn runs again.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	Reader
	ChangeStore

	// LockProvider is Provider, and locks the provider and its models for other
	// writers until the transaction ends.
	LockProvider(ctx context.Context, workspace, id string) (Provider, error)
	// CreateProvider adds a provider with its models, its change and the audit event. It
	// returns name_taken, and [ErrKeyChanged] if the key of its credentials does not seal.
	CreateProvider(ctx context.Context, p Provider, e audit.Event) error
	// UpdateProvider writes the edit of a locked provider, with the models whose id or
	// version differs, and the [Changes]. It clears the provider's error if the connection
	// version changed, and a model's last test if its model id changed. It returns
	// name_taken, model_exists, and [ErrKeyChanged] if the key of new credentials does not
	// seal.
	UpdateProvider(ctx context.Context, before, after Provider) error
	// DeleteProvider removes a locked provider with all that belongs to it, and notes the
	// change. It returns not_found.
	DeleteProvider(ctx context.Context, p Provider, at time.Time) error

	// SealingKey returns the id of the key that seals; see [KeyStore].
	SealingKey(ctx context.Context) (uint32, error)

	// ModelAndProvider returns one model without its [ModelProvider], and
	// that provider without its models. It returns not_found.
	ModelAndProvider(ctx context.Context, workspace, id string) (Model, Provider, error)

	// ProvidersByHash calls fn with each provider of a workspace of which a credential
	// has the hash, by creation. fn must not call the store.
	ProvidersByHash(ctx context.Context, workspace string, hash []byte, fn func(Provider) error) error

	// SetStageChecks writes the stage checks of a model of a locked provider, and notes
	// changes.
	SetStageChecks(ctx context.Context, p Provider, m Model, changes ...Change) error

	// References returns up to q.Limit references, ordered by model and ref.
	References(ctx context.Context, workspace string, q ReferenceQuery) ([]Reference, error)
	// PutReference adds a reference to a model of a locked provider, or changes the one
	// with the same ref.
	PutReference(ctx context.Context, workspace string, r Reference) error
	// DeleteReference removes a reference from a model of a locked provider.
	DeleteReference(ctx context.Context, workspace, modelID, ref string) error

	// RecordCall writes the result of a call to an upstream with its audit event, and a
	// change if the status of the provider changes.
	RecordCall(ctx context.Context, c Call) error
	// HasSpace returns unavailable while the database has no space for such results.
	HasSpace() error
}

// Reader reads providers, models and the end of their changes.
type Reader interface {
	// Providers returns a page of providers, each with its models ordered by creation, or
	// with Counts in a summary.
	Providers(ctx context.Context, workspace string, q ProviderQuery) ([]Provider, error)
	// CountProviders counts the providers on all pages.
	CountProviders(ctx context.Context, workspace string, q ProviderQuery) (int, error)
	// Provider returns one provider with its models. It returns not_found.
	Provider(ctx context.Context, workspace, id string) (Provider, error)
	// Models returns a page of models, each with its [ModelProvider].
	Models(ctx context.Context, workspace string, q ModelQuery) ([]Model, error)
	// CountModels counts the models on all pages.
	CountModels(ctx context.Context, workspace string, q ModelQuery) (int, error)
	// Model returns one model with its [ModelProvider]. It returns not_found.
	Model(ctx context.Context, workspace, id string) (Model, error)
	// ChangeEnd returns the position after the last change of a workspace.
	ChangeEnd(ctx context.Context, workspace string) (ChangePosition, error)
}

// ProviderQuery selects and orders providers. Zero values select everything.
type ProviderQuery struct {
	Name    string // the whole name, folded
	Search  string // substring of the folded name, itself folded
	Type    string
	Status  Status
	Summary bool // count the models instead of reading them
	Sort    Sort
	After   *Position
	Limit   int
}

// ModelQuery selects and orders models. Zero values select everything.
type ModelQuery struct {
	Search         string // substring of the folded display name or of the folded model id
	Stage          Stage
	Verified       *bool // of Stage: its last check passed; false selects the rest
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

// ReferenceQuery selects references.
type ReferenceQuery struct {
	ModelIDs []string
	Ref      string // only those with this ref, unless it is empty
	After    string // only those with a later ref
	Limit    int
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

// Position returns the position of a row in a list of this order.
func (s Sort) Position(nameKey string, created time.Time, id string) Position {
	if s == SortCreated || s == SortCreatedDesc {
		return Position{CreatedAt: created, ID: id}
	}
	return Position{Name: nameKey, ID: id}
}

// Position is the last row of a page: the value it was sorted by, and its id.
type Position struct {
	Name      string    `json:"n,omitempty"` // folded
	CreatedAt time.Time `json:"c,omitzero"`
	ID        string    `json:"i"`
}
