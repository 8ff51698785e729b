package client

import "context"

// RevealCredential returns a credential in plaintext. The audit log records it, with the
// reason.
func (c *Client) RevealCredential(ctx context.Context, providerID, field, reason string) (RevealedCredential, error) {
	return send[RevealedCredential](ctx, c, post(RevealRequest{Reason: reason}, "providers", providerID, "credentials", field, "reveal"))
}
