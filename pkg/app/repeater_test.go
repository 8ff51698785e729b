package app_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

// repeater is an upstream that puts keys into every kind of answer.
type repeater struct {
	typeName, url string
	roots         *x509.CertPool

	mu   sync.Mutex
	form string
	keys []string
	seen []providertest.Request
}

// repeaterForms are the kinds of answers.
func repeaterForms() []string {
	return []string{"answer", "stream", "error", "long error", "error in success", "plain error", "html", "html late title", "redirect", "header"}
}

func newRepeater(t *testing.T) *repeater {
	r := &repeater{typeName: "custom", form: "answer"}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// use sets the kind of answer and the keys to put into it.
func (r *repeater) use(form string, keys ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.form, r.keys = form, keys
}

func (r *repeater) requests() []providertest.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen
}

// ServeHTTP implements [http.Handler].
func (r *repeater) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, providertest.Request{Header: request.Header.Clone()})
	var all []string
	for _, key := range r.keys {
		all = append(all, providertest.Disguises(key)...)
	}
	confession, key := strings.Join(all, " "), r.keys[0]
	say := func(status int, contentType, body string) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
	page := func(before string) string {
		return "<!doctype html><html><head><title>" + before + key + "</title></head><body>" + key + "</body></html>"
	}
	w.Header().Set("X-Request-Id", "req-"+key)
	switch r.form {
	case "answer":
		say(200, "application/json", encoded(map[string]any{"id": key, "model": "m-" + key, "choices": []any{map[string]any{
			"index": 0, "finish_reason": key, "message": map[string]any{"role": "assistant", "content": confession}}},
			"usage": map[string]any{"prompt_tokens": 1, "completion_tokens": 1}, "data": []any{map[string]any{"id": key}, map[string]any{"id": "fine", "name": confession}}}))
	case "stream":
		say(200, "text/event-stream", "")
		for _, piece := range providertest.Pieces(confession) {
			fmt.Fprintf(w, "data: %s\n\n", encoded(map[string]any{"id": key, "model": key, "choices": []any{map[string]any{"index": 0, "delta": map[string]any{"content": piece}}}}))
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	case "error":
		say(401, "application/json", encoded(map[string]any{"error": map[string]any{"message": confession, "code": key, "type": key, "param": key}}))
	case "long error": // truncated on its way, within a key
		say(400, "application/json", encoded(map[string]any{"detail": strings.Repeat("x", 1985) + key}))
	case "error in success":
		say(200, "application/json", encoded(map[string]any{"error": confession}))
	case "plain error":
		say(500, "text/plain", strings.Repeat("y", 1990)+" "+key+" "+confession)
	case "html":
		say(200, "text/html", page(""))
	case "html late title": // truncated too
		say(404, "text/html", page(strings.Repeat("t", 75)))
	case "redirect":
		w.Header().Set("Location", "https://"+strings.Map(hostOnly, key)+".example/"+key+"?key="+key)
		say(307, "text/plain", confession)
	case "header":
		w.Header().Set("WWW-Authenticate", key)
		say(401, "application/json; note="+strings.Map(hostOnly, key), "{}")
	}
}

func hostOnly(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
		return r
	}
	return -1
}

func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}
