package app_test

import (
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/store/storetest"
)

// engine is a kind of database to measure on.
type engine struct {
	name     string
	postgres bool
}

func engines() []engine { return []engine{{"SQLite", false}, {"PostgreSQL", true}} }

// serve starts a service on an empty database, and returns a pool on that
// database. Nothing keeps its log.
func (e engine) serve(b *testing.B) (*service, *sql.DB) {
	b.Helper()
	url := ""
	if e.postgres {
		url = storetest.Postgres(b)
	}
	s := running(b, func(c *app.Config) {
		c.DatabaseURL, c.Logger = url, slog.New(slog.NewTextHandler(io.Discard, nil))
	})
	driver, source := "pgx", url
	if !e.postgres {
		driver, source = "sqlite", "file:"+filepath.Join(s.dir, "modelproviders.db")+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	return s, db
}

// BenchmarkService measures calls of one client over HTTP, on databases of 1,000
// and 100,000 providers with two models each.
func BenchmarkService(b *testing.B) {
	for _, e := range engines() {
		for _, size := range []int{1000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", e.name, size), func(b *testing.B) {
				s, db := e.serve(b)
				storetest.Seed(b, db, e.postgres, size)
				benchmarkCalls(b, s, size)
			})
		}
	}
}

func benchmarkCalls(b *testing.B, s *service, size int) {
	number := 0
	next := func() int { // one provider after the other, far apart
		number = (number + 7919) % size
		return number + 1
	}
	page := s.must(b, http.StatusOK, "GET", "/providers", nil)
	calls := []struct {
		name, method string
		status       int
		path, body   func() string
	}{
		{"get", "GET", http.StatusOK, func() string { return fmt.Sprintf("/providers/00000000-0000-7000-8000-%d", 100_000_000_000+next()) }, nothing},
		{"list", "GET", http.StatusOK, func() string { return "/providers" }, nothing},
		{"list next page", "GET", http.StatusOK, func() string { return "/providers?cursor=" + page.string("next_cursor") }, nothing},
		{"create", "POST", http.StatusCreated, func() string { return "/providers" }, func() string {
			number++
			return fmt.Sprintf(`{"name":"Created %d at %d","type":"openai","credentials":{"api_key":"sk-0123456789abcdef0123456789abcdef"},
				"models":[{"model_id":"gpt-4o","supported_stages":["planning","tool_call"]},
				{"model_id":"gpt-4o-mini","supported_stages":["summarization"]}]}`, number, time.Now().UnixNano())
		}},
	}
	for _, c := range calls {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				s.send(b, c.status, c.method, s.URL()+c.path(), s.token, c.body())
			}
		})
	}
}

func nothing() string { return "" }

// send makes a call that has to be answered with a status, and reads the answer
// without looking at it.
func (s *service) send(b *testing.B, status int, method, url, token, body string) {
	request, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := s.http.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || response.StatusCode != status {
		b.Fatalf("%s %s: %d, %v: %s", method, url, response.StatusCode, err, text)
	}
}

// BenchmarkAddedLatency measures what POST /models/{id}/test adds to calling the
// same upstream directly. Both are called in turn, over warm connections:
// ns/op is of the two together, added-ns is the difference.
func BenchmarkAddedLatency(b *testing.B) {
	const reply = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,` +
		`"finish_reason":"stop","message":{"role":"assistant","content":"Hello!"}}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`
	for _, e := range engines() {
		b.Run(e.name, func(b *testing.B) {
			var asked atomic.Value // the body of the last request
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				asked.Store(body)
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, reply)
			}))
			b.Cleanup(upstream.Close)
			s, _ := e.serve(b)
			made := s.must(b, http.StatusCreated, "POST", "/providers", object{
				"name": "Upstream", "type": "custom", "credentials": object{"api_key": "sk-0123456789abcdef"}, "config": object{"base_url": upstream.URL},
				"models": []object{{"model_id": "m", "supported_stages": []string{"planning"}}},
			})
			path := "/models/" + made.body["models"].([]any)[0].(object)["id"].(string) + "/test"
			timed := func(url, token, body string) time.Duration {
				began := time.Now()
				s.send(b, http.StatusOK, "POST", url, token, body)
				return time.Since(began)
			}
			through := func() time.Duration { return timed(s.URL()+path, s.token, `{"prompt":"Say hello."}`) }
			through() // builds the client, and shows what is sent
			body := string(asked.Load().([]byte))
			directly := func() time.Duration { return timed(upstream.URL+"/v1/chat/completions", "sk-0123456789abcdef", body) }
			directly()
			if got := s.must(b, http.StatusOK, "POST", path, aPrompt()); got.string("status") != "success" {
				b.Fatal(got.text)
			}
			var sumDirect, sumThrough time.Duration
			for b.Loop() {
				sumDirect += directly()
				sumThrough += through()
			}
			perCall := func(sum time.Duration) float64 { return float64(sum.Nanoseconds()) / float64(b.N) }
			b.ReportMetric(perCall(sumDirect), "direct-ns")
			b.ReportMetric(perCall(sumThrough), "through-ns")
			b.ReportMetric(perCall(sumThrough-sumDirect), "added-ns")
		})
	}
}
