package audit_test

import (
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// BenchmarkLog measures recording events, each in a transaction of its own, and
// linking and verifying them.
func BenchmarkLog(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *store.Store{
		"SQLite": storetest.SQLite,
		"Postgres": func(t testing.TB) *store.Store {
			return storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t)})
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b)
			w := &world{Log: audit.NewLog(s, make([]byte, 32), time.Now), store: s, clock: &clock{now: start}}
			record := func(workspace string) {
				err := w.Record(b.Context(), audit.Event{Workspace: workspace, Action: audit.ModelTest, Outcome: audit.Success,
					Actor: audit.Actor{Subject: "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10", Kind: "token"}})
				if err != nil {
					b.Error(err)
				}
			}
			b.Run("record", func(b *testing.B) {
				for b.Loop() {
					record("one")
				}
			})
			b.Run("record in parallel", func(b *testing.B) {
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						record("parallel")
					}
				})
			})
			if err := w.Link(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.Run("link 5000", func(b *testing.B) {
				for range b.N {
					b.StopTimer()
					w.record(b, "link", 5000)
					b.StartTimer()
					if err := w.Link(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(5000*b.N)/b.Elapsed().Seconds(), "events/s")
			})
			b.Run("verify", func(b *testing.B) {
				events := int64(0)
				for b.Loop() {
					reports, err := w.Verify(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					for _, report := range reports {
						events += report.Links
					}
				}
				b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			})
		})
	}
}
