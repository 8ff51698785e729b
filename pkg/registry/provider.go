package registry

import (
	"time"
)

// Provider is one connected account of a provider type.
type Provider struct {
	ID        string // UUIDv7
	Workspace string
	Name      string
	NameKey   string // Fold(Name): unique in the workspace, sorted and searched by
	Type      string // name of a provider.Type

	// Enabled is the admin's switch. Error is what was last observed; nil is
	// nothing wrong. They are stored apart, so neither overwrites the other.
	Enabled bool
	Error   *ProviderError

	// Credentials holds one sealed value a credential field.
	Credentials map[string]Credential
	Config      map[string]string

	Models []Model // ordered by creation

	// Version counts edits of the provider and of its models. Connection
	// counts changes of credentials or config: a result of a call that began
	// at an older one is dropped.
	Version    int64
	Connection int64

	CreatedAt time.Time // UTC, whole milliseconds
	UpdatedAt time.Time // of the last edit; UTC, whole milliseconds
}

// Credential is one sealed credential value.
type Credential struct {
	Sealed    []byte
	UpdatedAt time.Time
}

// ProviderError is a failure that was the provider's, as last observed.
type ProviderError struct {
	Kind    string // a provider.FailureKind
	Message string
	ModelID string // the upstream's id of the model it was observed with; empty: none
	Since   time.Time
}

// Status is what a provider's switch and its error amount to.
type Status string

// The statuses of the API contract.
const (
	Active   Status = "active"
	Inactive Status = "inactive"
	Error    Status = "error"
)

// Status is inactive when the provider is switched off, else error when
// something is wrong, else active.
func (p Provider) Status() Status { return statusOf(p.Enabled, p.Error != nil) }

func statusOf(enabled, failing bool) Status {
	switch {
	case !enabled:
		return Inactive
	case failing:
		return Error
	}
	return Active
}
