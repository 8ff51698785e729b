package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// ErrIrreplaceable is [secret.ErrIrreplaceable].
var ErrIrreplaceable = secret.ErrIrreplaceable

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

// CreateKeyset creates a keyset file, out or else that of the settings, and returns the
// id of its key.
func CreateKeyset(ctx context.Context, cfg Config, out string) (id uint32, path string, err error) {
	if path = out; path == "" {
		path = cfg.withDefaults().keysetPath()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, path, fmt.Errorf("could not create the directory of the keyset: %w", err)
	}
	keys, err := secret.Create(ctx, path, cfg.kek())
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("there is a keyset %s already; it is not replaced", path)
	}
	if err != nil {
		return 0, path, err
	}
	return keys.SealingKey(), path, nil
}

// EnableKey enables a key of the keyset file, so that a restored backup can be used. For
// out see [Operator.AddKey].
func EnableKey(ctx context.Context, cfg Config, id uint32, out string) error {
	cfg = cfg.withDefaults()
	err := secret.Edit(ctx, cfg.keysetPath(), cfg.kek(), out, func(f *secret.File) error { return f.Enable(id) })
	if err != nil {
		return fmt.Errorf("%s: %w", Setting("keyset"), err)
	}
	if out != "" {
		cfg.Keyset = out
	}
	o, err := OpenOperator(ctx, cfg, false)
	if err == nil {
		err = errors.Join(o.keys().Enabled(ctx, id), o.Close(ctx))
	}
	if err != nil {
		return fmt.Errorf("the key %d is enabled in %s, but this could not be recorded in the audit log: %w", id, cfg.keysetPath(), err)
	}
	return nil
}

func (o *Operator) keys() *registry.Keys { return registry.NewKeys(o.data.store, o.data.events) }

// editKeyset changes the keyset file, or writes the changed keyset to the file out. It
// returns the path of the file that it wrote.
func (o *Operator) editKeyset(ctx context.Context, out string, change func(*secret.File) error) (path string, err error) {
	path = o.cfg.keysetPath()
	if err := secret.Edit(ctx, path, o.cfg.kek(), out, change); err != nil {
		return "", fmt.Errorf("%s: %w", Setting("keyset"), err)
	}
	if out != "" {
		return out, nil
	}
	return path, o.data.reloadKeyset(ctx, path, o.cfg.kek())
}

// AddKey adds a new key to the keyset file and returns its id. With out it leaves the
// file as it is and writes the new keyset to that file, which must not exist. It returns
// the path of the file that it wrote.
func (o *Operator) AddKey(ctx context.Context, out string) (id uint32, path string, err error) {
	path, err = o.editKeyset(ctx, out, func(f *secret.File) (err error) {
		id, err = f.Add()
		return err
	})
	if err != nil {
		return 0, "", err
	}
	if err := o.keys().Add(ctx, id); err != nil {
		return 0, "", fmt.Errorf("the key %d is in %s, but this could not be recorded: %w", id, path, err)
	}
	return id, path, nil
}

// PromoteKey makes a key encrypt new values.
func (o *Operator) PromoteKey(ctx context.Context, id uint32) error {
	if err := o.keys().Promote(ctx, id, o.data.keyset.IDs()); err != nil {
		return err
	}
	return o.data.keyset.SealUnder(id)
}

// Resealing is the progress of [Operator.Reseal], in values.
type Resealing = registry.Resealing

// Reseal is [registry.Keys.Reseal].
func (o *Operator) Reseal(ctx context.Context, perSecond int, progress func(Resealing), broken func(error)) (Resealing, error) {
	return o.keys().Reseal(ctx, o.data.keyset, perSecond, progress, broken)
}

// RetireKey notes that nothing is encrypted with a key, and disables it in the keyset
// file. For out see [Operator.AddKey].
func (o *Operator) RetireKey(ctx context.Context, id uint32, out string) error {
	if !slices.Contains(o.data.keyset.IDs(), id) {
		return fmt.Errorf("the keyset %s has no enabled key %d", o.cfg.keysetPath(), id)
	}
	if err := o.keys().Retire(ctx, id); err != nil {
		return err
	}
	_, err := o.editKeyset(ctx, out, func(f *secret.File) error { return f.Disable(id) })
	if err != nil {
		return fmt.Errorf("the key %d is not needed anymore, but it could not be disabled: %w", id, err)
	}
	return nil
}

// DestroyKey deletes a disabled key that the database does not need. For out see
// [Operator.AddKey].
func (o *Operator) DestroyKey(ctx context.Context, id uint32, out string) error {
	if err := o.keys().Unused(ctx, id); err != nil {
		return err
	}
	path, err := o.editKeyset(ctx, out, func(f *secret.File) error { return f.Destroy(id) })
	if err != nil {
		return err
	}
	if err := o.keys().Destroyed(ctx, id); err != nil {
		return fmt.Errorf("the key %d is deleted from %s, but this could not be recorded in the audit log: %w", id, path, err)
	}
	return nil
}

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
	var sealing, unused uint32
	old := false
	for _, key := range file {
		if !key.Enabled {
			continue
		}
		i := slices.IndexFunc(stored, func(s registry.SealingKey) bool { return s.ID == key.ID })
		switch {
		case i >= 0 && stored[i].Sealing:
			sealing = key.ID
		case i >= 0 && (!stored[i].PromotedAt.IsZero() || !stored[i].RetiredAt.IsZero()):
			old = true
		default:
			unused = key.ID // the last one added
		}
	}
	switch {
	case unused != 0:
		return unused, false, nil
	case old:
		return sealing, false, nil
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

// OldKeys returns the enabled keys of the keyset file that do not encrypt new values.
func (o *Operator) OldKeys(ctx context.Context) (old []uint32, err error) {
	sealing, err := o.data.store.SealingKey(ctx)
	if err != nil {
		return nil, err
	}
	file, err := secret.ReadKeys(ctx, o.cfg.keysetPath(), o.cfg.kek())
	for _, key := range file {
		if key.Enabled && key.ID != sealing {
			old = append(old, key.ID)
		}
	}
	return old, err
}
