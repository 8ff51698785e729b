package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// maxTokenName is the maximum length of a token's name in characters.
const maxTokenName = 100

// firstTokenClaim is the claim of the process that creates the first token.
const firstTokenClaim = "first_token"

const operatorKind = "operator"

// Operator is the user of the command line: admin of every workspace, who may
// even revoke the last admin token.
func Operator(workspace string) Principal {
	return Principal{Subject: "operator", Kind: operatorKind, Workspace: workspace, Role: Admin, Scopes: Scopes()}
}

// NewToken is a request to make a token, with either a role or scopes.
type NewToken struct {
	Name      string
	Role      *string
	Scopes    []string   // nil: not given
	ExpiresAt *time.Time // nil: never
	// Problems were found while reading the request. They are reported together with
	// those found here.
	Problems fault.Problems
}

// Create makes a token in the principal's workspace and returns its value, which
// is not stored. It returns validation_failed, and forbidden for a scope that the
// principal does not have.
func (t *Tokens) Create(ctx context.Context, by Principal, in NewToken) (value string, token Token, err error) {
	if value, token, err = t.newToken(by, in); err != nil {
		return "", Token{}, err
	}
	for _, scope := range token.Scopes {
		if !by.May(scope) {
			return "", Token{}, fault.New(fault.Forbidden, "You can't create a token with the scope %s because you don't have this scope.", scope)
		}
	}
	if err := t.store.InTx(ctx, func(ctx context.Context) error { return t.add(ctx, by, token) }); err != nil {
		return "", Token{}, err
	}
	return value, token, nil
}

// newToken checks a request and returns the token to store, and its value.
func (t *Tokens) newToken(by Principal, in NewToken) (string, Token, error) {
	problems, now, value := in.Problems, t.storedNow(), newValue()
	token := Token{
		ID: uuid.Must(uuid.NewV7()).String(), Workspace: by.Workspace, Name: problems.Invalid.Text("name", in.Name, maxTokenName),
		Hash: hashOf(value), CreatedAt: now,
	}
	token.Role, token.Scopes = in.grant(&problems.Invalid)
	if in.ExpiresAt != nil {
		token.ExpiresAt = new(in.ExpiresAt.UTC().Truncate(time.Millisecond))
		if token.expired(now) {
			problems.Invalid.Add("expires_at", fault.Invalid, "must be in the future")
		}
	}
	if !isName(by.Workspace, maxWorkspace) {
		problems.Invalid.Add("workspace", fault.Invalid, "must have 1 to %d printable characters", maxWorkspace)
	}
	if err := problems.Err("Token not created"); err != nil {
		return "", Token{}, err
	}
	return value, token, nil
}

// grant checks role and scopes and returns what they grant, in the API's order.
func (in NewToken) grant(faults *fault.Fields) (Role, []Scope) {
	switch {
	case in.Role == nil && in.Scopes == nil:
		faults.Add("role", fault.Required, "is required unless scopes are given")
	case in.Role != nil && in.Scopes != nil:
		faults.Add("scopes", fault.Invalid, "must not be given together with a role")
	case in.Role != nil:
		role := Role(*in.Role)
		if role.Scopes() == nil {
			faults.Add("role", fault.Invalid, "must be one of %s, %s, %s", Viewer, Editor, Admin)
		}
		return role, role.Scopes()
	case len(in.Scopes) == 0:
		faults.Add("scopes", fault.Required, "must not be empty")
	}
	given := map[Scope]bool{}
	for i, name := range in.Scopes {
		scope := Scope(name)
		if !slices.Contains(Scopes(), scope) {
			faults.Add(fmt.Sprintf("scopes[%d]", i), fault.Invalid, "must be one of %s", scopeNames())
		}
		given[scope] = true
	}
	return "", scopesWhere(func(s Scope) bool { return given[s] })
}

// scopeNames returns the names of all scopes, for messages.
func scopeNames() string {
	var names []string
	for _, scope := range Scopes() {
		names = append(names, string(scope))
	}
	return strings.Join(names, ", ")
}

// add stores a token together with its audit event.
func (t *Tokens) add(ctx context.Context, by Principal, token Token) error {
	if err := t.store.CreateToken(ctx, token); err != nil {
		return err
	}
	return t.events.Record(ctx, token.event(by, audit.TokenCreate).Changed(nil, token.audited()))
}

// FirstAdmin creates an admin token for the default workspace if the database has
// never had a token. It calls save with the value; if save fails, no token is
// created. If several processes start at the same time, one of them creates the
// token; made reports whether this process did.
func (t *Tokens) FirstAdmin(ctx context.Context, save func(value string) error) (made bool, err error) {
	by := Operator(DefaultWorkspace)
	value, token, err := t.newToken(by, NewToken{Name: "first admin", Role: new(string(Admin))})
	if err != nil {
		return false, err
	}
	err = t.store.InTx(ctx, func(ctx context.Context) error {
		made = false
		held, err := t.store.HasTokens(ctx)
		if err != nil || held {
			return err
		}
		winner, err := t.store.Claim(ctx, firstTokenClaim, []byte(token.ID))
		if err != nil || string(winner) != token.ID {
			return err
		}
		if err := t.add(ctx, by, token); err != nil {
			return err
		}
		made = true
		return save(value)
	})
	return made && err == nil, err
}

// List returns the unrevoked or the revoked tokens of a workspace, newest first.
func (t *Tokens) List(ctx context.Context, workspace string, q TokenQuery) ([]Token, error) {
	return t.store.Tokens(ctx, workspace, q)
}

// Revoke revokes a token of the principal's workspace. Other processes notice
// within a second. It returns not_found, and last_admin for the last valid admin
// token, unless the operator revokes it.
func (t *Tokens) Revoke(ctx context.Context, by Principal, id string) error {
	var revoked Token
	err := t.store.InTx(ctx, func(ctx context.Context) error {
		tokens, err := t.store.LockTokens(ctx, by.Workspace)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(tokens, func(token Token) bool { return token.ID == strings.ToLower(id) })
		if i < 0 {
			return fault.New(fault.NotFound, "There is no token with the id %q.", id)
		}
		revoked = tokens[i]
		now := t.storedNow()
		another := slices.ContainsFunc(tokens, func(token Token) bool { return token.ID != revoked.ID && token.admits(now) })
		if by.Kind != operatorKind && revoked.admits(now) && !another {
			return fault.New(fault.LastAdmin, "This is the last admin token of the workspace. Create another one first.")
		}
		if err := t.store.RevokeToken(ctx, by.Workspace, revoked.ID, now); err != nil {
			return err
		}
		return t.events.Record(ctx, revoked.event(by, audit.TokenRevoke).Changed(revoked.audited(), nil))
	})
	t.forget(revoked) // after an error too: the transaction may have been committed
	return err
}

// admits reports whether the token is a valid token with the scopes of an admin.
func (t Token) admits(now time.Time) bool {
	missing := scopesWhere(func(s Scope) bool { return !slices.Contains(t.Scopes, s) })
	return t.valid(now) && len(missing) == 0
}

// event returns the event that a token was created or revoked.
func (t Token) event(by Principal, action audit.Action) audit.Event {
	return audit.Event{
		Workspace: t.Workspace, Actor: by.Actor(), Action: action,
		Target: audit.Target{Type: "token", ID: t.ID, Name: t.Name}, Outcome: audit.Success,
	}
}

// audited returns what events record of the token.
func (t Token) audited() audit.Fields {
	fields := audit.Fields{"name": t.Name, "scopes": t.Scopes}
	if t.Role != "" {
		fields["role"] = t.Role
	}
	if t.ExpiresAt != nil {
		fields["expires_at"] = t.ExpiresAt.Format(time.RFC3339Nano)
	}
	return fields
}
