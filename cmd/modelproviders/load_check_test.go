package main

import (
	"maps"
	"net/http"
	"strings"
)

// check stops the callers for a moment, and checks that the service has stored
// exactly what it acknowledged.
func (l *load) check() {
	l.t.Helper()
	l.operations.Lock()
	defer l.operations.Unlock()
	l.compare()
}

// compare checks that the service has stored exactly what it acknowledged: all of
// it, and nothing else.
func (l *load) compare() {
	l.t.Helper()
	found := l.list()
	for _, c := range l.callers {
		for _, a := range c.live {
			p, there := found[a.id]
			if !there {
				l.t.Errorf("%s was acknowledged and is gone", a.name)
				continue
			}
			delete(found, a.id)
			l.compareProvider(a, p)
		}
	}
	for _, p := range found {
		l.t.Errorf("there is a provider that was not acknowledged, or was deleted: %+v", p)
	}
}

// list returns all providers by their ids.
func (l *load) list() map[string]stored {
	l.t.Helper()
	found := map[string]stored{}
	for path := "/providers?limit=100"; path != ""; {
		status, text := l.insist("GET", path, nil)
		if status != http.StatusOK {
			l.t.Fatalf("list the providers: %d %s", status, text)
		}
		var page struct {
			Data       []stored
			NextCursor string `json:"next_cursor"`
		}
		l.decode(text, &page)
		for _, p := range page.Data {
			found[p.ID] = p
		}
		if path = ""; page.NextCursor != "" {
			path = "/providers?limit=100&cursor=" + page.NextCursor
		}
	}
	return found
}

func (l *load) compareProvider(a *acknowledged, p stored) {
	l.t.Helper()
	want := a.displayName(a.edits)
	whole := p.Name == want && p.Version == a.version && len(p.Models) == 2
	for _, m := range p.Models {
		whole = whole && m.DisplayName == want
		if m.ID == a.modelID && a.testedAt != "" && (m.LastTest == nil || m.LastTest.At < a.testedAt) {
			l.t.Errorf("%s: a test at %s was acknowledged, the last one is %+v", want, a.testedAt, m.LastTest)
		}
	}
	if !whole {
		l.t.Errorf("want version %d of %s with 2 models, got %+v", a.version, want, p)
	}
	status, text := l.insist("POST", "/providers/"+a.id+"/credentials/api_key/reveal", nil)
	var revealed struct{ Value string }
	l.decode(text, &revealed)
	if status != http.StatusOK || revealed.Value != a.key(a.edits) {
		l.t.Errorf("the key of %s: %d %s", want, status, text)
	}
}

// compareEvents checks that every change, and nothing else, has its audit event. The
// callers must have stopped.
func (l *load) compareEvents(export string) {
	l.t.Helper()
	type counts struct{ creates, updates, deletes int64 }
	got, want := map[string]counts{}, map[string]counts{}
	for line := range strings.Lines(export) {
		var event struct {
			Action, Outcome string
			Target          struct{ ID string }
		}
		l.decode(line, &event)
		n := got[event.Target.ID]
		switch event.Action {
		case "provider.create":
			n.creates++
		case "provider.update":
			n.updates++
		case "provider.delete":
			n.deletes++
		default:
			continue
		}
		got[event.Target.ID] = n
	}
	for _, c := range l.callers {
		for _, a := range c.live {
			want[a.id] = counts{1, a.version - 1, 0}
		}
		for _, a := range c.gone {
			want[a.id] = counts{1, a.version - 1, 1}
		}
	}
	if !maps.Equal(got, want) {
		for id, n := range got {
			if n != want[id] {
				l.t.Errorf("the events of provider %s are %+v, want %+v", id, n, want[id])
			}
		}
		l.t.Errorf("there are events of %d providers, want %d", len(got), len(want))
	}
}

// report logs what the load did.
func (l *load) report() {
	l.t.Helper()
	made := 0
	for _, c := range l.callers {
		made += len(c.live) + len(c.gone)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Logf("%d providers were created; answers by status (0: none): %v; the latest 503 came after %v", made, l.statuses, l.late)
}
