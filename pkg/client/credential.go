package client

import "context"

// RevealCredential returns a credential in plaintext. The audit log records it, with the
// reason.
func (c *Client) RevealCredential(ctx context.Context, providerID, field, reason string) (RevealedCredential, error) {
	return send[RevealedCredential](ctx, c, post(RevealRequest{Reason: reason}, "providers", providerID, "credentials", field, "reveal"))
}

// LookupCredential finds the credentials of the workspace that have a value, such as a
// leaked key. The audit log records it, without the value.
func (c *Client) LookupCredential(ctx context.Context, value string) (LookupResponse, error) {
	return send[LookupResponse](ctx, c, post(LookupRequest{Value: value}, "credentials", "lookup"))
}
