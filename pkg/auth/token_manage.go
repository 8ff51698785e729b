package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// maxTokenName is the length of a token's name, in characters.
const maxTokenName = 100

// firstTokenClaim is claimed by the process that makes the first token.
const firstTokenClaim = "first_token"

// operatorKind is the kind of the principal behind the command line.
const operatorKind = "operator"

// Operator is who runs the command line: admin of every workspace, who may even
// revoke the last admin token of one.
func Operator(workspace string) Principal {
	return Principal{Subject: "operator", Kind: operatorKind, Workspace: workspace, Role: Admin, Scopes: Scopes()}
}

// NewToken is a request to make a token: with a role, or with scopes.
type NewToken struct {
	Name      string
	Role      *string
	Scopes    []string   // nil: none given
	ExpiresAt *time.Time // nil: never
	// Faults were found when the request was read; they are reported together
	// with what is found here.
	Faults fault.Fields
}

// Create makes a token of the principal's workspace. Its value is returned once,
// and kept nowhere. It returns validation_failed, and forbidden for a token that
// may do more than the principal.
func (t *Tokens) Create(ctx context.Context, by Principal, in NewToken) (value string, token Token, err error) {
	token, err = t.newToken(by, in)
	if err != nil {
		return "", Token{}, err
	}
	for _, scope := range token.Scopes {
		if !by.May(scope) {
			return "", Token{}, fault.New(fault.Forbidden, "You can't make a token with the scope %s, which you don't have.", scope)
		}
	}
	if value, err = newValue(); err != nil {
		return "", Token{}, err
	}
	token.Hash = hashOf(value)
	err = t.store.InTx(ctx, func(ctx context.Context) error { return t.add(ctx, by, token) })
	if err != nil {
		return "", Token{}, err
	}
	return value, token, nil
}

// newToken checks a request and makes a token of it that has no value yet.
func (t *Tokens) newToken(by Principal, in NewToken) (Token, error) {
	faults, now := in.Faults, t.clock()
	token := Token{Workspace: by.Workspace, Name: faults.Text("name", in.Name, maxTokenName), CreatedAt: now}
	token.Role, token.Scopes = in.grant(&faults)
	if in.ExpiresAt != nil {
		expires := in.ExpiresAt.UTC().Truncate(time.Millisecond)
		token.ExpiresAt = &expires
		if token.expired(now) {
			faults.Add("expires_at", fault.Invalid, "must be in the future")
		}
	}
	if !isName(by.Workspace, maxWorkspace) {
		faults.Add("workspace", fault.Invalid, "must be 1 to %d printable characters", maxWorkspace)
	}
	if err := faults.Err(fault.ValidationFailed, "The token can't be made like this."); err != nil {
		return Token{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Token{}, fault.Wrap(fault.Internal, err, "No token could be made.")
	}
	token.ID = id.String()
	return token, nil
}

// grant checks role and scopes and returns what they grant, in the contract's
// order.
func (in NewToken) grant(faults *fault.Fields) (Role, []Scope) {
	switch {
	case in.Role == nil && in.Scopes == nil:
		faults.Add("role", fault.Required, "give a role, or scopes")
		return "", nil
	case in.Role != nil && in.Scopes != nil:
		faults.Add("scopes", fault.Invalid, "give either a role or scopes, not both")
		return "", nil
	case in.Role != nil:
		role := Role(*in.Role)
		if role.Scopes() == nil {
			faults.Add("role", fault.Invalid, "must be one of %s, %s, %s", Viewer, Editor, Admin)
		}
		return role, role.Scopes()
	case len(in.Scopes) == 0:
		faults.Add("scopes", fault.Required, "must name at least one scope")
		return "", nil
	}
	given := map[Scope]bool{}
	for i, name := range in.Scopes {
		field, scope := fmt.Sprintf("scopes[%d]", i), Scope(name)
		switch {
		case !slices.Contains(Scopes(), scope):
			faults.Add(field, fault.Invalid, "is no scope; see GET /me for those you have")
		case given[scope]:
			faults.Add(field, fault.Duplicate, "names the scope %s again", scope)
		}
		given[scope] = true
	}
	return "", slices.DeleteFunc(Scopes(), func(s Scope) bool { return !given[s] })
}

// add adds a token with its event.
func (t *Tokens) add(ctx context.Context, by Principal, token Token) error {
	if err := t.store.CreateToken(ctx, token); err != nil {
		return err
	}
	return t.record(ctx, by, audit.TokenCreate, token)
}

// FirstAdmin makes an admin token of the default workspace when the database
// has never held a token, and hands its value to save before it counts: when
// save fails there is no token. Of several processes one makes it. It reports
// whether this one has.
func (t *Tokens) FirstAdmin(ctx context.Context, save func(value string) error) (made bool, err error) {
	by, role := Operator(DefaultWorkspace), string(Admin)
	token, err := t.newToken(by, NewToken{Name: "first admin", Role: &role})
	if err != nil {
		return false, err
	}
	value, err := newValue()
	if err != nil {
		return false, err
	}
	token.Hash = hashOf(value)
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

// List returns the tokens of a workspace that are not revoked, newest first.
func (t *Tokens) List(ctx context.Context, workspace string, q TokenQuery) ([]Token, error) {
	return t.store.Tokens(ctx, workspace, q)
}

// Revoke ends a token of the principal's workspace: at once for this process,
// and for every other when it reads the token again, within a second. It returns
// not_found, and last_admin, except to the operator, for the only token left that
// may do everything and has not expired.
func (t *Tokens) Revoke(ctx context.Context, by Principal, id string) error {
	parsed, err := uuid.Parse(id)
	if err != nil || len(id) != len(uuid.Nil.String()) {
		return fault.New(fault.NotFound, "There is no token with the id %q.", id)
	}
	var ended Token
	err = t.store.InTx(ctx, func(ctx context.Context) error {
		held, err := t.store.LockTokens(ctx, by.Workspace)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(held, func(token Token) bool { return token.ID == parsed.String() })
		if i < 0 {
			return fault.New(fault.NotFound, "There is no token with the id %s.", parsed)
		}
		ended = held[i]
		now := t.clock()
		if by.Kind != operatorKind && held[i].admits(now) && !slices.ContainsFunc(slices.Delete(slices.Clone(held), i, i+1),
			func(token Token) bool { return token.admits(now) }) {
			return fault.New(fault.LastAdmin, "This is the last admin token of the workspace: make another one first.")
		}
		if err := t.store.RevokeToken(ctx, by.Workspace, held[i].ID, now); err != nil {
			return err
		}
		return t.record(ctx, by, audit.TokenRevoke, held[i])
	})
	t.forget(ended) // also after an error: a commit may have worked whose answer was lost
	return err
}

// admits reports whether a token lets an admin in.
func (t Token) admits(now time.Time) bool {
	return !t.expired(now) && !slices.ContainsFunc(Admin.Scopes(), func(s Scope) bool { return !slices.Contains(t.Scopes, s) })
}

// record tells of a token that was made or revoked.
func (t *Tokens) record(ctx context.Context, by Principal, action audit.Action, token Token) error {
	facts := []struct {
		field string
		value any
		set   bool
	}{
		{"expires_at", token.ExpiresAt, token.ExpiresAt != nil},
		{"name", token.Name, true},
		{"role", token.Role, token.Role != ""},
		{"scopes", token.Scopes, true},
	}
	var changes []audit.Change
	for _, fact := range facts {
		text, err := json.Marshal(fact.value)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "The change could not be recorded.")
		}
		switch {
		case !fact.set:
		case action == audit.TokenRevoke:
			changes = append(changes, audit.Change{Field: fact.field, Old: string(text)})
		default:
			changes = append(changes, audit.Change{Field: fact.field, New: string(text)})
		}
	}
	return t.events.Record(ctx, audit.Event{
		Workspace: token.Workspace, Actor: audit.Actor{Subject: by.Subject, Kind: by.Kind}, Action: action,
		Target: audit.Target{Type: "token", ID: token.ID, Name: token.Name}, Outcome: audit.Success, Changes: changes,
	})
}
