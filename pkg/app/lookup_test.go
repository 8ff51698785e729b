package app_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/app"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestCredentialsAreHashedAfterAStart: credentials that an earlier version stored are
// found before and after they are hashed, and hashing changes no provider.
func TestCredentialsAreHashedAfterAStart(t *testing.T) {
	for name, database := range map[string]func(*testing.T) database{"SQLite": sqliteDatabase, "PostgreSQL": postgresDatabase} {
		t.Run(name, func(t *testing.T) {
			d := database(t)
			dir := t.TempDir()
			config := func(c *app.Config) { c.DataDir = dir }
			s := start(t, config, d.config)
			const providers = 120
			key := "sk-from-an-earlier-version"
			for i := range providers {
				s.must(t, 201, "POST", "/providers", object{"name": fmt.Sprint("P", i), "type": "openai", "credentials": object{"api_key": key}})
			}
			before := s.must(t, 200, "GET", "/providers?limit=100", nil).body["data"]
			found := func(s *service) int {
				data, _ := s.must(t, 200, "POST", "/credentials/lookup", object{"value": key}).body["data"].([]any)
				return len(data)
			}
			d.exec(t, dir, "UPDATE providers SET credential_hashes = NULL, hashed_connection = NULL")
			if n := found(s); n != providers {
				t.Errorf("%d of %d are found before they are hashed", n, providers)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}

			s = running(t, config, d.config)
			if n := found(s); n != providers {
				t.Errorf("%d of %d are found while they are hashed", n, providers)
			}
			var opened app.Config
			d.config(&opened)
			stored := storetest.Open(t, store.Config{DatabaseURL: opened.DatabaseURL, SQLitePath: filepath.Join(dir, "modelproviders.db")})
			eventually(t, "all are hashed", func() bool {
				workspaces, err := stored.UnhashedWorkspaces(t.Context())
				return err == nil && len(workspaces) == 0
			})
			if n := found(s); n != providers {
				t.Errorf("%d of %d are found after they were hashed", n, providers)
			}
			if diff := cmp.Diff(before, s.must(t, 200, "GET", "/providers?limit=100", nil).body["data"]); diff != "" {
				t.Errorf("hashing changed the providers:\n%s", diff)
			}
		})
	}
}
