package bench_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// hostile are endless or far too large answers of an upstream. Each writes until write
// returns false, because the connection is closed.
var hostile = map[string]func(write func(string) bool){
	"comments":             func(write func(string) bool) { forever(write, ": "+strings.Repeat("c", 1000)+"\n") },
	"one long comment":     func(write func(string) bool) { forever(write, ":"+strings.Repeat("c", 1000)) },
	"one long event":       func(write func(string) bool) { write("data: "); forever(write, strings.Repeat("d", 1000)) },
	"empty lines":          func(write func(string) bool) { forever(write, strings.Repeat("\n", 1000)) },
	"empty events":         func(write func(string) bool) { forever(write, piece("", "")) },
	"events of one letter": func(write func(string) bool) { forever(write, piece("a", "")) },
	"10 KB in pieces of two bytes": func(write func(string) bool) {
		for range 5000 {
			write(piece("ab", ""))
		}
		write("data: [DONE]\n\n")
	},
	"10 KB in events of 350 KB": func(write func(string) bool) {
		for range 20 {
			write(piece(strings.Repeat("a", 500), strings.Repeat("j", 350_000)))
		}
		write("data: [DONE]\n\n")
	},
	"an unstreamed list of 500,000 numbers": func(write func(string) bool) {
		write(`{"choices":[{"message":{"content":[` + strings.Repeat("1,", 500_000) + `1]}}]}`)
	},
	"an error of 1 MB": func(write func(string) bool) { forever(write, strings.Repeat("e", 1000)) },
	"an unstreamed answer of 3 MB": func(write func(string) bool) {
		write(`{"choices":[{"message":{"content":"Hi!"},"finish_reason":"stop","junk":"` + strings.Repeat("j", 3_000_000) + `"}]}`)
	},
}

func forever(write func(string) bool, text string) {
	for write(text) {
	}
}

func piece(text, junk string) string {
	return `data: {"choices":[{"index":0,"delta":{"content":"` + text + `"}}],"junk":"` + junk + `"}` + "\n\n"
}

// serveHostile serves an upstream with a model for each of these answers.
func serveHostile() error {
	return serveAsChild(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var request struct{ Model string }
		if json.NewDecoder(r.Body).Decode(&request) != nil {
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		switch {
		case strings.Contains(request.Model, "unstreamed"):
			w.Header().Set("Content-Type", "application/json")
		case strings.Contains(request.Model, "error"):
			w.WriteHeader(http.StatusBadRequest)
		}
		hostile[request.Model](func(text string) bool {
			_, err := io.WriteString(w, text)
			return err == nil
		})
	}))
}

// BenchmarkHostileUpstreams prints the peak memory of the product during 8 and 64
// streamed tests that get each of these answers, and from the difference the memory
// per test. The rest includes garbage that is not collected yet, which does not
// grow with the number of tests.
func BenchmarkHostileUpstreams(b *testing.B) {
	program := build(b)
	upstream, _ := startChild(b, "hostile")
	const few, many = 8, 64
	fmt.Printf("\n| upstream | before, MB | peak of %d calls, MB | peak of %d calls, MB | per call, MB | time of %d calls |\n|---|--:|--:|--:|--:|--:|\n", few, many, many)
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		before, low, _ := measureHostile(b, program, upstream, name, few)
		_, high, took := measureHostile(b, program, upstream, name, many)
		fmt.Printf("| %s | %.0f | %.0f | %.0f | %.2f | %.1f s |\n", name, before, low, high, (high-low)/(many-few), took.Seconds())
	}
}

// measureHostile returns the memory of a process, in MB, before its tests and at
// most during them.
func measureHostile(b *testing.B, program, upstream, name string, callers int) (before, peak float64, took time.Duration) {
	b.Helper()
	const usual = "10 KB in pieces of two bytes"
	dataDir := b.TempDir()
	process := startProduct(b, program, dataDir, "")
	s := newSide(b, process.url, adminToken(b, dataDir))
	s.http.Timeout = 5 * time.Minute
	made := s.makeProvider(b, newProviderBody("Hostile", upstream, slices.Compact([]string{name, usual})...))
	test := func(model string) {
		_, err := s.send(call{method: "POST", path: fixed("/models/" + made.model(model) + "/test"), accept: "text/event-stream",
			status: http.StatusOK, body: func(*side, int) string { return `{"prompt":"Hi"}` }}, 0)
		if err != nil {
			b.Error(err)
		}
	}
	test(usual) // so that the program's code is in memory
	before = memory(process.pid, "VmRSS")
	began := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() { test(name) })
	}
	wg.Wait()
	peak, took = memory(process.pid, "VmHWM"), time.Since(began)
	if err := process.stop(); err != nil {
		b.Error(err)
	}
	return before, peak, took
}
