package main

import (
	"context"
	"errors"
	"fmt"

	"modelproviders/pkg/app"
)

// auditCommand reads the audit log.
type auditCommand struct {
	Verify verifyAuditCommand `cmd:"" help:"Check the chain of events of every workspace."`
	Export exportAuditCommand `cmd:"" help:"Write the events of a workspace as JSON lines, newest first."`
}

type verifyAuditCommand struct{ dataFlags }

// errBroken makes the program fail if a chain is broken.
var errBroken = errors.New("the audit log was tampered with, or new events are not being linked")

// Run prints a line per workspace.
func (c verifyAuditCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		reports, err := operator.VerifyAudit(ctx)
		if err != nil {
			return err
		}
		var broken error
		for _, report := range reports {
			if report.Break != nil {
				broken = errBroken
			}
			if _, err := fmt.Fprintln(out.stdout, report); err != nil {
				return err
			}
		}
		return broken
	})
}

type exportAuditCommand struct {
	dataFlags
	Workspace string `default:"default" help:"The workspace."`
}

// Run writes the events.
func (c exportAuditCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		return operator.ExportAudit(ctx, c.Workspace, out.stdout)
	})
}
