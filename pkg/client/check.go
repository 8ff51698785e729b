package client

import "context"

// CheckProvider checks the connection to a provider's service, with changes that are not
// saved if there are any.
func (c *Client) CheckProvider(ctx context.Context, id string, changes SettingsUpdate) (CheckResult, error) {
	return send[CheckResult](ctx, c, post(changes, "providers", id, "check"))
}

// CheckProviderType checks the connection to a service before a provider is created.
func (c *Client) CheckProviderType(ctx context.Context, providerType ProviderTypeName, settings DraftSettings) (CheckResult, error) {
	return send[CheckResult](ctx, c, post(settings, "provider-types", string(providerType), "check"))
}
