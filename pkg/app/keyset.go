package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
)

// openKeyset loads the keyset of a database. For a new database it uses the keyset
// that is there, or creates one, and claims the database for it. In every other
// case it refuses: with other keys, the stored credentials would be lost. lost is the
// error for a new database; nil if it may be new.
func openKeyset(ctx context.Context, db *store.Store, path string, kek secret.KEK, lost error, logger *slog.Logger) (*secret.Keyset, error) {
	claim, err := db.Claimed(ctx, registry.KeysetClaim)
	if fault.Is(err, fault.NotFound) {
		err = lost
	}
	if err != nil {
		return nil, err
	}
	keys, created, err := loadOrCreate(ctx, path, kek, claim == nil)
	if err != nil {
		return nil, err
	}
	warnExposed(keys, path, logger)
	if claim == nil {
		if claim, err = keys.Claim(); err != nil {
			return nil, err
		}
		if claim, err = db.Claim(ctx, registry.KeysetClaim, claim); err != nil {
			return nil, err
		}
	}
	if created && !keys.Matches(claim) { // another process has claimed the database in the meantime, so nothing is encrypted with ours
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	if err := fitKeyset(ctx, db, keys, claim, path); err != nil {
		return nil, err
	}
	noteClaimed(path, logger)
	return keys, nil
}

// fitKeyset makes a keyset seal with the sealing key of its database. It refuses what
// [checkKeyset] refuses. It adds the keys to a new database.
func fitKeyset(ctx context.Context, db *store.Store, keys *secret.Keyset, claim []byte, path string) error {
	stored, err := db.SealingKeys(ctx)
	if err != nil {
		return err
	}
	if err := checkKeyset(stored, keys, claim, path); err != nil {
		return err
	}
	if len(stored) == 0 {
		if err := db.FirstSealingKeys(ctx, keys.SealingKey(), keys.IDs()); err != nil {
			return err
		}
	}
	sealing, err := db.SealingKey(ctx)
	if err != nil {
		return err
	}
	return keys.SealUnder(sealing)
}

// checkKeyset refuses a keyset that is not that of the database, or that lacks a needed
// key.
func checkKeyset(stored []registry.SealingKey, keys *secret.Keyset, claim []byte, path string) error {
	var known bool
	var missing []uint32
	ids := keys.IDs()
	for _, key := range stored {
		switch has := slices.Contains(ids, key.ID); {
		case has:
			known = true
		case key.Needed():
			missing = append(missing, key.ID)
			known = known || keys.Has(key.ID)
		}
	}
	switch matches := keys.Matches(claim); {
	case len(missing) > 0 && (matches || known):
		return lacksKeys(path, keys, missing)
	case !matches:
		return otherKeyset(path, missing)
	}
	return nil
}

// reloadKeyset reads the keyset file again. It refuses what a start would refuse.
func (d *data) reloadKeyset(ctx context.Context, path string, kek secret.KEK) error {
	keys, err := secret.Load(ctx, path, kek)
	if err != nil {
		return err
	}
	claim, err := d.store.Claimed(ctx, registry.KeysetClaim)
	if err != nil {
		return err
	}
	warnExposed(keys, path, d.logger)
	return d.replaceKeyset(ctx, keys, func() error { return fitKeyset(ctx, d.store, keys, claim, path) })
}

// otherKeyset is the error for a keyset that has none of the keys of the database.
func otherKeyset(path string, missing []uint32) error {
	lacks := ""
	if len(missing) > 0 {
		lacks = " (" + joinIDs(missing) + ")"
	}
	return fmt.Errorf("the keyset %s is not the one of this database, whose keys%s it lacks, so stored credentials can't be decrypted: "+
		"point the setting to a copy of that keyset, or restore it from a backup", path, lacks)
}

func joinIDs(ids []uint32) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = fmt.Sprint(id)
	}
	return strings.Join(names, ", ")
}

// lacksKeys is the error for a keyset without keys that the database needs, or in which
// they are disabled.
func lacksKeys(path string, keys *secret.Keyset, missing []uint32) error {
	remedy := "restore a keyset that has them from a backup"
	if i := slices.IndexFunc(missing, keys.Has); i >= 0 {
		remedy += fmt.Sprintf(", or enable those that are disabled, such as with `modelproviders keys enable %d`", missing[i])
	}
	return fmt.Errorf("the keyset %s lacks the keys %s, with which values in this database are encrypted: %s", path, joinIDs(missing), remedy)
}

func warnExposed(keys *secret.Keyset, path string, logger *slog.Logger) {
	if keys.Exposed() {
		logger.Warn("users other than its owner can read the keyset; set its mode to 0600", slog.String("path", path))
	}
}

// ExposedMode is [secret.ExposedMode].
func ExposedMode(mode fs.FileMode) bool { return secret.ExposedMode(mode) }

func loadOrCreate(ctx context.Context, path string, kek secret.KEK, mayCreate bool) (keys *secret.Keyset, created bool, err error) {
	keys, err = secret.Load(ctx, path, kek)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, false, err
	}
	if !mayCreate {
		return nil, false, fmt.Errorf("the keyset %s is missing, but the credentials in this database are encrypted with it: "+
			"restore it from a backup, or point the setting to where it is", path)
	}
	keys, err = secret.Create(ctx, path, kek)
	if errors.Is(err, fs.ErrExist) { // another process with the same data directory was faster
		keys, err = secret.Load(ctx, path, kek)
		return keys, false, err
	}
	return keys, err == nil, err
}
