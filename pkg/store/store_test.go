package store_test

import (
	"testing"

	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store { return storetest.SQLite(t) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) *store.Store {
		return storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t), Webhooks: true})
	})
}
