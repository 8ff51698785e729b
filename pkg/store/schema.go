package store

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// Schema is the version of a database's schema, and what this program knows.
type Schema struct {
	Database int64 // 0: there are no tables, or no database
	Program  int64
	Pending  []string // the files of the migrations that the database lacks
}

// ReadSchema returns the schema of a database. It creates and changes nothing.
func ReadSchema(ctx context.Context, c Config) (schema Schema, err error) {
	c.ReadOnly = true
	dialect := goose.DialectPostgres
	if c.DatabaseURL == "" {
		dialect = goose.DialectSQLite3
		if _, err := os.Stat(c.SQLitePath); errors.Is(err, fs.ErrNotExist) {
			return schemaSince(dialect, 0)
		}
	}
	s, err := Open(ctx, c)
	if err != nil {
		return Schema{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	db, err := s.engine.reader.DB()
	if err != nil {
		return Schema{}, err
	}
	version, err := storedVersion(ctx, dialect, db)
	if err != nil {
		return Schema{}, err
	}
	return schemaSince(dialect, version)
}

func schemaSince(dialect goose.Dialect, version int64) (Schema, error) {
	schema := Schema{Database: version}
	files, err := migrations.ReadDir("migrations/" + string(dialect))
	for _, file := range files {
		if schema.Program, err = goose.NumericComponent(file.Name()); err != nil {
			return Schema{}, err
		}
		if schema.Program > version {
			schema.Pending = append(schema.Pending, file.Name())
		}
	}
	return schema, err
}
