package app

import (
	"context"
	"fmt"

	"modelproviders/pkg/store"
)

// Schema is the version of the database's schema, and what this program knows.
type Schema = store.Schema

// ReadSchema returns the schema of the database. It creates and changes nothing.
func ReadSchema(ctx context.Context, cfg Config) (Schema, error) {
	cfg = cfg.withDefaults()
	schema, err := store.ReadSchema(ctx, cfg.store(false))
	if err != nil {
		return Schema{}, fmt.Errorf("%s: %w", cfg.databaseSetting(), err)
	}
	return schema, nil
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
