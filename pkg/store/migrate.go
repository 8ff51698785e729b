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

// migrate brings the schema up to date and returns its version, which is the
// newest that this program knows. It refuses a database that is newer and, when
// it has to exist, one without a schema.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB, existing bool, log *slog.Logger, options ...goose.ProviderOption) (int64, error) {
	folder, err := fs.Sub(migrations, "migrations/"+folderOf(dialect))
	if err != nil {
		return 0, err
	}
	options = append(options, goose.WithSlog(log), goose.WithDisableGlobalRegistry(true))
	provider, err := goose.NewProvider(dialect, db, folder, options...)
	if err != nil {
		return 0, err
	}
	before, known, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the version of the schema: %w", err)
	}
	if before > known {
		return 0, fmt.Errorf("the database's schema has version %d, and this program knows no newer one than %d: "+
			"a newer version of the program has been at work here; start that one, or restore a backup from before it", before, known)
	}
	if existing && before == 0 {
		return 0, errors.New("there is nothing of this program in the database: is it the right one?")
	}
	done, err := provider.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("bring the schema up to date: %w", err)
	}
	for _, migration := range done {
		log.InfoContext(ctx, "database schema migrated", "version", migration.Source.Version, "duration", migration.Duration)
	}
	return known, nil
}

func folderOf(dialect goose.Dialect) string {
	if dialect == goose.DialectSQLite3 {
		return "sqlite"
	}
	return "postgres"
}

// schemaRow is a row of goose's own table.
type schemaRow struct{ VersionID int64 }

// TableName names the table to GORM.
func (schemaRow) TableName() string { return goose.DefaultTablename }

// schemaVersion reads the version of the schema. It returns unavailable.
func (s *Store) schemaVersion(ctx context.Context) (int64, error) {
	var newest schemaRow
	err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
		return db.WithContext(ctx).Order("version_id DESC").Limit(1).Find(&newest).Error
	})
	return newest.VersionID, err
}
