package app

import (
	"context"
	"fmt"

	"modelproviders/pkg/store"
)

// Backup is a copy of a SQLite database. Keyset is the file that is needed to decrypt its
// credentials, and is not part of it.
type Backup struct {
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
	Keyset string `json:"keyset"`
}

// BackUp copies the SQLite database to a new file, while it is in use.
func BackUp(ctx context.Context, cfg Config, file string) (Backup, error) {
	cfg = cfg.withDefaults()
	if cfg.DatabaseURL != "" {
		return Backup{}, fmt.Errorf("%s: backup copies SQLite databases only; back up PostgreSQL with pg_dump, and the keyset separately", Setting("database-url"))
	}
	if err := cfg.checkSQLiteFile(); err != nil {
		return Backup{}, err
	}
	size, err := store.Backup(ctx, cfg.store(true), file)
	if err != nil {
		return Backup{}, err
	}
	return Backup{File: file, Bytes: size, Keyset: cfg.keysetPath()}, nil
}
