package main

import (
	"context"
	"fmt"
	"strconv"

	"modelproviders/pkg/app"
)

// backupCommand copies the SQLite database.
type backupCommand struct {
	dataFlags
	outputFlags
	File string `arg:"" type:"path" help:"The file to create. It must not exist."`
}

// Help is shown by --help.
func (backupCommand) Help() string {
	return `Copies the SQLite database to FILE, also while the service is running. The copy contains everything that was stored before the command began. A copy of the file modelproviders.db made with other tools while the service is running lacks the latest changes, or is damaged.

The keyset is not part of the copy, and without it no credential can be decrypted. Back it up separately, in another place.

To restore a backup, stop the service, remove modelproviders.db-wal and modelproviders.db-shm from the data directory, replace modelproviders.db by the copy, and start the service with the keyset of the database.

Back up PostgreSQL with pg_dump.

    modelproviders backup /backups/modelproviders.db`
}

// Run prints the name and the size of the copy.
func (c backupCommand) Run(ctx context.Context, out streams) error {
	made, err := app.BackUp(ctx, c.config(out), c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "The keyset %s is not part of the backup. Back it up separately: without it, no credential can be decrypted.\n", made.Keyset)
	return printRecords(out, c.outputFlags, []column[app.Backup]{
		{"FILE", func(b app.Backup) string { return b.File }},
		{"BYTES", func(b app.Backup) string { return strconv.FormatInt(b.Bytes, 10) }},
	}, made)
}
