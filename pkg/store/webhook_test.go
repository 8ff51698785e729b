package store_test

import (
	"context"
	"testing"
	"time"

	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestWebhooksOfAClockThatIsAhead: a process whose clock is ahead of that of the database
// does not delay webhooks.
func TestWebhooksOfAClockThatIsAhead(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t), MaxConns: 2, Webhooks: true})
	p := benchmarkProvider()
	if err := addProvider(t.Context(), s, p); err != nil {
		t.Fatal(err)
	}
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, p.Workspace, p.ID)
		if err != nil {
			return err
		}
		after := before
		after.Enabled, after.Version, after.UpdatedAt = false, before.Version+1, time.Now().Add(time.Hour)
		return s.UpdateProvider(ctx, before, after)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.NumberChanges(t.Context(), p.Workspace); err != nil {
		t.Fatal(err)
	}
	if w, found, err := s.LeaseWebhook(t.Context(), time.Minute); err != nil || !found || w.Status != "inactive" {
		t.Errorf("leased %+v, %v, %v", w, found, err)
	}
}
