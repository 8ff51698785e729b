package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// TestChangesOfKilledServices has many writers and readers over services that are killed
// over and over. Every reader sees every change once, those of a provider in the order of
// its versions, whichever service it asks.
func TestChangesOfKilledServices(t *testing.T) {
	storetest.Long(t)
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		followKilled(t, 1)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		followKilled(t, 2, "--database-url", storetest.Postgres(t))
	})
}

// toldChange is a change as the service tells it.
type toldChange struct {
	Cursor          string `json:"cursor"`
	Resource        string `json:"resource"`
	ID              string `json:"id"`
	ProviderID      string `json:"provider_id"`
	Action          string `json:"action"`
	ProviderVersion int64  `json:"provider_version"`
}

// followed are services that are killed, and who uses them.
type followed struct {
	*testing.T
	urls   []string
	token  string
	ended  atomic.Bool // no writer writes any more
	mu     sync.Mutex
	stored map[string]bool // ids of providers whose creation was acknowledged
}

func followKilled(t *testing.T, services int, args ...string) {
	const writers, readers = 8, 8
	dir := filepath.Join(t.TempDir(), "data")
	f := &followed{T: t, stored: map[string]bool{}}
	var processes []*process
	begin := func(i int) {
		processes[i] = launch(t, append(args, "--data-dir", dir, "--addr", strings.TrimPrefix(f.urls[i], "http://"))...)
		if !processes[i].settle(t) {
			t.Fatalf("the service does not start:\n%s", processes[i].stderr)
		}
	}
	for i := range services {
		f.urls, processes = append(f.urls, "http://"+freeAddress(t)), append(processes, nil)
		begin(i)
	}
	processes[0].signIn(t, dir)
	f.token = processes[0].token
	var page struct {
		NextCursor string `json:"next_cursor"`
	}
	if err := f.get(t.Context(), f.urls[0]+"/changes", &page); err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writing, reading sync.WaitGroup
	shared := make([]atomic.Value, writers/2) // providers that two writers edit
	for i := range writers {
		writing.Go(func() { f.write(ctx, i, &shared[i%len(shared)]) })
	}
	all := make([]*changeReader, readers)
	for i := range all {
		all[i] = &changeReader{followed: f, number: i, cursor: page.NextCursor, streams: i%2 == 0}
		reading.Go(func() { all[i].run(t.Context()) })
	}
	for n := range *kills {
		time.Sleep(100*time.Millisecond + rand.N(300*time.Millisecond))
		kill(processes[n%services])
		begin(n % services)
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	writing.Wait()
	f.ended.Store(true)
	reading.Wait()
	f.check(all)
	if t.Failed() {
		t.Logf("the last process said:\n%s", processes[0].stderr.tail())
	}
}

// send makes a request to one of the services, and returns an error unless it succeeds.
func (f *followed) send(ctx context.Context, method, address string, body, into any) error {
	var content io.Reader
	if body != nil {
		content = strings.NewReader(encode(f.T, body))
	}
	request, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusNotFound:
		return errNotFound
	case response.StatusCode >= 300:
		return fmt.Errorf("%s %s answered %d: %s", method, address, response.StatusCode, text)
	case into != nil:
		return json.Unmarshal(text, into)
	}
	return nil
}

var errNotFound = errors.New("not found")

func (f *followed) get(ctx context.Context, address string, into any) error {
	return f.send(ctx, http.MethodGet, address, nil, into)
}

func (f *followed) url(path string) string { return f.urls[rand.N(len(f.urls))] + path }

type storedProvider struct {
	ID      string
	Version int64
	Models  []struct{ ID string }
}

// create adds a provider. It returns nil if the service was killed meanwhile.
func (f *followed) create(ctx context.Context, name string) *storedProvider {
	p := &storedProvider{}
	body := map[string]any{"name": name, "type": "openai", "credentials": map[string]any{"api_key": "sk-0123456789abcdef"},
		"models": []any{map[string]any{"model_id": "m", "supported_stages": []string{"planning"}}}}
	if f.send(ctx, http.MethodPost, f.url("/providers"), body, p) != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stored[p.ID] = true
	return p
}

// write changes providers until ctx ends: a shared one, and some that it creates and
// deletes.
func (f *followed) write(ctx context.Context, number int, shared *atomic.Value) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("writer %d, %d", number, n)
		p, _ := shared.Load().(*storedProvider)
		if p == nil || n%5 == 0 {
			created := f.create(ctx, name)
			if created == nil {
				time.Sleep(10 * time.Millisecond)
				continue
			}
			if p == nil {
				shared.Store(created)
			} else {
				_ = f.send(ctx, http.MethodPatch, f.url("/providers/"+created.ID), map[string]any{"status": "inactive"}, nil)
				_ = f.send(ctx, http.MethodDelete, f.url("/providers/"+created.ID), nil, nil)
			}
			continue
		}
		path, body := "/providers/"+p.ID, map[string]any{"name": name}
		if n%2 == 0 {
			path, body = path+"/models/"+p.Models[0].ID, map[string]any{"display_name": name}
		}
		if f.send(ctx, http.MethodPatch, f.url(path), body, nil) != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// changeReader follows changes, in pages or as a stream.
type changeReader struct {
	*followed
	number  int
	cursor  string
	streams bool
	seen    []toldChange
}

// run reads until no writer writes, and nothing comes for a while.
func (r *changeReader) run(ctx context.Context) {
	for n := r.number; ; n++ {
		last := r.ended.Load()
		before := len(r.seen)
		address := r.urls[n%len(r.urls)] + "/changes?after=" + url.QueryEscape(r.cursor) + "&wait=2s&limit=100"
		var err error
		if r.streams && !last {
			err = r.stream(ctx, address)
		} else {
			err = r.page(ctx, address)
		}
		if err == nil && last && len(r.seen) == before {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func (r *changeReader) page(ctx context.Context, address string) error {
	var page struct {
		Data       []toldChange
		NextCursor string `json:"next_cursor"`
	}
	err := r.get(ctx, address, &page)
	if err == nil {
		r.seen = append(r.seen, page.Data...)
		r.cursor = page.NextCursor
	}
	return err
}

// stream reads a stream for a second, or until the service is killed.
func (r *changeReader) stream(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+r.token)
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	event := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case name == "event":
			event = value
		case name == "data" && event == "change":
			var c toldChange
			if json.Unmarshal([]byte(value), &c) != nil {
				return nil // half of it: the service was killed
			}
			r.seen, r.cursor = append(r.seen, c), c.Cursor
		case name == "data":
			r.Errorf("reader %d got the event %s: %s", r.number, event, value)
		case name == "":
			event = ""
		}
	}
	return nil
}

// check compares what all readers saw with each other and with what is stored.
func (f *followed) check(readers []*changeReader) {
	first := readers[0].seen
	for _, r := range readers[1:] {
		if !slices.Equal(r.seen, first) {
			f.Errorf("reader %d saw %d changes, and reader 0 %d, or in another order", r.number, len(r.seen), len(first))
		}
	}
	versions := map[string]int64{}
	deleted := map[string]bool{}
	for i, c := range first {
		want := versions[c.ProviderID] + 1
		if c.Action == "deleted" && c.Resource == "provider" {
			want, deleted[c.ProviderID] = want-1, true
		}
		if c.ProviderVersion != want || (want == 1) != (c.Action == "created" && c.Resource == "provider") && c.Action != "deleted" {
			f.Errorf("change %d of %d is %+v; the version is to be %d", i, len(first), c, want)
			return
		}
		versions[c.ProviderID] = c.ProviderVersion
	}
	f.Logf("%d changes of %d providers, of which %d were deleted", len(first), len(versions), len(deleted))
	for id := range f.stored {
		if versions[id] == 0 {
			f.Errorf("nobody saw a change of provider %s", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		var p storedProvider
		switch err := f.get(context.Background(), f.urls[0]+"/providers/"+id, &p); {
		case errors.Is(err, errNotFound) != deleted[id] || err != nil && !errors.Is(err, errNotFound):
			f.Errorf("provider %s: deleted by the changes %t, by the service %v", id, deleted[id], err)
		case err == nil && p.Version != versions[id]:
			f.Errorf("provider %s has version %d; the last change is of version %d", id, p.Version, versions[id])
		}
	}
}
