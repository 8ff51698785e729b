package registry

import (
	"context"
	"fmt"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// clientKey names a built client. The edit version is part of it: an edit on
// any replica is seen by the next call everywhere, because every call reads the
// provider and an old client is never asked for again.
type clientKey struct {
	workspace, provider string
	version             int64
}

// Client returns a client for a provider, built on demand and kept for the
// provider's edit version. It returns not_found.
func (r *Registry) Client(ctx context.Context, workspace, providerID string) (provider.Client, error) {
	p, err := r.Provider(ctx, workspace, providerID)
	if err != nil {
		return nil, err
	}
	return r.clientOf(p)
}

func (r *Registry) clientOf(p Provider) (provider.Client, error) {
	key := clientKey{workspace: p.Workspace, provider: p.ID, version: p.Version}
	if client, ok := r.clients.Get(key); ok {
		return client, nil
	}
	built, err, _ := r.building.Do(fmt.Sprintf("%s %s %d", key.provider, key.workspace, key.version), func() (any, error) {
		if client, ok := r.clients.Get(key); ok {
			return client, nil
		}
		client, err := r.build(p)
		if err == nil {
			r.clients.Add(key, client)
		}
		return client, err
	})
	if err != nil {
		return nil, err
	}
	return built.(provider.Client), nil
}

// forgetClient drops the client of a provider that has just been edited or
// removed: nothing will ask for it again, and it holds credentials. On other
// replicas it goes with time.
func (r *Registry) forgetClient(p Provider) {
	r.clients.Remove(clientKey{workspace: p.Workspace, provider: p.ID, version: p.Version})
}

func (r *Registry) build(p Provider) (provider.Client, error) {
	credentials, err := r.openAll(p)
	if err != nil {
		return nil, err
	}
	return r.openClient(p.Type, credentials, p.Config, nil)
}

// openClient opens a client of a type with the operator's endpoints.
func (r *Registry) openClient(typeName string, credentials map[string]secret.Text, config map[string]string, redact []secret.Text) (provider.Client, error) {
	typ, ok := provider.Lookup(typeName)
	if !ok {
		return nil, fault.New(fault.Internal, "There is no provider type %q.", typeName)
	}
	endpoint, secondEndpoint := r.endpoints.For(typeName)
	client, err := typ.Open(credentials, config, provider.OpenOptions{
		Transport:      r.transport(r.endpoints.Origins(typeName)...),
		Endpoint:       endpoint,
		SecondEndpoint: secondEndpoint,
		Redact:         redact,
	})
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "No client could be built for this provider.")
	}
	return client, nil
}
