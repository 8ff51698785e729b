package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

const workspace = "default"

// database is a kind of database to test on.
type database struct {
	name     string
	open     func(t testing.TB) *store.Store // a fresh one
	newBlob  string                          // makes the size of a sealed credential
	patient  string                          // lets a statement of the connection last
	optimise []string                        // what a server does by itself in the background
}

func databases() []database {
	return []database{{
		name: "SQLite", open: storetest.SQLite, newBlob: "randomblob(140)",
	}, {
		name: "Postgres", open: func(t testing.TB) *store.Store {
			return storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t)})
		}, newBlob: "decode(repeat('ab', 140), 'hex')", patient: "SET statement_timeout = 0", optimise: []string{"VACUUM ANALYZE"},
	}}
}

// firstCreated is when the first seeded row was made; one follows a millisecond.
var firstCreated = storetest.FirstSeeded

// seededID is the SQL of the id of the seeded row with the number i.
func (d database) seededID(i string) string {
	if d.name == "Postgres" {
		return "CAST(" + storetest.SeededID(i) + " AS uuid)"
	}
	return storetest.SeededID(i)
}

// addProvider adds a provider with an event of it.
func addProvider(ctx context.Context, s *store.Store, p registry.Provider) error {
	id := uuid.Must(uuid.NewV7()).String()
	return s.CreateProvider(ctx, p, audit.Event{
		Workspace: p.Workspace, ID: id, At: p.CreatedAt, Action: audit.ProviderCreate, Outcome: audit.Success, Seal: []byte{1},
	})
}
