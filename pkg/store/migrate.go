package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// migrations has a folder for each dialect of goose. Released files are never edited.
//
//go:embed migrations
var migrations embed.FS

// ErrNoSchema says that a database that must exist is empty.
var ErrNoSchema = errors.New("the database has no tables of this program; check that it is the right database")

// openSchema migrates the schema unless it is current, and returns its version,
// the newest that this program knows. It refuses a database that is newer and, if
// it must exist, one without a schema. A current schema costs one query.
func openSchema(ctx context.Context, dialect goose.Dialect, db *sql.DB, c Config, migrate func() error) (int64, error) {
	known, err := knownVersion(dialect)
	if err != nil || c.ReadOnly {
		return known, err
	}
	now, err := storedVersion(ctx, dialect, db)
	if err == nil && now < known {
		if c.Existing && now == 0 {
			return 0, ErrNoSchema
		}
		if err := migrate(); err != nil {
			return 0, err
		}
		now, err = storedVersion(ctx, dialect, db) // a newer program may have been faster
	}
	if err != nil {
		return 0, fmt.Errorf("could not read the version of the schema: %w", err)
	}
	if now > known {
		return 0, fmt.Errorf("the database's schema has version %d, but this program knows only versions up to %d: "+
			"a newer version of the program has migrated it; start that version, or restore an older backup", now, known)
	}
	return known, nil
}

// knownVersion returns the version of the last migration.
func knownVersion(dialect goose.Dialect) (int64, error) {
	schema, err := schemaSince(dialect, 0)
	return schema.Program, err
}

// newestVersion reads goose's own table.
const newestVersion = "SELECT coalesce(max(version_id), 0) FROM " + goose.DefaultTablename

// storedVersion is the version of a database's schema; 0 without one.
func storedVersion(ctx context.Context, dialect goose.Dialect, db gorm.ConnPool) (version int64, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	read := func() error { return db.QueryRowContext(ctx, newestVersion).Scan(&version) }
	if err = read(); err == nil {
		return version, nil
	}
	countTables := "SELECT count(to_regclass('" + goose.DefaultTablename + "'))"
	if dialect == goose.DialectSQLite3 {
		countTables = "SELECT count(*) FROM sqlite_schema WHERE name = '" + goose.DefaultTablename + "'"
	}
	var tables int
	if db.QueryRowContext(ctx, countTables).Scan(&tables) != nil {
		return 0, err
	}
	if tables == 0 {
		return 0, nil
	}
	err = read() // another process has created it in the meantime
	return version, err
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, log *slog.Logger) error {
	folder, err := fs.Sub(migrations, "migrations/"+string(dialect))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, folder, goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("could not migrate the schema: %w", err)
	}
	for _, migration := range done {
		log.InfoContext(ctx, "migrated the schema of the database", "version", migration.Source.Version, "duration", migration.Duration)
	}
	return nil
}
