package app

import (
	"context"
	"errors"
	"fmt"

	"modelproviders/pkg/store"
)

// Schema is the version of the database's schema, and what this program knows.
type Schema struct {
	Database int64    `json:"database"` // 0: there is no database, or it is empty
	Program  int64    `json:"program"`
	Pending  []string `json:"pending"` // migrations that the database lacks
}

// ReadSchema returns the schema of the database. It creates and changes nothing.
func ReadSchema(ctx context.Context, cfg Config) (Schema, error) {
	cfg = cfg.withDefaults()
	schema, err := store.ReadSchema(ctx, cfg.store(false))
	if err != nil {
		return Schema{}, fmt.Errorf("%s: %w", cfg.databaseSetting(), err)
	}
	return Schema{Database: schema.Database, Program: schema.Program, Pending: append([]string{}, schema.Pending...)}, nil
}

// Migrate brings the schema of the database up to date, and returns it. It creates a
// database that is missing, but not one that was lost.
func Migrate(ctx context.Context, cfg Config) (Schema, error) {
	cfg = cfg.withDefaults()
	db, err := openStore(ctx, cfg, false, cfg.mustExist())
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		return Schema{}, err
	}
	return ReadSchema(ctx, cfg)
}

// databaseSetting is the setting that says where the database is.
func (c Config) databaseSetting() Setting {
	if c.DatabaseURL == "" {
		return "data-dir"
	}
	return "database-url"
}

// Err returns an error unless the program can work with the database as it is.
func (s Schema) Err() error {
	switch {
	case s.Database > s.Program:
		return fmt.Errorf("the schema of the database has version %d, but this program knows only versions up to %d", s.Database, s.Program)
	case s.Database == 0:
		return errors.New("the database is missing or empty")
	case len(s.Pending) > 0:
		return fmt.Errorf("the schema of the database has version %d, but this program needs version %d; run `modelproviders migrate up`, or start the service", s.Database, s.Program)
	}
	return nil
}
