package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// A database that was lost must not be replaced by an empty one without notice: the
// service would start with new tokens and without providers. Files that are written
// after a database was claimed for a keyset show that there was one: one beside the
// keyset, and the one with the first admin token.

const claimedNote = `A database of modelproviders was created with the keyset that is next to this file.
While this file exists, modelproviders does not start with an empty database, because
the data was probably lost. Restore the database from a backup. If you do want a new
database, start once with --new-database.
`

func claimedPath(keyset string) string { return keyset + ".claimed" }

// noteClaimed writes the file beside a keyset, unless there is one. Where it can't be
// written, a lost database is not noticed.
func noteClaimed(keyset string, logger *slog.Logger) {
	path := claimedPath(keyset)
	if _, err := os.Lstat(path); err == nil {
		return
	}
	if err := writePrivate(path, claimedNote); err != nil && !errors.Is(err, fs.ErrExist) { // another process was faster
		logger.Info("could not note beside the keyset that it has a database; a lost database will not be noticed", slog.Any("error", err))
	}
}

// mustExist returns nil if the database may be new, and otherwise the error for an empty
// or missing one. It must be called before the database is read: another process may be
// creating it.
func (c Config) mustExist() error {
	if c.NewDatabase {
		return nil
	}
	for _, path := range []string{claimedPath(c.keysetPath()), c.adminTokenPath()} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("the database is missing or empty, but the file %s shows that there was one: check the setting, or restore the database from a backup; "+
				"if you want a new database, start once with `modelproviders serve --new-database`", path)
		}
	}
	return nil
}
