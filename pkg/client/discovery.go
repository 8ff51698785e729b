package client

import "context"

// ListAvailableModels returns the models that a provider's service offers.
func (c *Client) ListAvailableModels(ctx context.Context, providerID string, params ListAvailableModelsParams) (AvailableModels, error) {
	return send[AvailableModels](ctx, c, get("providers", providerID, "available-models").query(params))
}

// ListAvailableModelsOfEdit is [Client.ListAvailableModels] with changes of the provider
// that are not saved.
func (c *Client) ListAvailableModelsOfEdit(ctx context.Context, providerID string, changes SettingsUpdate, params ListAvailableModelsOfEditParams) (AvailableModels, error) {
	return send[AvailableModels](ctx, c, post(changes, "providers", providerID, "available-models").query(params))
}

// ListAvailableModelsOfType is [Client.ListAvailableModels] before a provider is created.
func (c *Client) ListAvailableModelsOfType(ctx context.Context, providerType ProviderTypeName, settings DraftSettings, params ListAvailableModelsOfTypeParams) (AvailableModels, error) {
	return send[AvailableModels](ctx, c, post(settings, "provider-types", string(providerType), "available-models").query(params))
}
