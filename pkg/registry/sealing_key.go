package registry

import (
	"context"
	"errors"
	"slices"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// ErrKeyChanged is wrapped by the error of a write whose values were sealed with a key
// that does not seal anymore. Nothing was written.
var ErrKeyChanged = errors.New("another key encrypts new values")

// sealAttempts bounds how often a write is repeated because the key has changed.
const sealAttempts = 5

// sealing runs write, which seals values and stores them. If another key has been
// promoted meanwhile, it runs write again.
func (r *Registry) sealing(ctx context.Context, write func() error) error {
	if err := r.maySeal(ctx); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := write()
		if !errors.Is(err, ErrKeyChanged) || attempt == sealAttempts {
			return err
		}
		if err := r.followSealingKey(ctx); err != nil {
			return err
		}
	}
}

// followSealingKey makes the keyset seal with the key that seals in the database.
func (r *Registry) followSealingKey(ctx context.Context) error {
	id, err := r.store.SealingKey(ctx)
	if err != nil {
		return err
	}
	if r.keyset.SealUnder(id) == nil {
		return nil
	}
	r.reload(ctx)
	if err := r.keyset.SealUnder(id); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The encryption key has changed, and this process does not have the new one yet. Try again in a few seconds.").
			After(5 * time.Second)
	}
	return nil
}

// openFresh is open. If the keyset lacks the key, it reads the file again, and then the
// provider: since p was read, the credential may have been resealed and its key retired.
func (r *Registry) openFresh(ctx context.Context, p Provider, field string) (secret.Text, error) {
	lacksKey := func() bool {
		id, ok := secret.KeyID(p.Credentials[field].Sealed)
		return ok && !slices.Contains(r.keyset.IDs(), id)
	}
	plain, err := r.open(p, field)
	if err != nil && lacksKey() {
		r.reload(ctx)
		plain, err = r.open(p, field)
	}
	if err == nil || !lacksKey() {
		return plain, err
	}
	fresh, readErr := r.store.Provider(ctx, p.Workspace, p.ID)
	if readErr != nil || fresh.Connection != p.Connection { // the caller has other settings than those of the credential
		return plain, err
	}
	return r.open(fresh, field)
}
