package registry

import (
	"context"

	"modelproviders/pkg/provider"
)

// Client returns the client that is kept for a provider.
func (r *Registry) Client(ctx context.Context, workspace, id string) (provider.Client, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return nil, err
	}
	client, end, err := r.clientOf(p)
	if err != nil {
		return nil, err
	}
	end()
	return client, nil
}
