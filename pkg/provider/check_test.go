package provider_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
)

// TestCheckOfCustomServers: a list proves the key only if it is refused without it.
func TestCheckOfCustomServers(t *testing.T) {
	const models = `{"data":[{"id":"m"}]}`
	answer := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	keyed := func(status int, refusal string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "Bearer sk-custom-key" {
				answer(w, http.StatusOK, models)
				return
			}
			answer(w, status, refusal)
		}
	}
	for name, test := range map[string]struct {
		serve  http.HandlerFunc
		listed bool
		proven bool
		calls  int
	}{
		"needs the key":         {keyed(401, `{"error":{"message":"No api key passed in.","code":"401"}}`), true, true, 2},
		"forbids without it":    {keyed(403, `{"error":{"message":"Forbidden"}}`), true, true, 2},
		"needs no key":          {func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, models) }, true, false, 2},
		"fails without it":      {keyed(500, `{"error":{"message":"oops"}}`), true, false, 2},
		"has no list":           {http.NotFound, false, false, 1},
		"the API is at /":       {atRoot(keyed(401, `{"error":{"message":"unauthorized"}}`)), true, true, 3},
		"open, the API is at /": {atRoot(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, models) }), true, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			suffix := "/v1"
			if test.calls == 3 {
				suffix = ""
			}
			s := serveAt(t, suffix, test.serve)
			r := s.client.Check(t.Context())
			if r.Failure != nil || r.Listed != test.listed || r.Proven != test.proven || r.Detail == "" || len(s.paths) != test.calls {
				t.Errorf("check %+v after calls of %q", r, s.paths)
			}
			if !strings.HasSuffix(r.Endpoint, "/models") || r.Latency <= 0 {
				t.Errorf("endpoint %q, latency %v", r.Endpoint, r.Latency)
			}
		})
	}
	s := serveAt(t, "/v1", func(w http.ResponseWriter, _ *http.Request) { answer(w, 401, `{"error":{"message":"Invalid key."}}`) })
	if r := s.client.Check(t.Context()); r.Failure == nil || r.Failure.Kind != provider.Authentication || len(s.paths) != 1 {
		t.Errorf("a refused key: %+v after calls of %q", r, s.paths)
	}
}

// atRoot serves an API right at an address, beside a web page.
func atRoot(api http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/models" {
			api(w, r)
			return
		}
		http.NotFound(w, r)
	}
}
