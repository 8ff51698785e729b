package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
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

// Answer is what a request was answered with, to be answered again.
type Answer struct {
	Status int
	Header map[string]string
	Body   []byte
}

// Repeatable is one remembered request.
type Repeatable struct {
	IdempotencyKey
	BodyMAC []byte // keyed hash of the body
	// Owner is the run that holds the key, until Expires; with an Answer the
	// request has ended, and the answer is kept until Expires.
	Owner   string
	Expires time.Time
	Answer  *Answer
}

// IdempotencyStore remembers requests. When the database cannot be reached
// every method returns a fault of kind unavailable.
type IdempotencyStore interface {
	// InTx runs fn in one transaction; see Store.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// BeginRepeatable remembers a request that begins, unless one under the same
	// key is remembered that has not expired at now; it returns the one that is
	// remembered then. Of several that begin at once exactly one finds its own.
	BeginRepeatable(ctx context.Context, r Repeatable, now time.Time) (Repeatable, error)
	// FinishRepeatable puts the answer of a request to it. It returns conflict
	// when its owner no longer holds the key.
	FinishRepeatable(ctx context.Context, r Repeatable) error
	// AbandonRepeatable forgets a request that its owner did not finish.
	AbandonRepeatable(ctx context.Context, r Repeatable) error
	// DropRepeatables forgets what has expired at now.
	DropRepeatables(ctx context.Context, now time.Time) error
}

// Idempotency lets a client send a request again without doing it again.
type Idempotency struct {
	store IdempotencyStore
	key   []byte
	now   func() time.Time
}

// NewIdempotency makes the service over a store. The key, 32 bytes, is the same
// for every process on the database.
func NewIdempotency(store IdempotencyStore, key []byte, now func() time.Time) *Idempotency {
	return &Idempotency{store: store, key: key, now: now}
}

const (
	keepAnswer = 24 * time.Hour
	// runWithin is how long a run may hold a key: longer than a request may
	// take. After a crash the key is free again by then.
	runWithin = time.Minute
)

// Do runs a request, or answers it as it was answered before. run is in one
// transaction with the note of its answer: after a crash either both are there
// or neither is. Only an answer of 2xx is kept. It returns
// idempotency_key_reused when the key was used with another body, and conflict
// while another run has it.
func (i *Idempotency) Do(ctx context.Context, key IdempotencyKey, body []byte, run func(ctx context.Context) (Answer, error)) (answer Answer, replayed bool, err error) {
	owner, err := newID()
	if err != nil {
		return Answer{}, false, err
	}
	now := i.now()
	mine := Repeatable{IdempotencyKey: key, BodyMAC: i.mac(key, body), Owner: owner, Expires: now.Add(runWithin)}
	held, err := i.store.BeginRepeatable(ctx, mine, now)
	switch {
	case err != nil:
		return Answer{}, false, err
	case !hmac.Equal(held.BodyMAC, mine.BodyMAC):
		return Answer{}, false, fault.New(fault.IdempotencyKeyReused, "This Idempotency-Key was used with another body; use a new key for a new request.")
	case held.Answer != nil:
		return *held.Answer, true, nil
	case held.Owner != owner:
		running := fault.New(fault.Conflict, "The request with this Idempotency-Key is still running.")
		running.RetryAfter = time.Second
		return Answer{}, false, running
	}
	answered := false
	defer func() { // a panic of run passes here too
		if answered {
			return
		}
		// The client may have gone; the key must be free for its next try.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonWithin)
		defer cancel()
		// If it can't be given back, it expires with the run.
		err = errors.Join(err, i.store.AbandonRepeatable(ctx, mine))
	}()
	err = i.store.InTx(ctx, func(ctx context.Context) error {
		answer, err = run(ctx)
		if err != nil {
			return err
		}
		done := mine
		done.Answer, done.Expires = &answer, now.Add(keepAnswer)
		return i.store.FinishRepeatable(ctx, done)
	})
	if err != nil {
		return Answer{}, false, err
	}
	answered = true
	return answer, false, nil
}

// abandonWithin bounds giving a key back.
const abandonWithin = 5 * time.Second

// mac is the keyed hash of a body (HMAC with SHA-256), bound to its workspace.
func (i *Idempotency) mac(key IdempotencyKey, body []byte) []byte {
	h := hmac.New(sha256.New, i.key)
	h.Write([]byte(key.Workspace))
	h.Write([]byte{0})
	h.Write(body)
	return h.Sum(nil)
}
