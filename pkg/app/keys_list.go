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
	inFile := map[uint32]secret.Key{}
	for _, key := range file {
		inFile[key.ID] = key
		if !slices.ContainsFunc(stored, func(s registry.SealingKey) bool { return s.ID == key.ID }) {
			stored = append(stored, registry.SealingKey{ID: key.ID})
		}
	}
	var keys []Key
	for _, s := range stored {
		key := Key{ID: s.ID, State: stateOf(s, inFile), Sealing: s.Sealing, AddedAt: known(s.AddedAt),
			PromotedAt: known(s.PromotedAt), RetiredAt: known(s.RetiredAt), Kinds: counts[s.ID], MissingIn: []string{}}
		for _, n := range key.Kinds {
			key.Values += n
		}
		if key.State == KeyMissing && key.RetiredAt != nil && key.Values == 0 {
			continue // it was destroyed
		}
		for _, p := range processes {
			if key.State != KeyDisabled && !slices.Contains(p.Keys, key.ID) {
				key.MissingIn = append(key.MissingIn, p.Name())
			}
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func stateOf(stored registry.SealingKey, file map[uint32]secret.Key) string {
	key, ok := file[stored.ID]
	switch {
	case !ok:
		return KeyMissing
	case !key.Enabled:
		return KeyDisabled
	case stored.Sealing:
		return KeySealing
	case stored.AddedAt.IsZero():
		return KeyUnknown
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
