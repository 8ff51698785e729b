package client

import (
	"context"
	"iter"
)

// ListModels iterates over the models of all providers of the workspace.
func (c *Client) ListModels(ctx context.Context, params ListModelsParams) iter.Seq2[Model, error] {
	return list[Model](ctx, c, get("models").query(params))
}

// ListModelsPage returns one page of the models of all providers of the workspace.
func (c *Client) ListModelsPage(ctx context.Context, params ListModelsParams) (ModelList, error) {
	return send[ModelList](ctx, c, get("models").query(params))
}

// GetModel returns a model.
func (c *Client) GetModel(ctx context.Context, id string) (Model, error) {
	return send[Model](ctx, c, get("models", id))
}

// ListProviderModels iterates over the models of a provider.
func (c *Client) ListProviderModels(ctx context.Context, providerID string, params ListProviderModelsParams) iter.Seq2[Model, error] {
	return list[Model](ctx, c, get("providers", providerID, "models").query(params))
}

// ListProviderModelsPage returns one page of the models of a provider.
func (c *Client) ListProviderModelsPage(ctx context.Context, providerID string, params ListProviderModelsParams) (ModelList, error) {
	return send[ModelList](ctx, c, get("providers", providerID, "models").query(params))
}

// GetProviderModel returns a model of a provider.
func (c *Client) GetProviderModel(ctx context.Context, providerID, id string) (Model, error) {
	return send[Model](ctx, c, get("providers", providerID, "models", id))
}

// CreateModel adds a model to a provider.
func (c *Client) CreateModel(ctx context.Context, providerID string, model ModelCreate, options ...CallOption) (Model, error) {
	return send[Model](ctx, c, post(model, "providers", providerID, "models").creates(options))
}

// CreateModels adds up to 100 models to a provider: all of them, or none.
func (c *Client) CreateModels(ctx context.Context, providerID string, models []ModelCreate, options ...CallOption) ([]Model, error) {
	added, err := send[ModelsAdded](ctx, c, post(ModelsCreate{Models: models}, "providers", providerID, "models", "bulk").creates(options))
	return added.Data, err
}

// UpdateModel changes the fields that are set. If Version is set and is not the current
// one, the problem is [ProblemCodeVersionMismatch] and nothing is changed.
func (c *Client) UpdateModel(ctx context.Context, providerID, id string, changes ModelUpdate, options ...CallOption) (Model, error) {
	return send[Model](ctx, c, patch(changes, "providers", providerID, "models", id).with(options))
}

// DeleteModel removes a model from its provider.
func (c *Client) DeleteModel(ctx context.Context, providerID, id string, options ...CallOption) error {
	return c.delete(ctx, options, "providers", providerID, "models", id)
}
