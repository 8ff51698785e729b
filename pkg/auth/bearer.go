package auth

import (
	"context"
	"strings"
)

// Bearers authenticates API tokens and JWTs, each by its own authenticator. The
// two can be told apart by their form, so no token is ever tried twice.
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
// parts of base64url with dots between them (RFC 7515, section 7.1). The JSON
// form of a signature, and an empty one, which `alg` none has, are none.
func isJWT(bearer string) bool {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 {
		return false
	}
	for _, part := range parts {
		if part == "" || strings.ContainsFunc(part, notBase64URL) {
			return false
		}
	}
	return true
}

func notBase64URL(r rune) bool {
	switch {
	case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
		return false
	}
	return true
}
