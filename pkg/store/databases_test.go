package store_test

import (
	"testing"

	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

const workspace = "default"

// database is a kind of database to test on.
type database struct {
	name     string
	open     func(t testing.TB) *store.Store // a fresh one
	explain  string                          // what makes a plan of a query
	newBlob  string                          // makes the size of a sealed credential
	patient  string                          // lets a statement of the connection last
	optimise string                          // what a server does by itself in the background
	// plannedFor is a number of providers with which plans are those of many.
	// SQLite does not look at the data.
	plannedFor int
}

func databases() []database {
	return []database{{
		name: "SQLite", open: storetest.SQLite, explain: "EXPLAIN QUERY PLAN ", newBlob: "randomblob(140)", plannedFor: 2000,
	}, {
		name: "Postgres", open: func(t testing.TB) *store.Store {
			return storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t)})
		}, explain: "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ", newBlob: "decode(repeat('ab', 140), 'hex')", patient: "SET statement_timeout = 0", optimise: "VACUUM ANALYZE", plannedFor: 10_000,
	}}
}

// firstCreated is when the first seeded row was made; one follows a millisecond.
var firstCreated = storetest.FirstSeeded

// seed fills a store; see [storetest.Seed].
func (d database) seed(t testing.TB, s *store.Store, providers int) {
	t.Helper()
	storetest.Seed(t, s.Writer(), d.patient != "", providers)
}

// seededID is the SQL of the id of the seeded row with the number i.
func seededID(i string) string { return storetest.SeededID(i) }
