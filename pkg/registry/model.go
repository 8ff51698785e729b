package registry

import (
	"time"
)

// Model is one model of a provider.
type Model struct {
	ID          string // UUIDv7
	ProviderID  string
	ModelID     string // the upstream's id; unique in the provider
	DisplayName string
	NameKey     string // Fold(DisplayName): sorted and searched by
	Stages      []Stage
	Enabled     bool
	LastTest    *LastTest
	Version     int64
	CreatedAt   time.Time // UTC, whole milliseconds
	UpdatedAt   time.Time // of the last edit; UTC, whole milliseconds

	// Provider holds the facts of the model's provider. The store fills it in
	// where a model is read by itself; among a provider's models it is zero.
	Provider ModelProvider
}

// ModelProvider is what a model tells of its provider.
type ModelProvider struct {
	Name    string
	Type    string
	Status  Status
	Enabled bool
}

// LastTest is the outcome of the last test of a model.
type LastTest struct {
	Success bool
	Kind    string // a provider.FailureKind; empty on success
	Latency time.Duration
	At      time.Time
}
