package client

import (
	"context"
	"iter"
)

// ListProviders iterates over the providers of the workspace.
func (c *Client) ListProviders(ctx context.Context, params ListProvidersParams) iter.Seq2[Provider, error] {
	return list[Provider](ctx, c, get("providers").query(params))
}

// ListProvidersPage returns one page of the providers of the workspace.
func (c *Client) ListProvidersPage(ctx context.Context, params ListProvidersParams) (ProviderList, error) {
	return send[ProviderList](ctx, c, get("providers").query(params))
}

// GetProvider returns a provider.
func (c *Client) GetProvider(ctx context.Context, id string) (Provider, error) {
	return send[Provider](ctx, c, get("providers", id))
}

// CreateProvider creates a provider with its credentials and, if there are any, its
// models.
func (c *Client) CreateProvider(ctx context.Context, provider ProviderCreate, options ...CallOption) (Provider, error) {
	return send[Provider](ctx, c, post(provider, "providers").creates(options))
}

// CloneProvider creates an inactive copy of a provider, with its credentials and models.
func (c *Client) CloneProvider(ctx context.Context, id string, clone ProviderClone, options ...CallOption) (Provider, error) {
	return send[Provider](ctx, c, post(clone, "providers", id, "clone").creates(options))
}

// UpdateProvider changes the fields that are set. If Version is set and is not the current
// one, the problem is [ProblemCodeVersionMismatch] and nothing is changed.
func (c *Client) UpdateProvider(ctx context.Context, id string, changes ProviderUpdate, options ...CallOption) (Provider, error) {
	return send[Provider](ctx, c, patch(changes, "providers", id).with(options))
}

// DeleteProvider deletes a provider with its credentials and models.
func (c *Client) DeleteProvider(ctx context.Context, id string, options ...CallOption) error {
	return c.delete(ctx, options, "providers", id)
}
