package store_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// BenchmarkBatch measures transactions of one row on SQLite, committed together
// and each by itself.
func BenchmarkBatch(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		s := storetest.SQLite(b)
		for name, inTx := range map[string]func(context.Context, func(context.Context) error) error{"plain": s.InPlainTx, "batch": s.InTx} {
			b.Run(fmt.Sprintf("%s/%d", name, callers), func(b *testing.B) {
				benchmarkCallers(b, callers, func() error {
					return inTx(b.Context(), func(ctx context.Context) error {
						return s.Exec(ctx, "INSERT INTO claims (name, value) VALUES (hex(randomblob(16)), x'00')")
					})
				})
			})
		}
	}
}

// benchmarkCallers reports how long a call takes with that many callers at once.
func benchmarkCallers(b *testing.B, callers int, call func() error) {
	var begun atomic.Int64
	var group sync.WaitGroup
	took := make([]time.Duration, b.N)
	for range callers {
		group.Go(func() {
			for i := begun.Add(1) - 1; i < int64(b.N); i = begun.Add(1) - 1 {
				start := time.Now()
				if err := call(); err != nil {
					b.Error(err)
				}
				took[i] = time.Since(start)
			}
		})
	}
	group.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[b.N/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[b.N*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
