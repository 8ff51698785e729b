// Package audit records who did what, in events that never change. An event is
// committed in the transaction of the write that it describes; package chain makes
// later changes of events evident.
package audit

import (
	"context"
	"time"
)

// Event is one thing that happened.
type Event struct {
	ID         string    // UUIDv7
	At         time.Time // UTC, whole milliseconds
	Workspace  string
	Actor      Actor
	Action     Action
	Target     Target
	ProviderID string // that the target is or belongs to; empty for none
	Outcome    Outcome
	Changes    []Change
	Reason     string // given by the caller or, for a refusal, by the service
	RequestID  string
	ClientIP   string
	Count      int // how many occurrences it stands for; more than 1 only for refusals

	Seal    []byte // over all of the above; see package chain
	Number  int64  // in the chain of its workspace; 0 until it is linked
	LinkMAC []byte
}

// Actor is the caller who did it.
type Actor struct {
	Subject string
	Kind    string // `token`, `oidc`, `none`, `operator` for the command line, or `service` for what it does by itself
	Name    string // at that time; empty if there is none
}

// Target is the thing that was changed or used, with its name at that time.
type Target struct {
	Type string // `provider`, `model`, `reference`, `credential`, `token`, `provider_type`, `route`, `key`
	ID   string
	Name string
}

// Action says what was done.
type Action string

// The actions of the API contract.
const (
	ProviderCreate   Action = "provider.create"
	ProviderClone    Action = "provider.clone"
	ProviderUpdate   Action = "provider.update"
	ProviderDelete   Action = "provider.delete"
	ProviderTest     Action = "provider.test"
	ProviderDiscover Action = "provider.discover"
	ProviderCheck    Action = "provider.check"
	ModelCreate      Action = "model.create"
	ModelUpdate      Action = "model.update"
	ModelDelete      Action = "model.delete"
	ModelTest        Action = "model.test"
	ModelVerify      Action = "model.verify"
	ReferencePut     Action = "reference.put"
	ReferenceDelete  Action = "reference.delete"
	CredentialReveal Action = "credential.reveal"
	CredentialLookup Action = "credential.lookup"
	TokenCreate      Action = "token.create"
	TokenRevoke      Action = "token.revoke"
	AccessDenied     Action = "access.denied"
	KeyAdd           Action = "keys.add"
	KeyPromote       Action = "keys.promote"
	KeyReseal        Action = "keys.reseal"
	KeyRetire        Action = "keys.retire"
	KeyEnable        Action = "keys.enable"
	KeyDestroy       Action = "keys.destroy"
)

// Actions returns every action.
func Actions() []Action {
	return []Action{ProviderCreate, ProviderClone, ProviderUpdate, ProviderDelete, ProviderTest, ProviderDiscover, ProviderCheck,
		ModelCreate, ModelUpdate, ModelDelete, ModelTest, ModelVerify, ReferencePut, ReferenceDelete, CredentialReveal, CredentialLookup, TokenCreate, TokenRevoke, AccessDenied,
		KeyAdd, KeyPromote, KeyReseal, KeyRetire, KeyEnable, KeyDestroy}
}

// Outcome says whether an action succeeded.
type Outcome string

// The outcomes of the API contract. A failed test is a failure, a refusal is
// denied.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
)

// Outcomes returns every outcome.
func Outcomes() []Outcome { return []Outcome{Success, Failure, Denied} }

// Source is where a request comes from. It is carried by the context, so that
// the code that knows what happened need not know who asked.
type Source struct {
	Workspace string
	Actor     Actor
	RequestID string
	ClientIP  string
}

type sourceKey struct{}

// WithSource returns a context whose events come from source.
func WithSource(ctx context.Context, source Source) context.Context {
	return context.WithValue(ctx, sourceKey{}, source)
}

// SourceOf returns the source of a context; the zero value when there is none.
func SourceOf(ctx context.Context) Source {
	source, _ := ctx.Value(sourceKey{}).(Source)
	return source
}
