// Package audit records who did what: events that nobody changes afterwards, and
// a chain that shows when somebody did.
//
// An event commits in the transaction of the write it tells of, together with a
// seal of its own, an HMAC over its content, and a MAC that says that it is new.
// Writers never wait for each other. Within a second one process at a time links
// the new events of a workspace into its chain, in batches: each gets the next
// number and, in place of that MAC, an HMAC over the link before, its number and
// its seal. The head of a chain, under an HMAC of its own, says how many links
// there are and which is the last, so that a cut tail shows.
//
//	event   seal = HMAC(key, "event"  ‖ content)
//	new     mac  = HMAC(key, "note"   ‖ workspace ‖ event id ‖ seal)
//	link n  mac  = HMAC(key, "link"   ‖ workspace ‖ n ‖ mac of n-1 ‖ seal)
//	head    mac  = HMAC(key, "head"   ‖ workspace ‖ first ‖ mac before first ‖ count ‖ last mac)
//
// Every part is length-prefixed. The MAC of a new event is gone once it is linked:
// who removes a chain can't have the service link what is left of the events anew.
//
// Who changes, removes, inserts or reorders events in the database without the
// key is found by [Log.Verify]. These are not:
//
//   - an event that is removed before it is linked, which whoever writes to the
//     database can hold up; Verify reports an event that waits too long;
//   - the events of a workspace that are all removed with its chain;
//   - anything older that was copied and is put back: the whole database, the
//     head of a chain after its tail was cut, or events with the MACs that they
//     had while they were new.
package audit

import (
	"context"
	"time"
)

// Event is one thing that happened.
type Event struct {
	ID        string    // UUIDv7
	At        time.Time // UTC, whole milliseconds
	Workspace string
	Actor     Actor
	Action    Action
	Target    Target
	// ProviderID is the provider that the target is or belongs to; empty for
	// none.
	ProviderID string
	Outcome    Outcome
	Changes    []Change
	Reason     string // why, in the caller's words or, of a refusal, in ours
	RequestID  string
	ClientIP   string
	// Count is how many occurrences the event stands for; 1 unless refusals
	// were gathered.
	Count int
	// Seal is the HMAC over all of the above.
	Seal []byte
	// Number is the place of the event in the chain of its workspace, from 1 on;
	// 0 until it is linked. LinkMAC is the HMAC of the link, and until then the
	// HMAC that says that the event is new.
	Number  int64
	LinkMAC []byte
}

// Actor is who did it.
type Actor struct {
	Subject string
	Kind    string // `token`, `oidc`, `none`, or `operator` for the command line
}

// Target is what it was done to. Name is what it was called at the time.
type Target struct {
	Type string // `provider`, `model`, `credential`, `token`, `provider_type`, `route`
	ID   string
	Name string
}

// Change is one changed field. Old and New are JSON texts; empty where there is
// none, and always empty for secrets.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Action says what was done.
type Action string

// The actions of the API contract.
const (
	ProviderCreate   Action = "provider.create"
	ProviderUpdate   Action = "provider.update"
	ProviderDelete   Action = "provider.delete"
	ProviderTest     Action = "provider.test"
	ProviderDiscover Action = "provider.discover"
	ModelCreate      Action = "model.create"
	ModelUpdate      Action = "model.update"
	ModelDelete      Action = "model.delete"
	ModelTest        Action = "model.test"
	CredentialReveal Action = "credential.reveal"
	TokenCreate      Action = "token.create"
	TokenRevoke      Action = "token.revoke"
	AccessDenied     Action = "access.denied"
)

// Actions returns every action.
func Actions() []Action {
	return []Action{ProviderCreate, ProviderUpdate, ProviderDelete, ProviderTest, ProviderDiscover,
		ModelCreate, ModelUpdate, ModelDelete, ModelTest, CredentialReveal, TokenCreate, TokenRevoke, AccessDenied}
}

// Outcome says how it ended.
type Outcome string

// The outcomes of the API contract. A failed test is a failure; a refusal is
// denied.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
)

// Outcomes returns every outcome.
func Outcomes() []Outcome { return []Outcome{Success, Failure, Denied} }

// Source is where a request comes from. It travels in the context, so that the
// code that knows what happened need not know who asked.
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
