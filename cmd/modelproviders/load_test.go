package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/provider/providertest"
)

const (
	loadCallers = 8
	// loadProviders is how many providers a caller has at most.
	loadProviders = 3
)

// load creates, edits, tests and deletes providers through the API, with several
// callers that go on through every outage, and remembers what was acknowledged.
type load struct {
	t        *testing.T
	http     *http.Client
	token    string
	upstream *providertest.Server
	// killed is set if the service itself is killed: then requests may end without
	// an answer.
	killed bool

	mu       sync.Mutex
	urls     []string       // of the processes of the service; each request goes to one of them
	statuses map[int]int    // how many answers had each status; 0: no answer
	late     time.Duration  // the longest time of a request that was answered 503
	written  chan time.Time // if somebody waits for it: when a write was acknowledged

	// operations is locked for reading from the start of an operation until its
	// outcome is known.
	operations sync.RWMutex
	callers    []*caller
}

// caller is one caller of a load. It is the only one who changes its providers.
type caller struct {
	*load
	number int
	names  int // given so far
	live   []*acknowledged
	gone   []*acknowledged
}

// acknowledged is a provider as the service said that it has stored it.
type acknowledged struct {
	id, name string
	edits    int
	version  int64
	modelID  string // id of the model that is tested
	testedAt string // when its last test ended; empty: not since the last edit
}

// stored is a provider in an answer.
type stored struct {
	ID      string
	Name    string
	Version int64
	Models  []struct {
		ID          string
		ModelID     string `json:"model_id"`
		DisplayName string `json:"display_name"`
		LastTest    *struct {
			Status, At string
		} `json:"last_test"`
	}
}

// startLoad starts the callers. They stop when the test ends, or by stop.
func startLoad(t *testing.T, s *service) (l *load, stop func()) {
	t.Helper()
	fake := providertest.Custom()
	fake.Authentic = func(*providertest.Request) bool { return true }
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * loadCallers}
	l = &load{
		t: t, http: &http.Client{Transport: transport, Timeout: patience}, token: s.token, urls: []string{s.url},
		upstream: providertest.Start(t, fake), statuses: map[int]int{},
	}
	var group sync.WaitGroup
	done := make(chan struct{})
	for number := range loadCallers {
		c := &caller{load: l, number: number}
		l.callers = append(l.callers, c)
		group.Go(func() {
			for !t.Failed() {
				select {
				case <-done:
					return
				case <-time.After(rand.N(30 * time.Millisecond)):
					l.operations.RLock()
					c.operate()
					l.operations.RUnlock()
				}
			}
		})
	}
	stop = sync.OnceFunc(func() {
		close(done)
		group.Wait()
		transport.CloseIdleConnections()
	})
	t.Cleanup(stop)
	return l, stop
}

// loadFlags are what a load needs of the service.
func loadFlags() []string {
	return []string{"--allow-upstreams", "127.0.0.1/32", "--rate-tests", "0", "--tests-in-flight", "0", "--rate-reveals", "0"}
}

// moveTo makes the callers call other processes.
func (l *load) moveTo(urls ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.urls = urls
}

// answered returns how many answers had a status.
func (l *load) answered(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[status]
}

// send makes one request. The status is 0 if there is no answer.
func (l *load) send(method, path string, body any, headers ...string) (status int, text string) {
	l.mu.Lock()
	url := l.urls[rand.N(len(l.urls))]
	l.mu.Unlock()
	encoded := ""
	if body != nil {
		encoded = encode(l.t, body)
	}
	request, err := http.NewRequest(method, url+path, strings.NewReader(encoded))
	if err != nil {
		l.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+l.token)
	request.Header.Set("Content-Type", "application/json")
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	start := time.Now()
	response, err := l.http.Do(request)
	if err == nil {
		var content []byte
		content, err = io.ReadAll(response.Body)
		err = errors.Join(err, response.Body.Close())
		status, text = response.StatusCode, string(content)
	}
	if err != nil {
		status = 0
		if !l.killed {
			l.t.Errorf("%s %s has no answer: %v", method, path, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
	if status == http.StatusServiceUnavailable {
		l.late = max(l.late, time.Since(start))
	}
	return status, text
}

// unknown reports whether a status leaves open if the service did what it was asked.
func unknown(status int) bool { return status == 0 || status == http.StatusServiceUnavailable }

// insist makes a request until its outcome is known.
func (l *load) insist(method, path string, body any, headers ...string) (status int, text string) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if status, text = l.send(method, path, body, headers...); !unknown(status) {
			return status, text
		}
		if time.Now().After(deadline) {
			l.t.Errorf("%s %s is still answered %d: %s", method, path, status, text)
			return status, text
		}
	}
}

// operate does one operation, and finds out whether it was done.
func (c *caller) operate() {
	if len(c.live) == 0 {
		c.create()
		return
	}
	p := rand.N(len(c.live))
	switch n := rand.N(12); {
	case n < 2 && len(c.live) < loadProviders:
		c.create()
	case n < 5:
		c.edit(c.live[p])
	case n < 9:
		c.test(c.live[p])
	case n < 11:
		c.read(c.live[p])
	default:
		c.remove(p)
	}
}

// settings is the body that makes a provider be as after its edits: its name, its
// key and the names of its models tell how many.
func (c *caller) settings(a *acknowledged, edits int) map[string]any {
	models := []map[string]any{}
	for _, id := range []string{c.upstream.ModelID, "another"} {
		models = append(models, map[string]any{"model_id": id, "display_name": a.displayName(edits), "supported_stages": []string{"planning"}})
	}
	return map[string]any{"name": a.displayName(edits), "credentials": map[string]any{"api_key": a.key(edits)}, "models": models}
}

func (a *acknowledged) displayName(edits int) string {
	return fmt.Sprintf("%s, edit %d", a.name, edits)
}
func (a *acknowledged) key(edits int) string {
	return strings.ReplaceAll(fmt.Sprintf("sk-%s-%06d", a.name, edits), " ", "-")
}

// create makes a provider. If the outcome is unknown, it sends the request again
// with the same Idempotency-Key.
func (c *caller) create() {
	c.names++
	a := &acknowledged{name: fmt.Sprintf("caller %d provider %d", c.number, c.names), version: 1}
	body := c.settings(a, 0)
	body["type"], body["config"] = c.upstream.Type, c.upstream.Config
	status, text := c.insist("POST", "/providers", body, "Idempotency-Key", a.name)
	switch {
	case status == http.StatusCreated:
		var made stored
		c.decode(text, &made)
		a.id, a.modelID = made.ID, made.Models[0].ID
		c.live = append(c.live, a)
		c.acknowledge()
	case status == http.StatusConflict && strings.Contains(text, `"code":"conflict"`):
		// The first attempt was not stored, and holds its key for a minute.
	default:
		c.t.Errorf("create %s: %d %s", a.name, status, text)
	}
}

func (c *caller) edit(a *acknowledged) {
	path := "/providers/" + a.id
	a.testedAt = "" // a new key makes the service forget tests
	status, text := c.send("PATCH", path, c.settings(a, a.edits+1), "If-Match", fmt.Sprintf(`"%d"`, a.version))
	acknowledged := status == http.StatusOK
	if unknown(status) {
		status, text = c.insist("GET", path, nil)
	}
	if status != http.StatusOK {
		c.t.Errorf("edit %s: %d %s", a.name, status, text)
		return
	}
	var now stored
	c.decode(text, &now)
	if now.Name == a.displayName(a.edits+1) {
		a.edits, a.version = a.edits+1, a.version+1
	}
	if acknowledged {
		c.acknowledge()
	}
}

func (c *caller) remove(p int) {
	a := c.live[p]
	path := "/providers/" + a.id
	status, text := c.send("DELETE", path, nil, "If-Match", fmt.Sprintf(`"%d"`, a.version))
	acknowledged := status == http.StatusNoContent
	if unknown(status) {
		status, text = c.insist("GET", path, nil)
	}
	switch status {
	case http.StatusNoContent, http.StatusNotFound:
		c.live = slices.Delete(c.live, p, p+1)
		c.gone = append(c.gone, a)
	case http.StatusOK: // it is still there
	default:
		c.t.Errorf("delete %s: %d %s", a.name, status, text)
	}
	if acknowledged {
		c.acknowledge()
	}
}

func (c *caller) test(a *acknowledged) {
	status, text := c.send("POST", "/models/"+a.modelID+"/test", map[string]any{"prompt": "Say hello."})
	if unknown(status) {
		return
	}
	var outcome struct {
		Status   string
		TestedAt string `json:"tested_at"`
	}
	c.decode(text, &outcome)
	if status != http.StatusOK || outcome.Status != "success" {
		c.t.Errorf("test %s: %d %s", a.name, status, text)
	}
	a.testedAt = outcome.TestedAt
	c.acknowledge()
}

// read reads a provider and reveals its key.
func (c *caller) read(a *acknowledged) {
	status, text := c.send("GET", "/providers/"+a.id, nil)
	if unknown(status) {
		return
	}
	var now stored
	c.decode(text, &now)
	if status != http.StatusOK {
		c.t.Errorf("read %s: %d %s", a.name, status, text)
		return
	}
	c.compareProvider(a, now)
}

func (l *load) decode(text string, into any) {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		l.t.Errorf("not JSON: %v: %s", err, text)
	}
}

// acknowledge tells the one who waits that a write was acknowledged.
func (l *load) acknowledge() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written != nil {
		l.written <- time.Now()
		l.written = nil
	}
}

// nextWrite returns when the next write was acknowledged.
func (l *load) nextWrite() time.Time {
	l.t.Helper()
	written := make(chan time.Time, 1)
	l.mu.Lock()
	l.written = written
	l.mu.Unlock()
	eventually(l.t, "a write is acknowledged", func() bool { return len(written) > 0 || l.t.Failed() })
	if len(written) == 0 {
		l.t.FailNow()
	}
	return <-written
}
