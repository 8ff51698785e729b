package client

import "context"

// GetHealth returns the version of the service, or an error if it is not running.
func (c *Client) GetHealth(ctx context.Context) (Health, error) {
	return send[Health](ctx, c, get("healthz"))
}

// GetReadiness returns a [*Problem] that says why if the service can't serve requests now.
// It does not wait until the service can.
func (c *Client) GetReadiness(ctx context.Context) (ServiceStatus, error) {
	r := get("readyz")
	r.once = true
	return send[ServiceStatus](ctx, c, r)
}

// GetMetrics returns the metrics of the service in the text format of Prometheus. It
// needs the token of an admin of the workspace default.
func (c *Client) GetMetrics(ctx context.Context) ([]byte, error) { return c.download(ctx, "metrics") }

// GetOpenAPIYAML returns the description of the service's API.
func (c *Client) GetOpenAPIYAML(ctx context.Context) ([]byte, error) {
	return c.download(ctx, "openapi.yaml")
}

// GetOpenAPIJSON returns the description of the service's API.
func (c *Client) GetOpenAPIJSON(ctx context.Context) ([]byte, error) {
	return c.download(ctx, "openapi.json")
}

// GetConsoleConfig returns the configuration of the page at /console/.
func (c *Client) GetConsoleConfig(ctx context.Context) (ConsoleConfig, error) {
	return send[ConsoleConfig](ctx, c, get("console", "config.json"))
}
