package store_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestRoundTrips counts what requests cost in the database, as
// docs/performance.md promises it. A difference is a mistake, or a line to change
// there.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (*store.Store, func() int){"SQLite": openCountedSQLite, "Postgres": openCountedPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, count := open(t)
			w := newCounted(t, s)
			for _, request := range w.requests() {
				if err := request.call(); err != nil { // so that statements are prepared, and clients built
					t.Fatalf("%s: %v", request.name, err)
				}
				if err := request.call(); err != nil {
					t.Fatalf("%s: %v", request.name, err)
				}
				before := count()
				if err := request.call(); err != nil {
					t.Fatalf("%s: %v", request.name, err)
				}
				want := map[string]int{"SQLite": request.statements, "Postgres": request.trips}[name]
				if got := count() - before; got != want {
					t.Errorf("%s takes %d, want %d", request.name, got, want)
				}
			}
			before := count()
			w.atCall = func() { w.before = count() - before }
			if err := w.test(w.provider); err != nil || w.before != 1 {
				t.Errorf("a test takes %d before its call, want 1; %v", w.before, err)
			}
		})
	}
}

type countedRequest struct {
	name              string
	trips, statements int // on PostgreSQL with BEGIN and COMMIT, on SQLite without
	call              func() error
}

// unobserved counts nothing.
type unobserved struct{}

func (unobserved) UpstreamCalled(registry.UpstreamCall) {}

func (unobserved) StatusChanged(registry.Status) {}

func (unobserved) HealthChecked(registry.CheckMethod, registry.CheckOutcome) {}

// counted is a service over a counted store.
type counted struct {
	*registry.Registry
	ctx         context.Context
	tokens      *auth.Tokens
	idempotency *registry.Idempotency
	token       string
	provider    registry.Provider
	refused     registry.Provider // the upstream refuses its key
	modelID     string            // of the first model of new providers: the one that the upstream has
	key         string            // of new providers
	number      int
	atCall      func() // runs when the upstream is called
	before      int
}

func newCounted(t *testing.T, s *store.Store) *counted {
	keys, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.FirstSealingKeys(t.Context(), keys.SealingKey(), keys.IDs()); err != nil {
		t.Fatal(err)
	}
	upstream := providertest.Start(t, providertest.OpenAI())
	events := audit.NewLog(s, make([]byte, 32), time.Now)
	w := &counted{ctx: t.Context(), tokens: auth.NewTokens(s, events, time.Now), idempotency: registry.NewIdempotency(s, make([]byte, 32), time.Now)}
	endpoints, err := provider.ParseEndpoints("openai=" + upstream.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	w.Registry, err = registry.New(registry.Config{
		Store: s, Audit: events, Keyset: keys, Endpoints: endpoints, TestTimeout: time.Minute, Now: time.Now,
		Limiter:       auth.NewLimiter(auth.Limits{}, time.Now),
		BeforeSealing: func(context.Context) error { return nil }, Observer: unobserved{},
		Transport: func(...string) http.RoundTripper {
			return roundTrip(func(r *http.Request) (*http.Response, error) {
				if w.atCall != nil {
					w.atCall()
				}
				return http.DefaultTransport.RoundTrip(r)
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.token, _, err = w.tokens.Create(t.Context(), auth.Operator(workspace), auth.NewToken{Name: "t", Role: pointer(string(auth.Admin))}); err != nil {
		t.Fatal(err)
	}
	w.modelID, w.key = upstream.ModelID, upstream.Credentials["api_key"].(string)
	if w.provider, err = w.create(w.ctx, 2); err != nil {
		t.Fatal(err)
	}
	w.key = "sk-0123456789abcdef"
	if w.refused, err = w.create(w.ctx, 1); err != nil {
		t.Fatal(err)
	}
	return w
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func pointer[T any](value T) *T { return &value }

func (w *counted) create(ctx context.Context, models int) (registry.Provider, error) {
	w.number++
	in := registry.NewProvider{Name: fmt.Sprint("P", w.number), Type: "openai",
		Settings: provider.Request{Credentials: map[string]json.RawMessage{"api_key": []byte(strconv.Quote(w.key))}}}
	for i := range models {
		in.Models = append(in.Models, w.model(w.modelID+strings.Repeat("+", i)))
	}
	return w.CreateProvider(ctx, workspace, in)
}

func (w *counted) model(id string) registry.ModelInput {
	return registry.ModelInput{ModelID: &id, Stages: &[]string{"planning"}}
}

// test tests a model, which fails except for that of w.provider.
func (w *counted) test(p registry.Provider) error {
	result, err := w.TestModel(w.ctx, workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
	if err == nil && (result.Endpoint == "" || (result.Failure == nil) != (p.ID == w.provider.ID)) {
		err = fmt.Errorf("got %+v", result)
	}
	return err
}

func (w *counted) requests() []countedRequest {
	edit := func(e registry.ProviderEdit) error {
		_, err := w.UpdateProvider(w.ctx, workspace, w.provider.ID, e)
		return err
	}
	return []countedRequest{
		{"authentication with a warm token", 0, 0, func() error { _, err := w.tokens.Authenticate(w.ctx, w.token); return err }},
		{"a provider", 1, 1, func() error { _, err := w.Provider(w.ctx, workspace, w.provider.ID); return err }},
		{"a page of providers", 2, 2, func() error {
			_, err := w.Providers(w.ctx, workspace, registry.ProviderQuery{Limit: 21})
			return err
		}},
		{"a page of summaries", 2, 2, func() error {
			_, err := w.Providers(w.ctx, workspace, registry.ProviderQuery{Limit: 21, Summary: true})
			return err
		}},
		{"a count of providers", 1, 1, func() error {
			_, err := w.CountProviders(w.ctx, workspace, registry.ProviderQuery{})
			return err
		}},
		{"a count of models", 1, 1, func() error {
			_, err := w.CountModels(w.ctx, workspace, registry.ModelQuery{})
			return err
		}},
		{"a page of models", 1, 1, func() error {
			_, err := w.Models(w.ctx, workspace, registry.ModelQuery{Stage: registry.Planning, Available: pointer(true), Limit: 21})
			return err
		}},
		{"a page of models of a provider", 1, 1, func() error {
			_, err := w.ProviderModels(w.ctx, workspace, registry.ModelQuery{ProviderID: w.provider.ID, Limit: 21})
			return err
		}},
		{"a model", 1, 1, func() error { _, err := w.Model(w.ctx, workspace, w.provider.Models[0].ID); return err }},
		{"a lookup of a credential", 2, 2, func() error { // the query and the event
			_, err := w.Lookup(w.ctx, auth.Operator(workspace), secret.NewText("sk-0123456789abcdef"))
			return err
		}},
		// SQLite: the read, and in one transaction whether the provider has an error, the last
		// test and the event; for a failed test also the error.
		{"a test", 2, 4, func() error { return w.test(w.provider) }},
		{"a failed test", 2, 5, func() error { return w.test(w.refused) }},
		{"a new provider", 1, 4, func() error { _, err := w.create(w.ctx, 3); return err }},
		{"a new provider with many models", 1, 4, func() error { _, err := w.create(w.ctx, 200); return err }},
		{"a new provider under an Idempotency-Key", 5, 6, func() error {
			w.number++
			key := registry.IdempotencyKey{Workspace: workspace, Principal: "p", Method: "POST", Path: "/providers", Key: fmt.Sprint(w.number)}
			_, _, err := w.idempotency.Do(w.ctx, key, nil, func(ctx context.Context) (registry.Answer, error) {
				_, err := w.create(ctx, 3)
				return registry.Answer{Status: 201}, err
			})
			return err
		}},
		{"a clone", 5, 6, func() error { // BEGIN, lock, models, the clone with its models, its change and its event, COMMIT
			w.number++
			_, err := w.CloneProvider(w.ctx, workspace, w.provider.ID, fmt.Sprint("P", w.number), fault.Problems{})
			return err
		}},
		// BEGIN, lock, models, provider with the note of the change, event, COMMIT. On SQLite the
		// note is a statement.
		{"a rename", 6, 5, func() error { w.number++; return edit(registry.ProviderEdit{Name: pointer(fmt.Sprint("R", w.number))}) }},
		{"an edit that changes nothing", 4, 2, func() error { return edit(registry.ProviderEdit{}) }},
		{"a new model", 7, 6, func() error {
			w.number++
			_, err := w.AddModel(w.ctx, workspace, w.provider.ID, w.model(fmt.Sprint("new-", w.number)), fault.Problems{})
			return err
		}},
		// On SQLite each event is a statement.
		{"a hundred new models", 7, 105, func() error {
			var all []registry.ModelInput
			for range 100 {
				w.number++
				all = append(all, w.model(fmt.Sprint("bulk-", w.number)))
			}
			_, err := w.AddModels(w.ctx, workspace, w.provider.ID, all, fault.Problems{})
			return err
		}},
		{"an edit of a model", 7, 6, func() error {
			w.number++
			_, err := w.UpdateModel(w.ctx, workspace, w.provider.ID, w.provider.Models[1].ID, registry.ModelEdit{ModelInput: registry.ModelInput{DisplayName: pointer(fmt.Sprint("M", w.number))}})
			return err
		}},
	}
}

// unit matches the statements that are not counted on SQLite.
var unit = regexp.MustCompile(`^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)\b`)

// openCountedSQLite opens a store, and counts its statements.
func openCountedSQLite(t *testing.T) (*store.Store, func() int) {
	var ran atomic.Int64
	s := storetest.Open(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")}.OnStatement(func(statement string) {
		if !unit.MatchString(strings.ToUpper(strings.TrimSpace(statement))) {
			ran.Add(1)
		}
	}))
	return s, func() int { return int(ran.Load()) }
}

// openCountedPostgres opens a store behind a proxy that counts how often the
// server says that it is ready for another query: once a round trip.
func openCountedPostgres(t *testing.T) (*store.Store, func() int) {
	database, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	const socket = ".s.PGSQL.5432"
	query := database.Query()
	network, address := "unix", filepath.Join(query.Get("host"), socket)
	if query.Get("host") == "" {
		network, address = "tcp", net.JoinHostPort(database.Hostname(), cmp.Or(database.Port(), "5432"))
	}
	dir, err := os.MkdirTemp("/tmp", "proxy-") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, socket))
	if err != nil {
		t.Fatal(err)
	}
	var trips atomic.Int64
	var proxying sync.WaitGroup
	proxying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := net.Dial(network, address)
			if err != nil {
				t.Error(err)
				return
			}
			proxying.Go(func() { _, _ = io.Copy(upstream, client); _ = upstream.Close() })
			proxying.Go(func() { countReady(client, upstream, &trips); _ = client.Close() })
		}
	})
	query.Set("host", dir)
	query.Set("port", "5432")
	database.RawQuery = query.Encode()
	s, err := store.Open(t.Context(), store.Config{DatabaseURL: database.String(), MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Close()
		_ = listener.Close()
		proxying.Wait()
	})
	return s, func() int { return int(trips.Load()) }
}

// countReady copies what a server says and counts its ReadyForQuery messages
// (https://www.postgresql.org/docs/current/protocol-message-formats.html).
func countReady(client io.Writer, server io.Reader, ready *atomic.Int64) {
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(server, head); err != nil {
			return
		}
		if head[0] == 'Z' {
			ready.Add(1)
		}
		if _, err := client.Write(head); err != nil {
			return
		}
		if _, err := io.CopyN(client, server, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
	}
}
