package main

import (
	"context"
	"errors"

	"modelproviders/pkg/app"
)

// migrateCommand manages the schema of the database.
type migrateCommand struct {
	Status migrateStatusCommand `cmd:"" help:"Print the versions of the database and of the program, and the pending migrations."`
	Up     migrateUpCommand     `cmd:"" help:"Bring the schema of the database up to date."`
}

type migrateStatusCommand struct {
	dataFlags
	outputFlags
}

// exitPending is the exit status of `migrate status` if migrations are pending.
const exitPending = 2

// Run prints the schema.
func (c migrateStatusCommand) Run(ctx context.Context, out streams) error {
	schema, err := app.ReadSchema(ctx, c.config(out))
	if err != nil {
		return err
	}
	if err := printSchema(out, c.outputFlags, schema); err != nil {
		return err
	}
	if len(schema.Pending) > 0 {
		return exitError{status: exitPending}
	}
	return schema.Err()
}

type migrateUpCommand struct {
	dataFlags
	outputFlags
}

// Run migrates and prints the schema.
func (c migrateUpCommand) Run(ctx context.Context, out streams) error {
	schema, err := app.Migrate(ctx, c.config(out))
	if err != nil {
		return err
	}
	return errors.Join(printSchema(out, c.outputFlags, schema), schema.Err())
}

func printSchema(out streams, flags outputFlags, schema app.Schema) error {
	return printRecords(out, flags, "DATABASE\tPROGRAM\tPENDING", func(s app.Schema) []any {
		return []any{s.Database, s.Program, words(s.Pending)}
	}, schema)
}
