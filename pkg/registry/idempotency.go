package registry

import (
	"context"
	"crypto/hmac"
	"errors"
	"time"

	"modelproviders/pkg/fault"
)

// IdempotencyKey names one request that a client may send again.
type IdempotencyKey struct {
	Workspace string
	Principal string
	Method    string
	Path      string
	Key       string // the client's, 1 to 255 printable characters
}

// Answer is a stored response.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
}

// IdempotentRequest is a stored request.
type IdempotentRequest struct {
	IdempotencyKey
	BodyMAC []byte // keyed hash of the body
	// Owner is the run that holds the key until Expires. If there is an Answer, the
	// request has ended, and the answer is kept until Expires.
	Owner   string
	Expires time.Time
	Answer  *Answer
}

// IdempotencyStore stores requests. Its methods return unavailable if the database
// cannot be reached.
type IdempotencyStore interface {
	// InTx runs fn in one transaction; see Store.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// BeginIdempotentRequest stores a request, unless one with the same key is stored
	// that has not expired at now, and returns the stored one. Exactly one of several
	// concurrent calls gets its own request back.
	BeginIdempotentRequest(ctx context.Context, r IdempotentRequest, now time.Time) (IdempotentRequest, error)
	// FinishIdempotentRequest stores the answer of a request. It returns conflict if
	// the owner no longer holds the key.
	FinishIdempotentRequest(ctx context.Context, r IdempotentRequest) error
	// AbandonIdempotentRequest deletes a request that its owner has not finished.
	AbandonIdempotentRequest(ctx context.Context, r IdempotentRequest) error
	// DropIdempotentRequests deletes the requests that have expired at now.
	DropIdempotentRequests(ctx context.Context, now time.Time) error
}

// Idempotency lets clients repeat a request without repeating its effect.
type Idempotency struct {
	store IdempotencyStore
	key   []byte
	now   func() time.Time
}

// NewIdempotency returns the service over a store. The key, 32 bytes, is the same
// for every process on the database.
func NewIdempotency(store IdempotencyStore, key []byte, now func() time.Time) *Idempotency {
	return &Idempotency{store: store, key: key, now: now}
}

const (
	keepAnswer = 24 * time.Hour
	// runWithin is how long a run may hold a key: longer than any request takes.
	// After a crash, the key is free again after that.
	runWithin = time.Minute
)

// Do runs a request, or returns the answer of an earlier run. run and the storing of
// its answer are one transaction. Only answers with a status of 2xx are stored. Do
// returns idempotency_key_reused if the key was used with another body, and conflict
// while another run holds it.
func (i *Idempotency) Do(ctx context.Context, key IdempotencyKey, body []byte, run func(ctx context.Context) (Answer, error)) (answer Answer, replayed bool, err error) {
	owner, now := newID(), i.now()
	mine := IdempotentRequest{IdempotencyKey: key, BodyMAC: i.mac(key, body), Owner: owner, Expires: now.Add(runWithin)}
	held, err := i.store.BeginIdempotentRequest(ctx, mine, now)
	switch {
	case err != nil:
		return Answer{}, false, err
	case !hmac.Equal(held.BodyMAC, mine.BodyMAC):
		return Answer{}, false, fault.New(fault.IdempotencyKeyReused, "This Idempotency-Key was used with a different body. Use a new key for a new request.")
	case held.Answer != nil:
		return *held.Answer, true, nil
	case held.Owner != owner:
		return Answer{}, false, fault.New(fault.Conflict, "An earlier request with this Idempotency-Key is still running. Try again in a second.").After(time.Second)
	}
	answered := false
	defer func() { // also after a panic in run
		if answered {
			return
		}
		// Release the key for the client's next attempt, even if the client has gone.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonWithin)
		defer cancel()
		// If that fails, the key expires.
		err = errors.Join(err, i.store.AbandonIdempotentRequest(ctx, mine))
	}()
	err = i.store.InTx(ctx, func(ctx context.Context) error {
		answer, err = run(ctx)
		if err != nil {
			return err
		}
		done := mine
		done.Answer, done.Expires = &answer, now.Add(keepAnswer)
		return i.store.FinishIdempotentRequest(ctx, done)
	})
	if err != nil {
		return Answer{}, false, err
	}
	answered = true
	return answer, false, nil
}

// abandonWithin bounds the release of a key.
const abandonWithin = 5 * time.Second

// mac is the keyed hash of a body (HMAC with SHA-256), bound to its workspace.
func (i *Idempotency) mac(key IdempotencyKey, body []byte) []byte {
	return macOf(i.key, []byte(key.Workspace+"\x00"), body) // no copy of the body, which may contain secrets
}
