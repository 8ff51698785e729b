package store_test

import (
	"slices"
	"testing"

	"modelproviders/pkg/registry"
)

// TestLookupAfterAnEarlierVersion: while a process of an earlier version is running, it
// replaces credentials without their hashes.
func TestLookupAfterAnEarlierVersion(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.open(t)
			p := benchmarkProvider()
			p.Credentials["api_key"] = registry.Credential{Sealed: []byte{1}, UpdatedAt: p.CreatedAt, Hash: make([]byte, 32)}
			if err := addProvider(t.Context(), s, p); err != nil {
				t.Fatal(err)
			}
			found := func() (ids []string) {
				err := s.ProvidersByHash(t.Context(), workspace, []byte("another"), func(p registry.Provider) error {
					ids = append(ids, p.ID)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return ids
			}
			if ids := found(); len(ids) > 0 {
				t.Errorf("found %q", ids)
			}
			if _, err := s.Writer().ExecContext(t.Context(), "UPDATE providers SET credentials = '{}', connection = connection + 1"); err != nil {
				t.Fatal(err)
			}
			if ids := found(); !slices.Equal(ids, []string{p.ID}) {
				t.Errorf("after the credential was replaced, found %q", ids)
			}
		})
	}
}
