package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// keysetClaim is where a database remembers the keyset it was started with.
const keysetClaim = "keyset"

// claims is what a database remembers for good.
type claims interface {
	// Claim stores value under name unless something is stored there, and
	// returns what is.
	Claim(ctx context.Context, name string, value []byte) ([]byte, error)
	// Claimed returns what is stored under name. It returns not_found.
	Claimed(ctx context.Context, name string) ([]byte, error)
}

// openKeyset loads the keyset that the database was started with. For a database
// that was started with none it makes one, or takes the one that is there, and
// claims the database for it. In every other case it refuses: new keys over old
// data would lose the data.
func openKeyset(ctx context.Context, db claims, path string, logger *slog.Logger) (*secret.Keyset, error) {
	claim, err := db.Claimed(ctx, keysetClaim)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	keys, made, err := loadOrCreate(path, claim == nil)
	if err != nil {
		return nil, err
	}
	if keys.Exposed() {
		logger.Warn("the keyset can be read by others than its owner; make it 0600", slog.String("path", path))
	}
	if claim == nil {
		ours, err := keys.Claim()
		if err != nil {
			return nil, err
		}
		if claim, err = db.Claim(ctx, keysetClaim, ours); err != nil {
			return nil, err
		}
	}
	if keys.Matches(claim) {
		return keys, nil
	}
	if made { // another process claimed the database meanwhile: ours has sealed nothing
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the keyset %s is not the one that this database was started with, so its credentials can't be opened: "+
		"point the setting to a copy of that keyset, or restore it from a backup", path)
}

func loadOrCreate(path string, mayCreate bool) (keys *secret.Keyset, made bool, err error) {
	keys, err = secret.Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, false, err
	}
	if !mayCreate {
		return nil, false, fmt.Errorf("the keyset %s is missing, and this database holds data sealed with it: "+
			"restore it from a backup, or point the setting to where it is", path)
	}
	keys, err = secret.Create(path)
	if errors.Is(err, fs.ErrExist) { // another process of the same data dir was faster
		keys, err = secret.Load(path)
		return keys, false, err
	}
	return keys, err == nil, err
}
