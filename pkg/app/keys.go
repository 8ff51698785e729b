package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// ErrIrreplaceable is [secret.ErrIrreplaceable].
var ErrIrreplaceable = secret.ErrIrreplaceable

// CreateKeyset creates a keyset file, out or else that of the settings, and returns the
// id of its key.
func CreateKeyset(ctx context.Context, cfg Config, out string) (id uint32, path string, err error) {
	if wrong := cfg.CheckData(); len(wrong) > 0 {
		return 0, "", wrong
	}
	path = cmp.Or(out, cfg.withDefaults().keysetPath())
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
	if wrong := cfg.CheckData(); len(wrong) > 0 {
		return wrong
	}
	err := secret.Edit(ctx, cfg.keysetPath(), cfg.kek(), out, func(f *secret.File) error { return f.Enable(id) })
	if err != nil {
		return fmt.Errorf("%s: %w", Setting("keyset"), err)
	}
	if out != "" {
		cfg.Keyset = out
	}
	o, err := OpenOperator(ctx, cfg, false)
	if err == nil {
		err = errors.Join(o.keys().Record(ctx, audit.KeyEnable, id), o.Close(ctx))
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
	if err := o.keys().Record(ctx, audit.KeyDestroy, id); err != nil {
		return fmt.Errorf("the key %d is deleted from %s, but this could not be recorded in the audit log: %w", id, path, err)
	}
	return nil
}
