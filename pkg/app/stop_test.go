package app_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// slow puts a server in front of a fake that holds each request after reading it: only
// then a server notices that its client has gone.
func slow(t *testing.T, upstream *providertest.Server, hold func(*http.Request)) *providertest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		hold(r)
		upstream.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	upstream.Config = object{"base_url": server.URL}
	return upstream
}

func TestStopLetsRequestsInFlightEnd(t *testing.T) {
	arrived, open := make(chan struct{}), make(chan struct{})
	upstream := slow(t, providertest.Start(t, providertest.Custom()), func(*http.Request) {
		arrived <- struct{}{}
		<-open
	})
	var dir string
	s := start(t, func(c *app.Config) { dir = c.DataDir })
	_, model := s.connect(t, upstream)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	answered := make(chan answer, 1)
	go func() {
		got, err := s.try(t.Context(), "POST", "/models/"+model+"/test", aPrompt())
		if err != nil {
			t.Error("the request in flight:", err)
		}
		answered <- got
	}()
	<-arrived
	stop()
	address := strings.TrimPrefix(s.URL(), "http://")
	eventually(t, "new connections are refused", func() bool {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
		}
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatal("the service ended before the request did:", err)
	default:
	}
	close(open)
	if got := <-answered; got.status != http.StatusOK || got.string("status") != "success" {
		t.Errorf("the request in flight was answered %d: %s", got.status, got.text)
	}
	if err := <-ended; err != nil {
		t.Error("the service ended with:", err)
	}

	again := running(t, func(c *app.Config) { c.DataDir = dir })
	if last, _ := again.must(t, 200, "GET", "/models/"+model, nil).body["last_test"].(object); last["status"] != "success" {
		t.Errorf("the outcome was not stored: %v", last)
	}
}

// TestStopIsBoundedWhileTheDatabaseHangs: neither a request that waits for the
// database, nor work that the last requests left, delays a stop past its bound. The
// log says what could not be stored.
func TestStopIsBoundedWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	const bound = 12 * time.Second
	tests := map[string]struct {
		begin func(t *testing.T) (url string, hang func(s *service))
	}{
		"PostgreSQL": {func(t *testing.T) (string, func(*service)) {
			cluster := storetest.StartCluster(t)
			return cluster.Database(t), func(*service) { cluster.Freeze(t) }
		}},
		"SQLite": {func(t *testing.T) (string, func(*service)) {
			storetest.Long(t)
			return "", func(s *service) { lockSQLite(t, s.dir) }
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, hang := test.begin(t)
			s := start(t, func(c *app.Config) { c.DatabaseURL, c.StopTimeout = url, bound })
			s.must(t, 200, "GET", "/me", nil)
			hang(s)
			answered := make(chan answer, 1)
			go func() {
				got, err := s.try(t.Context(), "POST", "/tokens", object{"name": "late", "role": "viewer"})
				if err != nil {
					t.Error("the request in flight:", err)
				}
				answered <- got
			}()
			time.Sleep(200 * time.Millisecond) // until the request waits for the database
			began := time.Now()
			if err := stopped(t, s); err != nil {
				t.Error("ended with:", err)
			}
			if took := time.Since(began); took > bound+time.Second {
				t.Errorf("the stop took %v", took)
			}
			if got := <-answered; got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
				t.Errorf("the request in flight was answered %d: %s", got.status, got.text)
			}
			// Which work is left depends on the jobs that ran before the database hung.
			if log := s.log.String(); !strings.Contains(log, `"could not finish everything before the end" error="could not`) && !strings.Contains(log, "could not be stored in time") {
				t.Errorf("the log does not say what was not stored:\n%s", log)
			}
		})
	}
}

// stopped stops a service as a signal does, and returns with what it ended.
func stopped(t *testing.T, s *service) error {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	return s.Run(ctx)
}

// lockSQLite locks the database of a data directory until the test ends.
func lockSQLite(t *testing.T, dir string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "modelproviders.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestStopAnswersWhatItCutsOff: calls to upstreams that do not end in time are
// answered and recorded as failures, but say nothing about the provider.
func TestStopAnswersWhatItCutsOff(t *testing.T) {
	storetest.Long(t)
	t.Parallel()
	var hanging atomic.Bool
	arrived := make(chan struct{}, 100)
	upstream := slow(t, providertest.Start(t, providertest.Custom()), func(r *http.Request) {
		if hanging.Load() {
			arrived <- struct{}{}
			<-r.Context().Done()
		}
	})
	s := start(t, func(c *app.Config) { c.StopTimeout, c.Heartbeat = 18*time.Second, 100*time.Millisecond })
	provider, model := s.connect(t, upstream)
	s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt())
	hanging.Store(true)

	draft := object{"credentials": upstream.Credentials, "config": upstream.Config, "model_id": upstream.ModelID, "prompt": "Hello"}
	calls := []struct {
		times        int
		method, path string
		body         any
		accept       string
	}{
		{18, "POST", "/models/" + model + "/test", aPrompt(), "application/json"},
		{1, "POST", "/models/" + model + "/verify", nil, "application/json"},
		{1, "POST", "/models/" + model + "/verify", nil, "text/event-stream"},
		{20, "POST", "/models/" + model + "/test", aPrompt(), "text/event-stream"},
		{6, "POST", "/provider-types/custom/test", draft, "application/json"},
		{4, "POST", "/providers/" + provider + "/test", draft, "text/event-stream"},
		{3, "POST", "/providers/" + provider + "/test-models", aPrompt(), "application/json"},
		{3, "POST", "/providers/" + provider + "/test-models", aPrompt(), "text/event-stream"},
		{4, "POST", "/providers/" + provider + "/check", nil, "application/json"},
		{4, "GET", "/providers/" + provider + "/available-models", nil, "application/json"},
	}
	const total = 64
	var all sync.WaitGroup
	for _, call := range calls {
		for range call.times {
			all.Go(func() {
				got, err := s.try(t.Context(), call.method, call.path, call.body, "Accept", call.accept)
				if err != nil {
					t.Errorf("%s was not answered: %v", call.path, err)
					return
				}
				saysSo := got.string("code") == "unavailable" && got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != ""
				if call.accept == "text/event-stream" {
					_, last, _ := strings.Cut(got.text, "event: error\n")
					saysSo = strings.Contains(last, `"code":"unavailable"`) && strings.Count(last, "\n") == 2
				}
				if !saysSo || !strings.Contains(got.text, "The service is stopping") {
					t.Errorf("%s was answered %d: %s", call.path, got.status, got.text)
				}
			})
		}
	}
	for range total {
		<-arrived
	}
	if err := stopped(t, s); err != nil {
		t.Error("ended with:", err)
	}
	all.Wait()

	again := running(t, func(c *app.Config) { c.DataDir = s.dir })
	events := again.must(t, 200, "GET", "/audit-events?outcome=failure&limit=100", nil)
	recorded := map[any]int{}
	for _, event := range events.body["data"].([]any) {
		recorded[event.(object)["reason"]]++
	}
	if diff := cmp.Diff(map[any]int{"unavailable": total}, recorded); diff != "" {
		t.Errorf("events by reason (-want +got):\n%s", diff)
	}
	if got := again.must(t, 200, "GET", "/providers/"+provider, nil).string("status"); got != "active" {
		t.Errorf("the status of the provider is %s", got)
	}
	if last, _ := again.must(t, 200, "GET", "/models/"+model, nil).body["last_test"].(object); last["status"] != "success" {
		t.Errorf("the last test of the model is %v", last)
	}
}

// TestStopAnswersABodyThatDoesNotEnd: a request whose body does not arrive in time is
// answered, too.
func TestStopAnswersABodyThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *app.Config) { c.StopTimeout = 3 * time.Second })
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /providers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":", s.token)
	time.Sleep(200 * time.Millisecond) // until it is read
	if err := stopped(t, s); err != nil {
		t.Error("ended with:", err)
	}
	got, err := io.ReadAll(connection)
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 503") {
		t.Errorf("answered %q, %v", got, err)
	}
}

// TestStopIsBounded: a client that does not read its answer can't be answered, and does
// not delay a stop.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *app.Config) { c.StopTimeout = 3 * time.Second })
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	go func() { // more answers than fit into the buffers of the connection
		for range 200 {
			fmt.Fprint(connection, "GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}()
	blocked := 0
	eventually(t, "the service waits for the client", func() bool {
		before := blocked
		time.Sleep(300 * time.Millisecond)
		blocked = strings.Count(s.log.String(), "route=/openapi.yaml")
		return blocked > 0 && blocked == before
	})
	began := time.Now()
	if err := stopped(t, s); err != nil {
		t.Error("ended with:", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if !strings.Contains(s.log.String(), "cut off") {
		t.Errorf("the log does not tell:\n%s", s.log)
	}
}

// TestShutdownDelay: at once the service is not ready, but it serves until the delay
// has passed, each connection once more.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	for version, speak := range map[string]func(*app.Config){
		"HTTP/1.1": func(*app.Config) {},
		"HTTP/2.0": func(c *app.Config) { c.TLSCert, c.TLSKey = cert, key },
	} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := start(t, speak, func(c *app.Config) { c.ShutdownDelay = 2 * time.Second })
			s.must(t, 200, "GET", "/readyz", nil)
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			began := time.Now()
			go func() { ended <- s.Run(ctx) }()
			stop()
			eventually(t, "it is not ready", func() bool { return s.call(t, "GET", "/readyz", nil).status == 503 })
			if got := s.call(t, "GET", "/readyz", nil); !strings.Contains(got.string("detail"), "the service is stopping") {
				t.Errorf("/readyz answered %s", got.text)
			}
			reused := 0
			traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
				if i.Reused {
					reused++
				}
			}})
			for range 5 {
				got, err := s.try(traced, "POST", "/tokens", object{"name": "late", "role": "viewer"})
				if err != nil || got.status != http.StatusCreated {
					t.Errorf("a request during the delay was answered %d, %v", got.status, err)
				}
				time.Sleep(20 * time.Millisecond) // until the client has read GOAWAY
			}
			if reused > 0 {
				t.Errorf("%d connections were kept", reused)
			}
			if err := <-ended; err != nil {
				t.Error("ended with:", err)
			}
			if took := time.Since(began); took < 2*time.Second {
				t.Errorf("the delay was %v", took)
			}
		})
	}
}

// TestStopResetsNoConnection: a connection is either answered, or refused before a
// request is sent.
func TestStopResetsNoConnection(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems reset connections that were not accepted")
	}
	t.Parallel()
	for range 5 {
		s := start(t)
		var callers sync.WaitGroup
		var answers atomic.Int64
		for range 32 {
			callers.Go(func() {
				client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				for {
					response, err := client.Get(s.URL() + "/healthz")
					if errors.Is(err, syscall.ECONNREFUSED) {
						return
					}
					if err != nil {
						t.Errorf("%v %v\n%.3000s", time.Now(), err, s.log.String()[max(0, len(s.log.String())-3000):])
						return
					}
					response.Body.Close()
					answers.Add(1)
				}
			})
		}
		eventually(t, "the callers are at it", func() bool { return answers.Load() > 200 })
		if err := stopped(t, s); err != nil {
			t.Error("ended with:", err)
		}
		callers.Wait()
	}
}

// inEachVersion runs a test against a service that speaks HTTP/1.1, and one that
// speaks HTTP/2, whose upstream takes a while to answer.
func inEachVersion(t *testing.T, takes time.Duration, change func(*app.Config), test func(t *testing.T, s *service, upstream *providertest.Server)) {
	upstream := slow(t, providertest.Start(t, providertest.Custom()), func(r *http.Request) {
		select {
		case <-time.After(takes):
		case <-r.Context().Done():
			t.Error("the call was cancelled")
		}
	})
	cert, key := certificate(t)
	for version, speak := range map[string]func(*app.Config){
		"HTTP/1.1": func(*app.Config) {},
		"HTTP/2.0": func(c *app.Config) { c.TLSCert, c.TLSKey = cert, key },
	} {
		t.Run(version, func(t *testing.T) {
			s := running(t, change, speak)
			if got := s.call(t, "GET", "/healthz", nil); got.version != version {
				t.Fatalf("the service speaks %s", got.version)
			}
			test(t, s, upstream)
		})
	}
}

// TestUpstreamSlowerThanTheReadTimeout: the bound on reading a request does not
// apply to the answer of an upstream.
func TestUpstreamSlowerThanTheReadTimeout(t *testing.T) {
	const readTimeout = 300 * time.Millisecond
	inEachVersion(t, 3*readTimeout, func(c *app.Config) { c.ReadTimeout = readTimeout }, func(t *testing.T, s *service, upstream *providertest.Server) {
		provider, model := s.connect(t, upstream)
		settings := object{"credentials": upstream.Credentials, "config": upstream.Config}
		calls := map[string]struct {
			method, path string
			body         any
			answers      string
		}{
			"test":            {"POST", "/models/" + model + "/test", aPrompt(), `"status":"success"`},
			"edit":            {"POST", "/providers/" + provider + "/test", object{"model_id": upstream.ModelID, "prompt": "Hello"}, `"status":"success"`},
			"discovery":       {"GET", "/providers/" + provider + "/available-models", nil, `"supported":true`},
			"draft discovery": {"POST", "/provider-types/custom/available-models", settings, `"supported":true`},
		}
		for name, call := range calls {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := s.must(t, http.StatusOK, call.method, call.path, call.body)
				if !strings.Contains(got.text, call.answers) {
					t.Errorf("answered %s, want %s", got.text, call.answers)
				}
			})
		}
	})
}

// TestBodyThatNeverEnds: the service does not wait for it.
func TestBodyThatNeverEnds(t *testing.T) {
	s := running(t, func(c *app.Config) { c.ReadTimeout = 200 * time.Millisecond })
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "POST /providers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":", s.token)
	if err := connection.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	n, err := connection.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 400") && !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 408") {
		t.Errorf("answered %q, %v", answer[:n], err)
	}
}

// TestAQuietStreamIsNotEnded: heartbeats keep a stream open.
func TestAQuietStreamIsNotEnded(t *testing.T) {
	const heartbeat = 100 * time.Millisecond
	inEachVersion(t, 6*heartbeat, func(c *app.Config) { c.Heartbeat = heartbeat }, func(t *testing.T, s *service, upstream *providertest.Server) {
		_, model := s.connect(t, upstream)
		for i := range 4 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				got := s.call(t, "POST", "/models/"+model+"/test", aPrompt(), "Accept", "text/event-stream").text
				for _, want := range []string{": still waiting", "event: result"} {
					if !strings.Contains(got, want) {
						t.Errorf("the stream lacks %q: %q", want, got)
					}
				}
			})
		}
	})
}
