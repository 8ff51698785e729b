package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

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

// TestStopIsBoundedWhileTheDatabaseHangs: work that the last requests left, such as
// storing the use of a token, does not delay a stop past its limit.
func TestStopIsBoundedWhileTheDatabaseHangs(t *testing.T) {
	t.Parallel()
	cluster := storetest.StartCluster(t)
	s := start(t, func(c *app.Config) { c.DatabaseURL = cluster.Database(t) })
	s.must(t, 200, "GET", "/me", nil)
	cluster.Freeze(t)
	if err := closeWithin(t, s, 15*time.Second); err == nil {
		t.Error("what the last requests left to do was done, though the database hangs")
	}
}

// closeWithin stops a service, which has to end in that time, and returns with
// what it ended.
func closeWithin(t *testing.T, s *service, bound time.Duration) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(bound):
		t.Fatalf("the service has not stopped within %v", bound)
		return nil
	}
}

func TestStopIsBounded(t *testing.T) {
	arrived := make(chan struct{})
	upstream := slow(t, providertest.Start(t, providertest.Custom()), func(r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	s := start(t, func(c *app.Config) { c.StopTimeout = 50 * time.Millisecond })
	_, model := s.connect(t, upstream)
	cut := make(chan error, 1)
	go func() {
		_, err := s.try(t.Context(), "POST", "/models/"+model+"/test", aPrompt())
		cut <- err
	}()
	<-arrived
	if err := closeWithin(t, s, 15*time.Second); err != nil {
		t.Error("stopped with:", err)
	}
	if err := <-cut; err == nil {
		t.Error("a request that never ends was answered")
	}
	if !strings.Contains(s.log.String(), "cut off") {
		t.Errorf("the log does not tell:\n%s", s.log)
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
