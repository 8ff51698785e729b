package main

import (
	"context"
	"errors"
	"strconv"
	"strings"

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

// Help is shown by --help.
func (migrateStatusCommand) Help() string {
	return `Creates and changes nothing, also if there is no database. The version of a database that is missing or empty is 0.

    modelproviders migrate status

Exit status: 0 if the schema is up to date, 1 if it can't be read or is newer than the program, 2 if migrations are pending.`
}

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

// Help is shown by --help.
func (migrateUpCommand) Help() string {
	return `The service does the same when it starts. Use this command to migrate before new processes start. Several processes may migrate at once; one of them does, and the others wait.

A migration can't be undone. Back up the database first.

    modelproviders migrate up

Exit status: 0 if the schema is up to date, 1 if it could not be migrated.`
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
	return printRecords(out, flags, []column[app.Schema]{
		{"DATABASE", func(s app.Schema) string { return strconv.FormatInt(s.Database, 10) }},
		{"PROGRAM", func(s app.Schema) string { return strconv.FormatInt(s.Program, 10) }},
		{"PENDING", func(s app.Schema) string { return strings.Join(s.Pending, " ") }},
	}, schema)
}
