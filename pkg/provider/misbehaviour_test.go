package provider_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

func cancelled(t *testing.T, server *providertest.Server) {
	server.Use(providertest.Stall)
	client := open(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := client.Generate(ctx, client.prompt(), func(string) { cancel() })
	failed(t, result, provider.Timeout)
	waitLeft(t, server)
}

// waitLeft waits until the server has seen its client go away.
func waitLeft(t *testing.T, server *providertest.Server) {
	t.Helper()
	select {
	case <-server.Left():
	case <-time.After(30 * time.Second):
		t.Error("the upstream call goes on")
	}
}

// warm makes the connection, so that a short deadline is not spent on that.
func warm(t *testing.T, client opened) {
	t.Helper()
	result, _ := client.generate(t, false)
	succeeded(t, result)
}

func late(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.Silent, providertest.Stall} {
		for _, stream := range []bool{false, true} {
			runLate(t, client, mode, stream)
		}
	}
}

func runLate(t *testing.T, client opened, mode providertest.Mode, stream bool) {
	t.Helper()
	client.server.Use(providertest.Success)
	warm(t, client)
	client.server.Use(mode)
	ctx := newDeadline(t.Context())
	defer time.AfterFunc(time.Minute, ctx.expire).Stop()
	var emit func(string)
	said := false
	if stream {
		emit = func(string) { said = true; ctx.expire() }
	}
	if mode != providertest.Stall || !stream { // else the first delta comes, and ends it
		go expireOnRequest(ctx, client.server, len(client.server.Requests()))
	}
	failed(t, client.Generate(ctx, client.prompt(), emit), provider.Timeout)
	if mode == providertest.Stall && stream && !said {
		t.Error("the deltas before the stall are lost")
	}
	waitLeft(t, client.server)
}

// deadline is a context whose deadline passes when the test says so.
type deadline struct {
	context.Context
	passed chan struct{}
	expire func()
}

func newDeadline(parent context.Context) deadline {
	passed := make(chan struct{})
	return deadline{Context: parent, passed: passed, expire: sync.OnceFunc(func() { close(passed) })}
}

func (d deadline) Done() <-chan struct{} { return d.passed }

func (d deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// expireOnRequest lets the deadline pass when the server has got more than n
// requests, and a while to answer.
func expireOnRequest(d deadline, server *providertest.Server, n int) {
	for len(server.Requests()) <= n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	d.expire()
}

func dripped(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	runLate(t, client, providertest.Drip, false)
	runLate(t, client, providertest.Drip, true)
}

func huge(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		server.Use(providertest.Success)
		warm(t, client)
		server.Use(providertest.Huge)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		result, _ := client.generate(t, stream)
		runtime.ReadMemStats(&after)
		failed(t, result, provider.UpstreamError)
		// All that was ever allocated, by the fake too; what is in use at one
		// time is less than 32 MiB.
		if used := after.TotalAlloc - before.TotalAlloc; used > 48<<20 {
			t.Errorf("%d MiB were allocated (streamed: %v)", used>>20, stream)
		}
		waitLeft(t, server)
	}
}

func truncated(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.Truncated, providertest.CloseMidBody} {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			result, _ := client.generate(t, stream)
			failed(t, result, provider.UpstreamError)
		}
	}
}

func notAnAnswer(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.NotJSON, providertest.PlainError, providertest.EmptyError, providertest.ServerClosing} {
		for _, stream := range []bool{false, true} {
			server.Use(providertest.Success)
			warm(t, client)
			server.Use(mode)
			result, _ := client.generate(t, stream)
			f := failure(t, result, provider.UpstreamError)
			if mode == providertest.PlainError && !strings.Contains(f.Message, "upstream connect error") {
				t.Errorf("message %q", f.Message)
			}
		}
	}
}

func brokenUTF8(t *testing.T, server *providertest.Server) {
	server.Use(providertest.BrokenUTF8)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		failed(t, result, provider.UpstreamError)
	}
}

func manyHeaders(t *testing.T, server *providertest.Server) {
	server.Use(providertest.ManyHeaders)
	result, _ := open(t, server).generate(t, false)
	failed(t, result, provider.UpstreamError)
}

func htmlPage(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for mode, kind := range map[providertest.Mode]provider.FailureKind{
		providertest.HTML:         provider.Misconfigured,
		providertest.HTMLNotFound: provider.Misconfigured,
		providertest.HTMLBadGate:  provider.UpstreamError,
	} {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			result, _ := client.generate(t, stream)
			f := failure(t, result, kind)
			if !strings.Contains(f.Message, "HTML page") || !strings.Contains(f.Message, "Welcome to nginx!") || strings.Contains(f.Message, "<") {
				t.Errorf("message %q", f.Message)
			}
			if f.Hint == "" {
				t.Error("there is no hint")
			}
		}
	}
}

func redirected(t *testing.T, server *providertest.Server) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	server.RedirectTo(thief.URL)
	server.Use(providertest.Redirect)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		f := failure(t, result, provider.Misconfigured)
		if !strings.Contains(f.Message, thief.URL) || strings.Contains(f.Message, "code=1") {
			t.Errorf("message %q", f.Message)
		}
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Misconfigured {
		t.Errorf("discovery: %v", err)
	}
	if stolen.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

func unreachable(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	server.Stop()
	result, _ := client.generate(t, false)
	f := failure(t, result, provider.Unreachable)
	if f.HTTPStatus != 0 || f.Hint == "" || !strings.Contains(f.Message, "refused the connection") {
		t.Errorf("failure %+v", f)
	}
	if strings.Contains(f.Message, "Post ") || strings.Contains(f.Message, "api-version") {
		t.Errorf("message %q", f.Message)
	}
}

func blocked(t *testing.T, server *providertest.Server) {
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guarded(t, egress.Config{RootCAs: server.RootCAs}) })
	result, _ := client.generate(t, false)
	f := failure(t, result, provider.Blocked)
	if f.HTTPStatus != 0 || f.Hint == "" || !strings.Contains(f.Message, "MODELPROVIDERS_ALLOW_UPSTREAMS") {
		t.Errorf("failure %+v", f)
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Blocked {
		t.Errorf("discovery: %v", err)
	}
	if n := len(server.Requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}
