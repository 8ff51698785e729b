package client

import "context"

// ListProviderTypes returns all provider types, in the order in which to display them.
func (c *Client) ListProviderTypes(ctx context.Context) ([]ProviderType, error) {
	list, err := send[ProviderTypeList](ctx, c, get("provider-types"))
	return list.Data, err
}

// GetProviderType returns a provider type with the form for its settings.
func (c *Client) GetProviderType(ctx context.Context, name ProviderTypeName) (ProviderType, error) {
	return send[ProviderType](ctx, c, get("provider-types", string(name)))
}

// GetProviderTypeIcon returns the icon of a provider type, an SVG image.
func (c *Client) GetProviderTypeIcon(ctx context.Context, name ProviderTypeName) ([]byte, error) {
	return c.download(ctx, "icons", string(name)+".svg")
}

// ListStages returns the stages that a model can serve, in the order of the pipeline.
func (c *Client) ListStages(ctx context.Context) ([]Stage, error) {
	list, err := send[StageList](ctx, c, get("stages"))
	return list.Data, err
}
