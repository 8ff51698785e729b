// Package auth identifies callers and says what they may do.
//
// A [Principal] belongs to one workspace and sees nothing of any other. Its
// scopes say what it may do; a role is a name for a set of scopes. Principals
// come from API tokens ([Tokens]) and from access tokens of an OpenID Connect
// issuer ([OIDC]). With authentication off, everyone is [Anyone].
package auth

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"modelproviders/pkg/audit"
)

// DefaultWorkspace is the workspace of principals that name no other.
const DefaultWorkspace = "default"

// Scope is one thing a principal may do.
type Scope string

// The scopes of the API.
const (
	ProvidersRead     Scope = "providers:read"
	ProvidersWrite    Scope = "providers:write"
	ModelsTest        Scope = "models:test"
	ReferencesWrite   Scope = "references:write"
	CredentialsReveal Scope = "credentials:reveal"
	AuditRead         Scope = "audit:read"
	TokensWrite       Scope = "tokens:write"
)

// Scopes returns all scopes in the order in which the API lists them.
func Scopes() []Scope {
	return []Scope{ProvidersRead, ProvidersWrite, ModelsTest, ReferencesWrite, CredentialsReveal, AuditRead, TokensWrite}
}

// scopesWhere returns the scopes for which keep is true, in the API's order.
func scopesWhere(keep func(Scope) bool) []Scope {
	return slices.DeleteFunc(Scopes(), func(s Scope) bool { return !keep(s) })
}

// Role is a name for a set of scopes.
type Role string

// The roles of the API.
const (
	Viewer Role = "viewer"
	Editor Role = "editor"
	Admin  Role = "admin"
)

// Scopes returns what the role may do; nil for an unknown role.
func (r Role) Scopes() []Scope {
	switch r {
	case Viewer:
		return []Scope{ProvidersRead}
	case Editor:
		return []Scope{ProvidersRead, ProvidersWrite, ModelsTest, ReferencesWrite}
	case Admin:
		return Scopes()
	}
	return nil
}

// Principal is the caller of a request.
type Principal struct {
	// Subject is the id of a token, the issuer's name for a user, or `anonymous`.
	// It is unique only together with Kind.
	Subject   string
	Name      string // of the token, or of the user as the issuer gives it; empty if there is none
	Kind      string // `token`, `oidc`, `none` (authentication is off) or `operator` (the command line)
	Workspace string
	Role      Role // the widest role; empty without a role, such as for a token made with scopes
	Scopes    []Scope
}

// Actor returns the principal as the actor of audit events.
func (p Principal) Actor() audit.Actor {
	return audit.Actor{Subject: p.Subject, Kind: p.Kind, Name: p.Name}
}

// May reports whether the principal has the scope.
func (p Principal) May(s Scope) bool { return slices.Contains(p.Scopes, s) }

// IsOperator reports whether the principal may read what concerns all workspaces.
func (p Principal) IsOperator() bool { return p.Role == Admin && p.Workspace == DefaultWorkspace }

// Authenticator finds the principal that a bearer token stands for.
type Authenticator interface {
	// Authenticate returns unauthenticated if the token is invalid, and
	// unavailable if that can't be determined now.
	Authenticate(ctx context.Context, bearer string) (Principal, error)
}

// Anyone authenticates every caller as admin of the default workspace. Use it
// only for a service that listens on a loopback address.
type Anyone struct{}

// Authenticate implements [Authenticator].
func (Anyone) Authenticate(context.Context, string) (Principal, error) {
	return Principal{Subject: "anonymous", Kind: "none", Workspace: DefaultWorkspace, Role: Admin, Scopes: Scopes()}, nil
}

// LoopbackHost reports whether a host name or IP address, without a port, stands
// for this machine.
func LoopbackHost(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(host, "localhost")
}
