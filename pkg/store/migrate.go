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

// migrations holds one folder a database. Only additions: what was released is
// never edited.
//
//go:embed migrations
var migrations embed.FS

// openSchema has the schema brought up to date unless it is, and returns its
// version, which is the newest that this program knows. It refuses a database
// that is newer and, when it has to exist, one without a schema. A schema that is
// current costs one query.
func openSchema(ctx context.Context, dialect goose.Dialect, db gorm.ConnPool, existing bool, bringUp func() error) (int64, error) {
	known, err := knownVersion(dialect)
	if err != nil {
		return 0, err
	}
	now, err := storedVersion(ctx, dialect, db)
	if err == nil && now < known {
		if existing && now == 0 {
			return 0, errors.New("there is nothing of this program in the database: is it the right one?")
		}
		if err := bringUp(); err != nil {
			return 0, err
		}
		now, err = storedVersion(ctx, dialect, db) // of a newer program, if that was faster
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	if now > known {
		return 0, fmt.Errorf("the database's schema has version %d, and this program knows no newer one than %d: "+
			"a newer version of the program has been at work here; start that one, or restore a backup from before it", now, known)
	}
	return known, nil
}

// knownVersion returns the newest version that this program knows.
func knownVersion(dialect goose.Dialect) (newest int64, err error) {
	files, err := migrations.ReadDir("migrations/" + folderOf(dialect))
	for _, file := range files {
		version, err := goose.NumericComponent(file.Name())
		if err != nil {
			return 0, err
		}
		newest = max(newest, version)
	}
	return newest, err
}

// newestVersion reads goose's own table.
const newestVersion = "SELECT coalesce(max(version_id), 0) FROM " + goose.DefaultTablename

// storedVersion returns the version of a database's schema; 0: there is none.
func storedVersion(ctx context.Context, dialect goose.Dialect, db gorm.ConnPool) (version int64, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	read := func() error {
		return db.QueryRowContext(ctx, newestVersion).Scan(&version)
	}
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
	if tables > 0 { // another process has made it meanwhile
		err = read()
		return version, err
	}
	return 0, nil
}

// migrate brings the schema up to date.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, log *slog.Logger) error {
	folder, err := fs.Sub(migrations, "migrations/"+folderOf(dialect))
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(dialect, db, folder, goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	for _, migration := range done {
		log.InfoContext(ctx, "database schema migrated", "version", migration.Source.Version, "duration", migration.Duration)
	}
	return nil
}

func folderOf(dialect goose.Dialect) string {
	if dialect == goose.DialectSQLite3 {
		return "sqlite"
	}
	return "postgres"
}

// schemaVersion reads the version of the schema. It returns unavailable.
func (s *Store) schemaVersion(ctx context.Context) (version int64, err error) {
	err = s.allRows(ctx, newestVersion, nil, func(rows *sql.Rows) error { return rows.Scan(&version) })
	return version, err
}
