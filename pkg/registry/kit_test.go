package registry_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // registers the driver

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

const workspace = "default"

// kit is a registry over a SQLite file, and a fake of the upstream that its
// providers lead to.
type kit struct {
	*registry.Registry
	upstream *providertest.Server
	store    *store.Store
	keyset   *secret.Keyset
	file     string
	// built counts the clients: each takes a transport when it is built.
	built *atomic.Int64
	// gate, where there is one, holds up the answers of the upstream.
	gate atomic.Pointer[gate]
}

// newKit makes a kit; change may alter the configuration of its registry.
func newKit(t *testing.T, change ...func(*registry.Config)) *kit {
	t.Helper()
	dir := t.TempDir()
	keyset, err := secret.Create(t.Context(), filepath.Join(dir, "keyset.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "registry.db")
	k := &kit{
		upstream: providertest.Start(t, providertest.Custom()),
		store:    storetest.Open(t, store.Config{SQLitePath: file}),
		keyset:   keyset, file: file,
	}
	if err := k.store.FirstSealingKeys(t.Context(), keyset.SealingKey(), keyset.IDs()); err != nil {
		t.Fatal(err)
	}
	k.Registry, k.built = k.replica(t, change...)
	return k
}

// replica makes another registry over the same store, as another process would
// have, and a count of the clients that it builds.
func (k *kit) replica(t *testing.T, change ...func(*registry.Config)) (*registry.Registry, *atomic.Int64) {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	built := &atomic.Int64{}
	config := registry.Config{
		Store: k.store, Audit: unrecorded{}, Keyset: k.keyset, Limiter: auth.NewLimiter(auth.Limits{}, time.Now), TestTimeout: time.Minute, Now: time.Now,
		BeforeSealing: func(context.Context) error { return nil }, ReloadKeyset: func(context.Context) {}, Observer: unobserved{},
		Transport: func(...string) http.RoundTripper {
			built.Add(1)
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				response, err := transport.RoundTrip(r)
				if g := k.gate.Load(); g != nil && err == nil {
					g.wait(r.Context())
				}
				return response, err
			})
		},
	}
	for _, f := range change {
		f(&config)
	}
	r, err := registry.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return r, built
}

// unobserved counts nothing.
type unobserved struct{}

func (unobserved) UpstreamCalled(registry.UpstreamCall) {}

func (unobserved) StatusChanged(registry.Status) {}

func (unobserved) HealthChecked(registry.CheckMethod, registry.CheckOutcome) {}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// unrecorded keeps the audit events of calls and of new providers only, without
// what nobody looks at here.
type unrecorded struct{}

func (unrecorded) Record(context.Context, ...audit.Event) error { return nil }

func (unrecorded) Seal(_ context.Context, e audit.Event) audit.Event {
	e.ID, e.Seal = uuid.Must(uuid.NewV7()).String(), []byte{1}
	return e
}

// gate holds up answers that the upstream has given already.
type gate struct {
	arrived chan struct{} // yields once an answer
	open    chan struct{} // closed: they go on
}

// holdUp puts a gate before the answers of calls that begin from now on.
func (k *kit) holdUp() *gate {
	g := &gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	k.gate.Store(g)
	return g
}

func (g *gate) wait(ctx context.Context) {
	g.arrived <- struct{}{}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

// create makes a provider with the settings that the upstream takes, and a
// model that it serves.
func (k *kit) create(t *testing.T, name string) registry.Provider {
	t.Helper()
	p, err := k.CreateProvider(t.Context(), workspace, k.newProvider(t, name))
	if err != nil {
		t.Fatal("create a provider:", err)
	}
	return p
}

// newProvider is what create makes.
func (k *kit) newProvider(t *testing.T, name string) registry.NewProvider {
	t.Helper()
	stages := []string{"planning"}
	return registry.NewProvider{
		Name: name, Type: k.upstream.Type,
		Settings: provider.Request{Credentials: encode(t, k.upstream.Credentials), Config: encode(t, k.upstream.Config)},
		Models:   []registry.ModelInput{{ModelID: &k.upstream.ModelID, Stages: &stages}},
	}
}

// encode is a settings object of a request.
func encode[V any](t *testing.T, values map[string]V) map[string]json.RawMessage {
	t.Helper()
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	return members
}

// update edits a provider, which has to succeed.
func (k *kit) update(t *testing.T, id string, edit registry.ProviderEdit) registry.Provider {
	t.Helper()
	p, err := k.UpdateProvider(t.Context(), workspace, id, edit)
	if err != nil {
		t.Fatal("update the provider:", err)
	}
	return p
}

// newKey is an edit that replaces the key.
func newKey(t *testing.T, key string) registry.ProviderEdit {
	t.Helper()
	return registry.ProviderEdit{Settings: provider.Request{Credentials: encode(t, map[string]string{"api_key": key})}}
}

// read returns a provider as it is stored.
func (k *kit) read(t *testing.T, id string) registry.Provider {
	t.Helper()
	p, err := k.Provider(t.Context(), workspace, id)
	if err != nil {
		t.Fatal("read the provider:", err)
	}
	return p
}

// test tests the first model of a provider. The outcome may be a failure of the
// upstream, not an error.
func (k *kit) test(t *testing.T, p registry.Provider) registry.TestResult {
	t.Helper()
	result, err := k.TestModel(t.Context(), workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Say hello."}}, nil)
	if err != nil {
		t.Fatal("test the model:", err)
	}
	return result
}

// exec changes the database behind everyone's back.
func (k *kit) exec(t *testing.T, statement string, values ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+k.file+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	done, err := db.ExecContext(t.Context(), statement, values...)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		t.Fatalf("%s: changed %d rows, %v", statement, n, err)
	}
}

func pointer[T any](value T) *T { return &value }
