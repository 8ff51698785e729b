package client

import (
	"context"
	"iter"
)

// ListTokens iterates over the API tokens of the workspace, newest first.
func (c *Client) ListTokens(ctx context.Context, params ListTokensParams) iter.Seq2[Token, error] {
	return list[Token](ctx, c, get("tokens").query(params))
}

// ListTokensPage returns one page of the API tokens of the workspace.
func (c *Client) ListTokensPage(ctx context.Context, params ListTokensParams) (TokenList, error) {
	return send[TokenList](ctx, c, get("tokens").query(params))
}

// CreateToken creates an API token. Its value can't be read again.
func (c *Client) CreateToken(ctx context.Context, token TokenCreate) (TokenCreated, error) {
	return send[TokenCreated](ctx, c, post(token, "tokens"))
}

// RevokeToken revokes an API token.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.delete(ctx, nil, "tokens", id)
}

// GetMe tells who the client's token belongs to and what it may do.
func (c *Client) GetMe(ctx context.Context) (Me, error) {
	return send[Me](ctx, c, get("me"))
}
