package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// Schema is the version of a database's schema, and what this program knows.
type Schema struct {
	Database int64    `json:"database"` // 0: there are no tables, or no database
	Program  int64    `json:"program"`
	Pending  []string `json:"pending"` // the files of the migrations that the database lacks
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
	version, err := storedVersion(ctx, dialect, s.engine.reader)
	if err != nil {
		return Schema{}, err
	}
	return schemaSince(dialect, version)
}

// schemaSince returns the schema of a database that has a version.
func schemaSince(dialect goose.Dialect, version int64) (Schema, error) {
	schema := Schema{Database: version, Pending: []string{}}
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
