package store_test

import (
	"testing"

	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestPooler checks everything that is promised of a store behind PgBouncer in
// transaction mode, which has fewer connections than its clients.
func TestPooler(t *testing.T) {
	t.Parallel()
	pooler := storetest.StartPgBouncer(t, 5)
	storetest.Run(t, func(t *testing.T) *store.Store {
		return storetest.Open(t, store.Config{DatabaseURL: pooler.Database(t), Pooler: true, Webhooks: true})
	})
}
