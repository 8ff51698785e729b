package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// Key is a key of the keyset file, or one that the database needs.
type Key struct {
	ID         uint32         `json:"id"`
	State      string         `json:"state"`
	Sealing    bool           `json:"-"`           // new values are encrypted with it
	AddedAt    *time.Time     `json:"added_at"`    // nil: not known
	PromotedAt *time.Time     `json:"promoted_at"` // when it last began to encrypt new values; nil: never
	RetiredAt  *time.Time     `json:"retired_at"`
	Values     int            `json:"values"`     // that are encrypted with it
	Kinds      map[string]int `json:"kinds"`      // the same by kind
	MissingIn  []string       `json:"missing_in"` // running processes that have not loaded it
}

// The states of keys.
const (
	KeySealing  = "sealing"
	KeyEnabled  = "enabled"
	KeyDisabled = "disabled"
	KeyMissing  = "missing from the file"
	KeyUnknown  = "not in the database"
)

// ListKeys returns the keys of the keyset file and those that the database needs, in the
// order in which they were added.
func ListKeys(ctx context.Context, cfg Config) (_ []Key, err error) {
	cfg = cfg.withDefaults()
	if wrong := cfg.CheckData(); len(wrong) > 0 {
		return nil, wrong
	}
	db, err := openStore(ctx, cfg, true, cfg.mustExist())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	file, err := secret.ReadKeys(ctx, cfg.keysetPath(), cfg.kek())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Setting("keyset"), err)
	}
	return joinKeys(ctx, db, file)
}

func joinKeys(ctx context.Context, db registry.KeyStore, file []secret.Key) ([]Key, error) {
	stored, err := db.SealingKeys(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := registry.CountSealed(ctx, db)
	if err != nil {
		return nil, err
	}
	processes, err := db.KeyHolders(ctx)
	if err != nil {
		return nil, err
	}
	var keys []Key
	add := func(key registry.SealingKey, state string) {
		joined := Key{ID: key.ID, State: state, Sealing: key.Sealing, AddedAt: known(key.AddedAt), PromotedAt: known(key.PromotedAt), RetiredAt: known(key.RetiredAt),
			Kinds: counts[key.ID], MissingIn: []string{}}
		for _, n := range joined.Kinds {
			joined.Values += n
		}
		for _, p := range processes {
			if state != KeyDisabled && !slices.Contains(p.Keys, key.ID) {
				joined.MissingIn = append(joined.MissingIn, p.Name())
			}
		}
		keys = append(keys, joined)
	}
	isStored := map[uint32]bool{}
	for _, key := range stored {
		isStored[key.ID] = true
		if i := slices.IndexFunc(file, func(k secret.Key) bool { return k.ID == key.ID }); i >= 0 {
			add(key, stateOf(file[i], key))
		} else if key.RetiredAt.IsZero() || len(counts[key.ID]) > 0 { // else it was destroyed
			add(key, KeyMissing)
		}
	}
	for _, key := range file {
		if !isStored[key.ID] {
			state := KeyUnknown
			if !key.Enabled {
				state = KeyDisabled
			}
			add(registry.SealingKey{ID: key.ID}, state)
		}
	}
	return keys, nil
}

func stateOf(file secret.Key, stored registry.SealingKey) string {
	switch {
	case !file.Enabled:
		return KeyDisabled
	case stored.Sealing:
		return KeySealing
	}
	return KeyEnabled
}

// known returns nil for the zero time.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
