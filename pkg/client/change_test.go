package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/client"
)

func TestStreamChanges(t *testing.T) {
	c := connect(t, serve(t, nil))
	start := must(c.ListChanges(t.Context(), client.ListChangesParams{}))(t).NextCursor
	p := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t)
	var created client.Change
	for change, err := range c.StreamChanges(t.Context(), start) {
		check(t, err)
		created = change
		break
	}
	if created.ID != p.ID || created.Resource != client.ChangeResourceProvider || created.Action != client.ChangeActionCreated || created.Version != 1 {
		t.Errorf("the first change is %+v", created)
	}
	model := p.Models[0]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	names := 0
	rename := func() {
		names++
		must(c.UpdateModel(ctx, p.ID, model.ID, client.ModelUpdate{DisplayName: fmt.Sprint("Name ", names)}))(t)
	}
	rename()
	changes := c.StreamChanges(ctx, created.Cursor)
	var versions []int64
	for change, err := range changes {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a stream that is canceled ends with %v", err)
			}
			break
		}
		if change.ID != model.ID || change.Action != client.ChangeActionUpdated {
			t.Errorf("a change is %+v", change)
		}
		if versions = append(versions, change.Version); len(versions) == 3 {
			cancel()
		} else {
			rename()
		}
	}
	if !slices.Equal(versions, []int64{2, 3, 4}) {
		t.Errorf("the versions are %v", versions)
	}
	for change, err := range c.StreamChanges(t.Context(), created.Cursor) { // again
		if check(t, err); change.Version != 2 {
			t.Errorf("the stream begins with %+v", change)
		}
		break
	}
	if page := must(c.ListChanges(t.Context(), client.ListChangesParams{After: start, Wait: "10s", Limit: 2}))(t); len(page.Data) != 2 || page.Data[0] != created {
		t.Errorf("a page is %+v", page)
	}
}

// events is a response with server-sent events.
func events(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, text)
	}
}

func told(cursor string) string {
	return fmt.Sprintf("event: change\nid: %s\ndata: {\"cursor\":\"%s\"}\n\n", cursor, cursor)
}

func refusal(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"code":"%s"}`, status, code)
	}
}

// TestStreamChangesContinues after the last change, whatever breaks.
func TestStreamChangesContinues(t *testing.T) {
	broken := func(w http.ResponseWriter, r *http.Request) {
		events("id: c1\n\n"+told("c2"))(w, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	closed := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[],"next_cursor":"c0"}`)
	}
	failing := `event: error` + "\n" + `data: {"status":503,"code":"unavailable"}` + "\n\n"
	answers := []http.HandlerFunc{
		closed, page, refusal(503, "unavailable"), refusal(502, ""), events("id: c0\n\n: still waiting\n\n" + told("c1")), broken, closed,
		events(failing), events("event: later\ndata: 1\n\n" + told("c3")),
		events("event: reset\nid: c9\ndata: {\"next_cursor\":\"c9\"}\n\n"),
	}
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("after"))
		if len(asked) > len(answers) {
			t.Fatalf("more requests than expected, with the cursors %q", asked)
		}
		answers[len(asked)-1](w, r)
	}))
	defer s.Close()
	var got []string
	var end error
	for change, err := range must(client.New(s.URL, ""))(t).StreamChanges(t.Context(), "") {
		if end = err; err == nil {
			got = append(got, change.Cursor)
		}
	}
	if !slices.Equal(got, []string{"c1", "c2", "c3"}) || !errors.Is(end, client.ProblemCodeGone) {
		t.Errorf("the changes are %q, the error is %v", got, end)
	}
	if want := []string{"", "", "c0", "c0", "c0", "c1", "c2", "c2", "c2", "c3"}; !slices.Equal(asked, want) {
		t.Errorf("the cursors are %q, not %q", asked, want)
	}
}

// TestStreamChangesIsRefused: what another attempt can't change is told at once.
func TestStreamChangesIsRefused(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }
	for name, row := range map[string]struct {
		answer http.HandlerFunc
		saying string
	}{
		"a revoked token":      {events("event: error\ndata: {\"status\":401,\"code\":\"unauthenticated\"}\n\n"), "unauthenticated"},
		"no permission":        {refusal(403, "forbidden"), "forbidden"},
		"another cursor":       {refusal(400, "malformed_request"), "malformed_request"},
		"an old cursor":        {refusal(410, "gone"), "gone"},
		"another service":      {page, "check the URL"},
		"data that is no JSON": {events("event: change\ndata: x\n\n"), "read the event"},
	} {
		requests := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			row.answer(w, r)
		}))
		var end error
		for _, err := range must(client.New(s.URL, ""))(t).StreamChanges(t.Context(), "c") {
			end = err
		}
		s.Close()
		if requests != 1 || end == nil || !strings.Contains(end.Error(), row.saying) {
			t.Errorf("%s: %d requests, the error is %v", name, requests, end)
		}
	}
}

// TestStreamChangesWhileTheServiceIsAway ends with its context.
func TestStreamChangesWhileTheServiceIsAway(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	for _, err := range must(client.New(s.URL, ""))(t).StreamChanges(ctx, "c") {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the error is %v", err)
		}
	}
	if ctx.Err() == nil {
		t.Error("the stream ended before its context")
	}
}
