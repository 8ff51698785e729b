package main

import (
	"context"
	"fmt"

	"modelproviders/pkg/app"
)

// backupCommand copies the SQLite database.
type backupCommand struct {
	dataFlags
	outputFlags
	File string `arg:"" type:"path" help:"The file to create. It must not exist."`
}

// Run prints the name and the size of the copy.
func (c backupCommand) Run(ctx context.Context, out streams) error {
	made, err := app.BackUp(ctx, c.config(out), c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "The keyset %s is not part of the backup. Back it up separately: without it, no credential can be decrypted.\n", made.Keyset)
	return printRecords(out, c.outputFlags, "FILE\tBYTES", func(b app.Backup) []any { return []any{b.File, b.Bytes} }, made)
}
