// Package auth says who is calling and what they may do.
//
// A [Principal] belongs to one workspace and sees nothing of another. What it
// may do is a set of scopes; roles are names for such sets. A principal comes
// from an API token ([Tokens]), from the access token of an OpenID Connect issuer
// ([OIDC]) or, with authentication off, is the admin of the default workspace;
// another way to sign in is another [Authenticator].
package auth

import (
	"context"
	"slices"
)

// DefaultWorkspace is where rows live until principals bring other workspaces.
const DefaultWorkspace = "default"

// Scope is one thing a principal may do.
type Scope string

// The scopes of the API contract.
const (
	ProvidersRead     Scope = "providers:read"
	ProvidersWrite    Scope = "providers:write"
	ModelsTest        Scope = "models:test"
	CredentialsReveal Scope = "credentials:reveal"
	AuditRead         Scope = "audit:read"
	TokensWrite       Scope = "tokens:write"
)

// Scopes returns every scope, in the contract's order.
func Scopes() []Scope {
	return []Scope{ProvidersRead, ProvidersWrite, ModelsTest, CredentialsReveal, AuditRead, TokensWrite}
}

// Role is a name for a set of scopes.
type Role string

// The roles of the API contract.
const (
	Viewer Role = "viewer"
	Editor Role = "editor"
	Admin  Role = "admin"
)

// Scopes returns what the role may do; none for an unknown role.
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{ProvidersRead}
	case Editor:
		return []Scope{ProvidersRead, ProvidersWrite, ModelsTest}
	case Admin:
		return Scopes()
	}
	return nil
}

// Principal is who is calling.
type Principal struct {
	// Subject names the principal: a token's id, the issuer's name for a user, or
	// `anonymous` with authentication off. It is not a secret, and only together
	// with Kind is it unique.
	Subject   string
	Kind      string // `token`, `oidc`, `none` with authentication off, `operator` for the command line
	Workspace string
	// Role is the widest role; empty when the scopes were granted one by one, or
	// none were.
	Role   Role
	Scopes []Scope
}

// May reports whether the principal has the scope.
func (p Principal) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

// Authenticator tells who a bearer token stands for.
type Authenticator interface {
	// Authenticate returns unauthenticated when the token is not one of ours, is
	// revoked or has expired, and unavailable when that can't be found out.
	Authenticate(ctx context.Context, bearer string) (Principal, error)
}

// Anyone authenticates every caller as admin of the default workspace: what
// authentication off means. It is fit for a loopback address only.
type Anyone struct{}

// Authenticate returns the admin of the default workspace.
func (Anyone) Authenticate(context.Context, string) (Principal, error) {
	return Principal{Subject: "anonymous", Kind: "none", Workspace: DefaultWorkspace, Role: Admin, Scopes: Scopes()}, nil
}
