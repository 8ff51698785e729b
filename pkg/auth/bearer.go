package auth

import (
	"context"
	"slices"
	"strings"
)

// Bearers authenticates by API tokens and by JWTs. The form of a bearer token
// decides which of the two handles it.
type Bearers struct {
	Tokens Authenticator
	JWTs   Authenticator
}

// Authenticate implements [Authenticator].
func (b Bearers) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if isJWT(bearer) {
		return b.JWTs.Authenticate(ctx, bearer)
	}
	return b.Tokens.Authenticate(ctx, bearer)
}

// isJWT reports whether a bearer token has the form of a signed JWT: three
// parts in base64url, joined by dots (RFC 7515, section 7.1).
func isJWT(bearer string) bool {
	const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	parts := strings.Split(bearer, ".")
	return len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.Trim(part, base64URL) != ""
	})
}
