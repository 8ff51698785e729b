package api_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/store/storetest"
)

func TestAStreamOfChanges(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		start := changesAt(c, "").NextCursor
		p := c.CreateProvider(apitest.OpenAI(nil))
		all := changesAfter(t, c, start, 1)
		events := c.Events("/changes", apitest.Header("Accept-Encoding", "gzip"))
		if encoding := events.Header.Get("Content-Encoding"); encoding != "" {
			t.Errorf("the stream is encoded with %s", encoding)
		}
		if first := events.Next(); first != (apitest.Event{ID: all[0].Cursor}) {
			t.Errorf("the first event is %+v, the end is %s", first, all[0].Cursor)
		}
		for range 3 {
			oneMore(c, p)
			event := events.Next()
			var told change
			if err := json.Unmarshal([]byte(event.Data), &told); err != nil || event.Name != "change" || event.ID != told.Cursor {
				t.Fatalf("an event is %+v", event)
			}
			all = append(all, told)
		}
		events.Leave()
		if diff := cmp.Diff(changesAt(c, "?after="+all[0].Cursor).Data, all[1:]); diff != "" {
			t.Errorf("the stream differs from the page:\n%s", diff)
		}
		for name, resumed := range map[string]*apitest.Events{
			"after":                   c.Events("/changes?after=" + all[1].Cursor),
			"Last-Event-ID":           c.Events("/changes", apitest.Header("Last-Event-ID", all[1].Cursor)),
			"Last-Event-ID and after": c.Events("/changes?after="+all[0].Cursor, apitest.Header("Last-Event-ID", all[1].Cursor)),
			"both, of a repeated URL": c.Events("/changes?after=x&wait=1s&limit=1", apitest.Header("Last-Event-ID", all[1].Cursor)),
		} {
			ids := []string{resumed.Next().ID, resumed.Next().ID, resumed.Next().ID}
			if diff := cmp.Diff([]string{all[1].Cursor, all[2].Cursor, all[3].Cursor}, ids); diff != "" {
				t.Errorf("a stream that is resumed by %s:\n%s", name, diff)
			}
			resumed.Leave()
		}
		// Without a stream, the header means nothing.
		if page := changesAtWith(c, "?after="+all[0].Cursor, apitest.Header("Last-Event-ID", "x")); len(page.Data) != 3 {
			t.Errorf("a page with Last-Event-ID has %d changes", len(page.Data))
		}
		head := c.Do(http.MethodHead, "/changes", nil, asEvents).Is(http.StatusOK).Has("Content-Type", "text/event-stream")
		if head.Body != "" {
			t.Errorf("HEAD is answered with %q", head.Body)
		}
	})
}

func changesAtWith(c *apitest.Client, query string, edit apitest.Edit) (page changePage) {
	c.Get("/changes"+query, edit).Is(http.StatusOK).Into(&page)
	return page
}

// TestATokenThatEndsDuringAWait ends the wait, and the stream.
func TestATokenThatEndsDuringAWait(t *testing.T) {
	issuer := authtest.Start(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		after := changesAt(c, "").NextCursor
		expires := s.Clock.Now().Add(time.Hour)
		revoked := newToken(c, object{"name": "revoked", "role": "viewer"})
		expired := newToken(c, object{"name": "expired", "role": "viewer", "expires_at": expires.Format(time.RFC3339)})
		jwt := issuer.AccessToken(t, authtest.Claims{"app": object{"roles": list{"viewer"}}, "https://app/org": c.Workspace, "exp": expires.Unix()})
		expire := func() { s.Clock.Advance(time.Hour) }
		for _, test := range []struct {
			name, token string
			end         func()
		}{
			{"revoked", revoked.Token, func() { c.Delete("/tokens/" + revoked.ID).Is(http.StatusNoContent) }},
			{"expired", expired.Token, expire},
			{"JWT", jwt, expire},
		} {
			s.Clock.Stop() // back to now
			reader := c.With(test.token)
			events := reader.Events("/changes")
			events.Next()
			answered := make(chan *apitest.Answer, 1)
			go func() { answered <- reader.Get("/changes?wait=50s&after=" + after) }()
			waitsFor(t, s, 2)
			test.end()
			began := time.Now()
			if last := events.Next(); last.Name != "error" || !strings.Contains(last.Data, `"code":"unauthenticated"`) {
				t.Errorf("%s: the stream ends with %+v", test.name, last)
			}
			if last := events.Next(); last != (apitest.Event{}) {
				t.Errorf("%s: after the error: %+v", test.name, last)
			}
			(<-answered).Problem(http.StatusUnauthorized, "unauthenticated")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("%s: that took %s", test.name, took)
			}
		}
	}, signInThrough(issuer))
}

// waitsFor waits until so many requests wait for changes.
func waitsFor(t *testing.T, s *apitest.Server, waits int) {
	t.Helper()
	admin := s.Admin(t)
	want := fmt.Sprintf("\nmodelproviders_change_waits %d\n", waits)
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(admin.Get("/metrics").Body, want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there are never %d waits", waits)
		}
	}
}

// TestWaitsOfAWorkspaceAreLimited: others are not affected, and who leaves makes place.
func TestWaitsOfAWorkspaceAreLimited(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		after := changesAt(c, "").NextCursor
		var streams []*apitest.Events
		for range 100 {
			streams = append(streams, c.Events("/changes"))
		}
		for _, refused := range []*apitest.Answer{c.Get("/changes?wait=1s&after=" + after), c.Get("/changes", asEvents)} {
			refused.Has("Retry-After", "10").Problem(http.StatusTooManyRequests, "rate_limited")
		}
		changesAt(c, "?after="+after)
		changesAt(c, "?wait=1s")
		s.Workspace(t).Events("/changes")
		p := c.CreateProvider(apitest.OpenAI(nil)) // everyone is told
		for i, stream := range streams {
			stream.Next()
			if told := stream.Next(); !strings.Contains(told.Data, p.ID) {
				t.Fatalf("stream %d is told %+v", i, told)
			}
		}
		for _, stream := range streams[:60] {
			stream.Leave()
		}
		waitsFor(t, s, 41)
		c.Events("/changes")
		changesAt(c, "?wait=1ms&after="+changesAt(c, "").NextCursor)
		waitsFor(t, s, 42)
	})
}

// TestASilentStreamOfChanges gets heartbeats.
func TestASilentStreamOfChanges(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		lines := linesOf(t, t.Context(), c, http.MethodGet, s.URL+"/changes", nil)
		for beats := 0; beats < 3; {
			if lines() == ": still waiting\n" {
				beats++
			}
		}
	}, func(cfg *app.Config) { cfg.Heartbeat = 20 * time.Millisecond })
}

// TestAReaderOfChangesThatDoesNotRead loses its stream, and delays nobody.
func TestAReaderOfChangesThatDoesNotRead(t *testing.T) {
	storetest.Long(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		address := strings.TrimPrefix(s.URL, "http://")
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		const id = "the-reader-that-does-not-read"
		fmt.Fprintf(conn, "GET /changes HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nX-Request-Id: "+id+"\r\nAccept: text/event-stream\r\n\r\n", address, c.Token)
		waitsFor(t, s, 1)
		events := c.Events("/changes")
		events.Next()
		p := c.CreateProvider(apitest.OpenAI(nil))
		expected, told, stored, gone := 1, 0, len(p.Models), false
		for began := time.Now(); !gone && time.Since(began) < time.Minute; {
			models := make(list, 400)
			for i := range models {
				models[i] = apitest.GPT(fmt.Sprint("model ", told, "/", i), nil)
			}
			c.Patch(p.Path(), object{"models": models}).Is(http.StatusOK)
			expected, stored = expected+stored+len(models), len(models)
			for ; told < expected; told++ {
				if event := events.Next(); event.Name != "change" {
					t.Fatalf("the other reader is told %+v", event)
				}
			}
			gone = strings.Contains(s.Admin(t).Get("/metrics").Body, "\nmodelproviders_change_waits 1\n")
		}
		if line := s.Log.Request(t, id); line["client_gone"] != true {
			t.Errorf("the stream did not end for the client: %v", line)
		}
		t.Logf("it ended after %d changes", told)
	}, func(cfg *app.Config) { cfg.Heartbeat = 200 * time.Millisecond })
}
