package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/secret"
)

const (
	// A transaction writes a tenth of the values per second, within these bounds. It may be
	// a few more, because all credentials of a provider are written together.
	minReseal, maxReseal = 10, 100
	// Rows that are changed while they are resealed are tried again after a pause.
	resealPasses = 100
	resealPause  = 100 * time.Millisecond
)

// Resealing is the progress of [Reseal], in values.
type Resealing struct {
	Total      int `json:"total"` // to be resealed, as far as it is known
	Resealed   int `json:"resealed"`
	Unreadable int `json:"unreadable"` // they can't be decrypted, and were skipped
}

// Reseal encrypts every stored value again that is not encrypted with the sealing key of
// the keyset. It writes at most perSecond values per second; 0: no
// limit. It can be interrupted and repeated, and several processes can do it at once,
// while others edit. It records its beginning and its end. It returns conflict while a
// process has not loaded the sealing key.
//
// It calls progress after each batch, and passes the reason why a value can't be
// decrypted to broken, without the value. Such values are skipped.
func (k *Keys) Reseal(ctx context.Context, keys *secret.Keyset, perSecond int, progress func(Resealing), broken func(error)) (Resealing, error) {
	r := &resealer{
		Keys: k, keys: keys, key: keys.SealingKey(), size: maxReseal, limit: rate.NewLimiter(rate.Inf, 0),
		progress: progress, broken: broken, unreadable: map[string]bool{},
	}
	if perSecond > 0 {
		r.size = min(maxReseal, max(minReseal, perSecond/10))
		r.limit = rate.NewLimiter(rate.Limit(perSecond), r.size)
		r.limit.AllowN(time.Now(), r.size) // it is paid for after a batch is written
	}
	if err := errors.Join(k.loaded(ctx, r.key), r.count(ctx)); err != nil {
		return r.Resealing, err
	}
	if err := k.audit.Record(ctx, keyEvent(audit.KeyReseal, r.key).Changed(nil, audit.Fields{"to_reseal": r.Total})); err != nil {
		return r.Resealing, err
	}
	err := r.run(ctx)
	event := keyEvent(audit.KeyReseal, r.key).Changed(nil, audit.Fields{"resealed": r.Resealed, "unreadable": r.Unreadable})
	switch {
	case err != nil:
		event.Outcome, event.Reason = audit.Failure, "ended early"
	case r.Unreadable > 0:
		event.Outcome, event.Reason = audit.Failure, "some values can't be decrypted"
	}
	ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	return r.Resealing, errors.Join(err, k.audit.Record(ended, event))
}

// resealer is one run of [Reseal].
type resealer struct {
	Resealing
	*Keys
	keys       *secret.Keyset
	key        uint32 // the sealing key
	size       int    // of a batch
	limit      *rate.Limiter
	progress   func(Resealing)
	broken     func(error)
	unreadable map[string]bool // names of values

	batch   []Resealed
	values  int // in the batch
	changed int // values of this pass whose rows others changed
}

// count counts the values to reseal.
func (r *resealer) count(ctx context.Context) error {
	counts, err := CountSealed(ctx, r.store)
	for key, kinds := range counts {
		for _, n := range kinds {
			if key != r.key {
				r.Total += n
			}
		}
	}
	return err
}

// run reseals until nothing is left.
func (r *resealer) run(ctx context.Context) error {
	r.progress(r.Resealing)
	for range resealPasses {
		if err := r.pass(ctx); err != nil {
			return err
		}
		if r.changed == 0 {
			r.Total = r.Resealed + r.Unreadable // without those that others replaced or deleted
			r.progress(r.Resealing)
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(resealPause):
		}
	}
	return fmt.Errorf("%d values were not resealed because others changed them at the same time, again and again; try again later", r.changed)
}

// pass reseals every value, except those of rows that others change meanwhile.
func (r *resealer) pass(ctx context.Context) error {
	r.changed = 0
	for _, kind := range SealedKinds() {
		if err := kind.each(ctx, r.store, r.size, func(row *sealedRow) error { return r.add(ctx, row) }); err != nil {
			return err
		}
	}
	return r.flush(ctx)
}

// add adds a row to the batch if it has values to reseal.
func (r *resealer) add(ctx context.Context, row *sealedRow) error {
	for _, value := range row.values {
		if key, ok := secret.KeyID(value.sealed); ok && key == r.key {
			continue
		}
		opened, err := r.reseal(value)
		if err != nil {
			return err
		}
		if opened {
			row.Values++
		}
	}
	if row.Values == 0 {
		return nil
	}
	r.batch = append(r.batch, row.Resealed)
	if r.values += row.Values; r.values < r.size {
		return nil
	}
	return r.flush(ctx)
}

// reseal encrypts a value with the sealing key, unless it can't be decrypted.
func (r *resealer) reseal(value sealedValue) (opened bool, err error) {
	plain, err := value.open(r.keys)
	defer plain.Wipe()
	if err == nil {
		return true, value.seal(r.keys, plain)
	}
	if !r.unreadable[value.name] {
		r.unreadable[value.name] = true
		r.Unreadable++
		r.broken(err)
	}
	return false, nil
}

// flush writes the batch, right after its rows were read so that few were changed
// meanwhile, and then waits as long as the rate demands.
func (r *resealer) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := r.loaded(ctx, r.key); err != nil { // a process that was paused may be back without the key
		return err
	}
	written, err := r.store.Reseal(ctx, r.key, r.batch...)
	if err != nil {
		return err
	}
	r.changed += r.values - written
	r.Resealed += written
	r.progress(r.Resealing)
	for left := r.values; left > 0; left -= r.size {
		if err := r.limit.WaitN(ctx, min(left, r.size)); err != nil {
			return err
		}
	}
	r.batch, r.values = nil, 0
	return nil
}
