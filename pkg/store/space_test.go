package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store/storetest"
)

// TestFullDatabase lets a SQLite file grow no further.
func TestFullDatabase(t *testing.T) {
	t.Parallel()
	s := storetest.SQLite(t)
	limit := func(pages int) {
		t.Helper()
		if _, err := s.Writer().ExecContext(t.Context(), fmt.Sprint("PRAGMA max_page_count = ", pages)); err != nil {
			t.Fatal(err)
		}
	}
	wantFull := func(what string, err error) {
		t.Helper()
		f := fault.As(err)
		if f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 || !strings.Contains(f.Message, "no space left") {
			t.Errorf("%s while the database is full: got %v", what, err)
		}
	}
	if err := s.HasSpace(); err != nil {
		t.Error("before the first write:", err)
	}
	limit(1) // of at least as many pages as there are
	p := benchmarkProvider()
	p.Name = strings.Repeat("n", 1<<20)
	wantFull("CreateProvider", addProvider(t.Context(), s, p))
	wantFull("HasSpace", s.HasSpace())
	if err := s.TrySpace(t.Context()); err != nil {
		t.Error("TrySpace while the database is full:", err)
	}
	wantFull("HasSpace, after it was tried", s.HasSpace())
	if _, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{}); err != nil {
		t.Error("reading while the database is full:", err)
	}

	limit(1 << 20)
	wantFull("HasSpace", s.HasSpace()) // until it was tried
	if err := s.TrySpace(t.Context()); err != nil {
		t.Error("when there is space again:", err)
	}
	if err := s.HasSpace(); err != nil {
		t.Error("after there was space again:", err)
	}
	if err := addProvider(t.Context(), s, p); err != nil {
		t.Error(err)
	}
	if _, err := s.Claimed(context.Background(), "space"); !fault.Is(err, fault.NotFound) {
		t.Error("the claim that tried the space is still there:", err)
	}
}
