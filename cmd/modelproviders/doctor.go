package main

import (
	"context"
	"errors"
	"fmt"

	"modelproviders/pkg/app"
)

// doctorCommand checks settings and data. It has the flags of `serve`, whose settings
// are checked before Run.
type doctorCommand struct {
	serveCommand
	outputFlags
}

// Help is shown by --help.
func (doctorCommand) Help() string {
	return `Checks the settings of the service, the modes of its files, the schema of the database, whether the SQLite file is damaged, whether the keyset is that of the database and has the keys that it needs, whether every encrypted value can be decrypted, and the audit log of every workspace. It changes nothing, and the service may be running.

It prints a line for each check, or one for each thing that is broken, named by its id.

    modelproviders doctor

Exit status: 0 if everything is in order, 1 if something is broken, 64 if a setting is wrong.`
}

// Run prints the findings.
func (c doctorCommand) Run(ctx context.Context, out streams) error {
	findings := app.Diagnose(ctx, c.config(out))
	err := printRecords(out, c.outputFlags, []column[app.Finding]{
		{"CHECK", func(f app.Finding) string { return f.Check }},
		{"STATUS", func(f app.Finding) string { return f.Status }},
		{"DETAIL", func(f app.Finding) string { return f.Detail }},
	}, findings...)
	broken := 0
	for _, finding := range findings {
		if finding.Status == app.FindingFailed {
			broken++
		}
	}
	switch {
	case err != nil:
		return err
	case broken == 1:
		return errors.New("1 thing is broken")
	case broken > 1:
		return fmt.Errorf("%d things are broken", broken)
	}
	return nil
}
