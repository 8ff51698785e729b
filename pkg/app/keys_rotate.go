package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// RotationKey returns the key that a rotation promotes: a key that has never encrypted
// anything, such as the one that an interrupted rotation added; the present key, if an
// interrupted rotation has promoted it and has not retired all others; or else a new key,
// which it adds.
func (o *Operator) RotationKey(ctx context.Context) (id uint32, added bool, err error) {
	stored, err := o.data.store.SealingKeys(ctx)
	if err != nil {
		return 0, false, err
	}
	file, err := secret.ReadKeys(ctx, o.cfg.keysetPath(), o.cfg.kek())
	if err != nil {
		return 0, false, err
	}
	var unused uint32
	for _, key := range file {
		used := slices.ContainsFunc(stored, func(s registry.SealingKey) bool {
			return s.ID == key.ID && (s.Sealing || !s.PromotedAt.IsZero() || !s.RetiredAt.IsZero())
		})
		if key.Enabled && !used {
			unused = key.ID // the last one added
		}
	}
	switch {
	case unused != 0:
		return unused, false, nil
	case len(o.OldKeys()) > 0:
		return o.data.keyset.SealingKey(), false, nil
	}
	id, _, err = o.AddKey(ctx, "")
	return id, err == nil, err
}

// waitLoadedEvery is how soon processes are asked again whether they have loaded a key.
const waitLoadedEvery = 500 * time.Millisecond

// WaitLoaded waits until every running process has loaded a key. It passes those that
// have not to missing whenever they change.
func (o *Operator) WaitLoaded(ctx context.Context, id uint32, atMost time.Duration, missing func(processes []string)) error {
	var said []string
	for deadline := time.Now().Add(atMost); ; {
		lacking, err := o.keys().Lacking(ctx, id)
		if err != nil || len(lacking) == 0 {
			return err
		}
		if !slices.Equal(lacking, said) {
			missing(lacking)
			said = lacking
		}
		if !time.Now().Before(deadline) {
			return fmt.Errorf("after %v, %d processes have not loaded the key %d: %s", atMost, len(lacking), id, strings.Join(lacking, ", "))
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(waitLoadedEvery):
		}
	}
}

// OldKeys returns the enabled keys that do not encrypt new values.
func (o *Operator) OldKeys() []uint32 {
	return slices.DeleteFunc(o.data.keyset.IDs(), func(id uint32) bool { return id == o.data.keyset.SealingKey() })
}
