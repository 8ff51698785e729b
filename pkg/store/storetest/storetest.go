// Package storetest checks a store, and gives other tests the databases to run
// on.
//
// [Run] is one conformance suite for every database. [SQLite] and [Postgres]
// hand out a fresh database each time; for PostgreSQL a throwaway [Cluster] is
// started from the installed binaries, once a test process, and is gone when
// the process is, however it ended. Where there are no binaries, tests are
// skipped, or fail when CI=true.
package storetest

import (
	"path/filepath"
	"testing"

	"modelproviders/pkg/store"
)

// Run checks that a store implements its interfaces: registry.Store,
// registry.IdempotencyStore, auth.Store and audit.Store. open is called once a
// test and returns an empty store, which it also closes.
func Run(t *testing.T, open func(t *testing.T) *store.Store) {
	for name, test := range map[string]func(*testing.T, *store.Store){
		"Provider":         testProvider,
		"ProviderEdit":     testProviderEdit,
		"ProviderList":     testProviderList,
		"ClonedFrom":       testClonedFrom,
		"ModelList":        testModelList,
		"Workspaces":       testWorkspaces,
		"Reference":        testReference,
		"ReferenceChanges": testReferenceChanges,
		"LastTest":         testLastTest,
		"StageChecks":      testStageChecks,
		"Health":           testHealth,
		"HealthCheck":      testHealthCheck,
		"CheckBudget":      testCheckBudget,
		"LastCheck":        testLastCheck,
		"Token":            testToken,
		"TokenList":        testTokenList,
		"Lookup":           testLookup,
		"Reseal":           testReseal,
		"Claim":            testClaim,
		"Processes":        testProcesses,
		"SealingKeys":      testSealingKeys,
		"Promote":          testPromote,
		"Sealing":          testSealing,
		"Idempotency":      testIdempotency,
		"AuditEvent":       testAuditEvent,
		"AuditList":        testAuditList,
		"AuditChain":       testAuditChain,
		"Changes":          testChanges,
		"ChangesOfCalls":   testChangesOfCalls,
		"ChangesGone":      testChangesGone,
		"Webhooks":         testWebhooks,
		"WebhookLeases":    testWebhookLeases,
		"Replicas":         func(t *testing.T, s *store.Store) { Replicas(t, s) },
		"Transaction":      testTransaction,
		"Concurrency":      testConcurrency,
		"Cancellation":     testCancellation,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// Long skips a test that takes long, if the tests run with -short.
func Long(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long: run the tests without -short")
	}
}

// Open opens a store, and closes it when the test ends.
func Open(t testing.TB, config store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal("open the store:", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close the store:", err)
		}
	})
	return s
}

// SQLite returns a store on a fresh SQLite file.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db"), Webhooks: true})
}
