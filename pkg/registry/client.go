package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// clientKey identifies a client. The edit version is part of it: since every call
// reads the provider, an edit in any process makes the next call use a new client.
type clientKey struct {
	workspace, provider string
	version             int64
}

// maxClients bounds the built clients that are kept.
const maxClients = 1000

// clientIdle is how long an unused client is kept. It contains credentials, and
// another process may have edited or deleted its provider.
const clientIdle = time.Minute

// keptClient is a cached client. It is closed when it is retired and its last call
// has returned.
type keptClient struct {
	provider.Client
	idle *time.Timer // retires it

	mu      sync.Mutex
	calls   int
	retired bool
}

// begin adds a call. It returns false if the client is retired.
func (c *keptClient) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return false
	}
	c.idle.Stop()
	c.calls++
	return true
}

// end removes a call.
func (c *keptClient) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	switch {
	case c.calls > 0:
	case c.retired:
		c.Close()
	default:
		c.idle.Reset(clientIdle)
	}
}

// retire stops further calls from using the client.
func (c *keptClient) retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle.Stop(); !c.retired && c.calls == 0 {
		c.Close()
	}
	c.retired = true
}

// clientOf returns the cached client for the edit version of a provider, or makes
// one. The caller must call end when it no longer uses the client.
func (r *Registry) clientOf(ctx context.Context, p Provider) (client provider.Client, end func(), err error) {
	key := clientKey{workspace: p.Workspace, provider: p.ID, version: p.Version}
	for {
		kept, err := r.keep(ctx, key, p)
		if err != nil {
			return nil, nil, err
		}
		if kept.begin() {
			return kept, kept.end, nil
		}
	}
}

// keep returns the cached client of a provider, or makes and caches one.
func (r *Registry) keep(ctx context.Context, key clientKey, p Provider) (*keptClient, error) {
	if client, ok := r.clients.Get(key); ok {
		r.hits.Add(1)
		return client, nil
	}
	r.misses.Add(1)
	built, err, _ := r.building.Do(fmt.Sprintf("%s %s %d", key.provider, key.workspace, key.version), func() (any, error) {
		if client, ok := r.clients.Get(key); ok {
			return client, nil
		}
		client, err := r.build(ctx, p)
		if err != nil {
			return nil, err
		}
		kept := &keptClient{Client: client}
		kept.idle = time.AfterFunc(clientIdle, func() { r.clients.Remove(key) })
		if evicted := r.clients.Add(key, kept); evicted {
			r.evictions.Add(1)
		}
		return kept, nil
	})
	if err != nil {
		return nil, err
	}
	return built.(*keptClient), nil
}

// forgetClient drops the client of a provider that was edited or deleted. Other
// processes drop theirs when it has been idle.
func (r *Registry) forgetClient(p Provider) {
	r.clients.Remove(clientKey{workspace: p.Workspace, provider: p.ID, version: p.Version})
}

func (r *Registry) build(ctx context.Context, p Provider) (provider.Client, error) {
	typ, err := lookupType(p)
	if err != nil {
		return nil, err
	}
	credentials, err := r.openAll(ctx, p)
	if err != nil {
		return nil, err
	}
	return r.openClient(typ, credentials, p.Config, nil)
}

// openClient opens a client of a type with the operator's endpoints. Closing it
// wipes the credentials.
func (r *Registry) openClient(typ *provider.Type, credentials map[string]secret.Text, config map[string]string, redact map[string]secret.Text) (provider.Client, error) {
	client, err := typ.Open(credentials, config, provider.OpenOptions{
		Transport: r.cfg.Transport(r.cfg.Endpoints.Origins(typ.Name())...),
		Endpoints: r.cfg.Endpoints,
		Redact:    redact,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "No client could be built for this provider.")
	}
	return client, nil
}

// Draft is a call with settings that need not be saved. They are applied to those of the
// stored provider or, without one, are the settings of a type, which must exist.
type Draft struct {
	ProviderID string
	Type       string
	Settings   provider.Request
	Prompt     provider.Prompt
	Problems   fault.Problems // see NewProvider
}

// isEmpty reports whether the draft has neither settings nor problems.
func (d Draft) isEmpty() bool {
	return len(d.Settings.Credentials)+len(d.Settings.Config)+len(d.Problems.Malformed)+len(d.Problems.Invalid) == 0
}

// connection is a client, and what the outcome of a call is recorded with.
type connection struct {
	client   provider.Client
	end      func() // must be called when the client is no longer used
	event    audit.Event
	provider Provider
	stored   bool // the client has the stored settings of the provider, so outcomes are stored
}

// connect opens a connection for a draft. The outcome is the title of its problems. It
// returns not_found, malformed_request, validation_failed and credentials_required.
func (r *Registry) connect(ctx context.Context, workspace string, draft Draft, action audit.Action, outcome string) (c connection, err error) {
	if draft.ProviderID == "" {
		c.provider = Provider{Workspace: workspace, Type: draft.Type}
		c.event = succeeded(workspace, action, "", audit.Target{Type: "provider_type", ID: draft.Type, Name: draft.Type})
	} else {
		if c.provider, err = r.Provider(ctx, workspace, draft.ProviderID); err != nil {
			return c, err
		}
		c.event = c.provider.event(action)
		if c.stored = draft.isEmpty(); c.stored {
			c.client, c.end, err = r.clientOf(ctx, c.provider)
			return c, err
		}
	}
	if c.client, err = r.openDraft(ctx, c.provider, draft, outcome); err == nil {
		c.end = c.client.Close
	}
	return c, err
}

// openDraft opens a client for settings applied to those of p. The stored credentials
// that they replace or remove are cut out of answers as well.
func (r *Registry) openDraft(ctx context.Context, p Provider, draft Draft, outcome string) (provider.Client, error) {
	typ, err := lookupType(p)
	if err != nil {
		return nil, err
	}
	problems := editProblems{Problems: draft.Problems}
	settings := readEdit(&problems, p, typ, draft.Settings)
	err = problems.err(outcome)
	var credentials map[string]secret.Text
	if err == nil {
		credentials, err = r.openAll(ctx, p)
	}
	if err != nil {
		wipe(settings.Credentials)
		return nil, err
	}
	unused := map[string]secret.Text{}
	for _, field := range slices.Concat(settings.Removed, slices.Collect(maps.Keys(settings.Credentials))) {
		if old, stored := credentials[field]; stored {
			unused[field] = old
			delete(credentials, field)
		}
	}
	maps.Copy(credentials, settings.Credentials)
	return r.openClient(typ, credentials, settings.Config, unused)
}
