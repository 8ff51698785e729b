package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

var asEvents = apitest.Header("Accept", "text/event-stream")

// event is one server-sent event.
type event struct{ name, data string }

func eventsOf(t *testing.T, body string) []event {
	t.Helper()
	var events []event
	for block := range strings.SplitSeq(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		if strings.HasPrefix(block, ":") {
			continue
		}
		name, data, ok := strings.Cut(block, "\n")
		if !ok || !strings.HasPrefix(name, "event: ") || !strings.HasPrefix(data, "data: ") {
			t.Fatalf("not an event: %q", block)
		}
		events = append(events, event{strings.TrimPrefix(name, "event: "), strings.TrimPrefix(data, "data: ")})
	}
	return events
}

// streamed reads the deltas and the result of a streamed test.
func streamed(t *testing.T, a *apitest.Answer) (text string, deltas int, o outcome) {
	t.Helper()
	a.Is(http.StatusOK).Has("Content-Type", "text/event-stream").Has("Cache-Control", "private, no-cache")
	events := eventsOf(t, a.Body)
	for i, e := range events {
		switch {
		case e.name == "delta":
			var delta struct{ Text string }
			if err := json.Unmarshal([]byte(e.data), &delta); err != nil {
				t.Fatal(err)
			}
			text += delta.Text
			deltas++
		case e.name == "result" && i == len(events)-1:
			if err := json.Unmarshal([]byte(e.data), &o); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("event %d of %d is %q", i, len(events), e.name)
		}
	}
	return text, deltas, o
}

func TestAStreamOfEachType(t *testing.T) {
	fakes := startFakes(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, fake := range fakes {
			t.Run(fake.Type, func(t *testing.T) {
				admin := admin.In(t)
				p := admin.CreateProvider(providerOf(fake))
				draft := apitest.Object{"model_id": fake.ModelID, "prompt": "Say hello."}
				for _, answer := range []*apitest.Answer{
					admin.Post("/models/"+p.Models[0].ID+"/test", prompt, asEvents),
					admin.Post(p.Path()+"/test", draft, asEvents),
					admin.Post("/provider-types/"+fake.Type+"/test", settingsOf(fake, draft), asEvents),
				} {
					text, deltas, o := streamed(t, answer)
					succeeded(t, o)
					if text != providertest.Text || deltas < 2 {
						t.Errorf("%d deltas say %q", deltas, text)
					}
					if o.TimeToFirstTokenMS == nil {
						t.Error("no time_to_first_token_ms")
					}
				}
				if last := admin.Model(p.Models[0].ID).LastTest; last == nil || last.Status != "success" {
					t.Errorf("last_test is %+v", last)
				}
			})
		}
	}, reaching(fakes...))
}

func TestAnErrorInMidStream(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.ErrorInStream)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		text, _, o := streamed(t, admin.Post("/models/"+p.Models[0].ID+"/test", prompt, asEvents))
		failed(t, o, "upstream")
		if text == "" || !strings.HasPrefix(providertest.Text, text) {
			t.Errorf("the deltas before the error say %q", text)
		}
	}, reaching(fake))
}

// TestHeartbeats: a stream whose upstream is silent says now and then that it
// lives.
func TestHeartbeats(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		answer := admin.Post("/models/"+p.Models[0].ID+"/test", prompt, asEvents)
		if beats := strings.Count(answer.Body, ": still waiting\n\n"); beats < 2 {
			t.Errorf("%d heartbeats in %q", beats, answer.Body)
		}
		_, _, o := streamed(t, answer)
		failed(t, o, "timeout")
	}, reaching(fake), func(cfg *app.Config) { cfg.TestTimeout, cfg.Heartbeat = time.Second, 20*time.Millisecond })
}

// TestATokenThatEndsDuringAStream ends the stream and the upstream call.
func TestATokenThatEndsDuringAStream(t *testing.T) {
	for _, database := range apitest.DatabaseNames() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			fake := providertest.Start(t, providertest.OpenAI())
			fake.Use(providertest.Silent)
			s := apitest.Start(t, checker.RoundTripper, database, reaching(fake), func(cfg *app.Config) {
				cfg.TestTimeout, cfg.Heartbeat = time.Minute, 20*time.Millisecond
			})
			s.Clock.Stop()
			c := s.Workspace(t)
			p := c.CreateProvider(providerOf(fake))
			revoked := newToken(c, object{"name": "revoked", "role": "editor"})
			expired := newToken(c, object{"name": "expired", "role": "editor", "expires_at": s.Clock.Now().Add(time.Hour).Format(time.RFC3339)})
			for i, test := range []struct {
				token token
				end   func()
			}{
				{revoked, func() { c.Delete("/tokens/" + revoked.ID).Is(http.StatusNoContent) }},
				{expired, func() { s.Clock.Advance(time.Hour) }},
			} {
				answered := make(chan *apitest.Answer, 1)
				go func() { answered <- c.With(test.token.Token).Post("/models/"+p.Models[0].ID+"/test", prompt, asEvents) }()
				for deadline := time.Now().Add(20 * time.Second); len(fake.Requests()) <= i; time.Sleep(5 * time.Millisecond) {
					if time.Now().After(deadline) {
						t.Fatal("the test did not begin")
					}
				}
				test.end()
				answer := <-answered
				events := eventsOf(t, answer.Is(http.StatusOK).Body)
				if len(events) != 1 || events[0].name != "error" || !strings.Contains(events[0].data, `"code":"unauthenticated"`) {
					t.Errorf("%s: the stream is %q", test.token.Name, answer.Body)
				}
				<-fake.Left() // it has seen that the call was cancelled
				happened := c.Get("/audit-events?action=model.test&actor=" + test.token.ID).Object()["data"].(list)
				if len(happened) != 1 || happened[0].(object)["outcome"] != "failure" || happened[0].(object)["reason"] != "unauthenticated" {
					t.Errorf("%s: the events are %v", test.token.Name, happened)
				}
			}
		})
	}
}

// TestAStreamWhileTheDatabaseIsAway goes on: nothing is known against its token.
func TestAStreamWhileTheDatabaseIsAway(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := c.CreateProvider(providerOf(fake))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		next := linesOf(t, ctx, c, http.MethodPost, s.URL+"/models/"+p.Models[0].ID+"/test", prompt)
		beats := func(what string) {
			t.Helper()
			for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
				if line := next(); line != ": still waiting\n" && line != "\n" {
					t.Fatalf("%s: the stream says %q", what, line)
				}
			}
		}
		beats("at first")
		s.Database.TakeAway(t)
		s.Clock.Advance(time.Second) // the token is kept no longer
		c.Get("/stages").Problem(http.StatusServiceUnavailable, "unavailable")
		beats("without the database")
		s.Database.BringBack(t)
		recovers(t, c)
		beats("with the database again")
	}, reaching(fake), func(cfg *app.Config) { cfg.TestTimeout, cfg.Heartbeat = time.Minute, 20*time.Millisecond })
}

// linesOf begins a stream and returns what reads its lines.
func linesOf(t *testing.T, ctx context.Context, c *apitest.Client, method, url string, body object) (next func() string) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewReader(response.Body)
	return func() string {
		t.Helper()
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", line, err)
		}
		return line
	}
}

// leaveDuringCalls begins a stream of a request during which the fake, which does not
// answer, is called, and leaves: the calls end.
func leaveDuringCalls(t *testing.T, fake *providertest.Server, calls int, c *apitest.Client, url string, body object) {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	if line := linesOf(t, ctx, c, http.MethodPost, url, body)(); line != ": still waiting\n" {
		t.Fatalf("the first line is %q", line)
	}
	leave()
	for range calls {
		select {
		case <-fake.Left():
		case <-time.After(5 * time.Second):
			t.Fatal("a call went on after the client had left")
		}
	}
}

// TestAClientThatDoesNotRead gives its place back, and its upstream call ends.
func TestAClientThatDoesNotRead(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		left := make(chan struct{}, 10)
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			// Written as events it is several times as long as it is: the sockets take less
			// than it takes to reach the bound on an answer.
			piece := `data: {"choices":[{"index":0,"delta":{"content":"` + strings.Repeat(`\u0001`, 16) + `"}}]}` + "\n\n"
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, piece); err != nil {
					break
				}
			}
			left <- struct{}{}
		}))
		defer endless.Close()
		p := c.CreateProvider(object{"name": "Endless", "type": "custom", "credentials": object{"api_key": "sk-endless"},
			"config": object{"base_url": endless.URL}, "models": list{object{"model_id": "m", "supported_stages": list{"planning"}}}})
		address := strings.TrimPrefix(s.URL, "http://")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		const id = "the-client-that-does-not-read"
		fmt.Fprintf(conn, "POST /models/%s/test HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Request-Id: "+id+"\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\nContent-Length: 15\r\n\r\n{\"prompt\":\"Hi\"}",
			p.Models[0].ID, address, c.Token)
		select {
		case <-left:
		case <-time.After(time.Minute): // filling the sockets takes 7 seconds with the race detector on an idle machine
			t.Fatal("the upstream call goes on for a client that does not read")
		}
		if line := s.Log.Request(t, id); line["client_gone"] != true {
			t.Errorf("the call did not end for the client: %v", line)
		}
		// The only place is free again.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			ctx, leave := context.WithCancel(t.Context())
			first := linesOf(t, ctx, c, http.MethodPost, s.URL+"/models/"+p.Models[0].ID+"/test", prompt)()
			leave()
			if strings.HasPrefix(first, "event: delta") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("another test is answered with %q", first)
			}
		}
	}, func(cfg *app.Config) {
		cfg.TestTimeout, cfg.Heartbeat, cfg.Limits.TestsInFlight = 3*time.Minute, 200*time.Millisecond, 1
		cfg.AllowUpstreams = append(cfg.AllowUpstreams, "127.0.0.1/32")
	})
}

// TestARefusalBeforeAStream is a problem, as without a stream.
func TestARefusalBeforeAStream(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		admin.Post("/models/0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10/test", prompt, asEvents).Problem(http.StatusNotFound, "not_found")
		admin.Post("/provider-types/openai/test", apitest.Object{"credentials": apitest.Object{}, "model_id": "m", "prompt": "Hi"}, asEvents).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required")
	})
}

// TestDeltasComeAtOnce reads the first delta of an answer that never ends, and
// goes away: the upstream notices.
func TestDeltasComeAtOnce(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.Stall)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		next := linesOf(t, ctx, admin, http.MethodPost, s.URL+"/models/"+p.Models[0].ID+"/test", prompt)
		if line := next(); line != "event: delta\n" {
			t.Fatalf("the first line is %q", line)
		}
		began := time.Now()
		leave()
		select {
		case <-fake.Left():
			t.Logf("the upstream call ended %s after the client had left", time.Since(began))
		case <-time.After(5 * time.Second):
			t.Error("the upstream call went on after the client had left")
		}
	}, reaching(fake))
}

// TestAClientThatLeaves leaves no status of success in the log.
func TestAClientThatLeaves(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		before := len(fake.Requests())
		go func() {
			for len(fake.Requests()) == before && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			leave()
		}()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/models/"+p.Models[0].ID+"/test", strings.NewReader(`{"prompt":"Hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		const id = "the-client-that-leaves"
		request.Header.Set("Authorization", "Bearer "+admin.Token)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("X-Request-Id", id)
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			t.Fatal("a silent upstream answered")
		}
		if line := s.Log.Request(t, id); line["status"] != 499.0 || line["client_gone"] != true {
			t.Errorf("logged as %v", line)
		}
	}, reaching(fake))
}
