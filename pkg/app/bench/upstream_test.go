package bench_test

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	fastModel = "fast-model" // the upstream answers it at once
	slowModel = "slow-model" // after upstreamDelay

	upstreamDelay = 20 * time.Millisecond
	chatPath      = "/v1/chat/completions"
	lastBodyPath  = "/last" // answers the body that was sent last
)

// serveUpstream stands in for a server of models.
func serveUpstream() error {
	const reply = `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,` +
		`"finish_reason":"stop","message":{"role":"assistant","content":"Hello!"}}],` +
		`"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`
	var last atomic.Pointer[[]byte]
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+chatPath, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		last.Store(&body)
		if bytes.Contains(body, []byte(slowModel)) {
			time.Sleep(upstreamDelay)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Request-Id", "req_1")
		_, _ = io.WriteString(w, reply)
	})
	mux.HandleFunc("GET "+lastBodyPath, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*last.Load()) })
	return serveAsChild(mux)
}
