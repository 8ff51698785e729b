package main

import (
	"context"
	"errors"
	"slices"

	"modelproviders/pkg/app"
)

// auditCommand reads the audit log.
type auditCommand struct {
	Verify verifyAuditCommand `cmd:"" help:"Check the chain of events of every workspace."`
	Export exportAuditCommand `cmd:"" help:"Write the events of a workspace as JSON lines, newest first."`
}

type verifyAuditCommand struct {
	dataFlags
	outputFlags
}

// Run prints a record per workspace.
func (c verifyAuditCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		reports, err := operator.VerifyAudit(ctx)
		if err != nil {
			return err
		}
		err = printRecords(out, c.outputFlags, "WORKSPACE\tCHAIN\tLINKS\tFIRST BREAK", func(r app.AuditReport) []any {
			if r.Break == nil {
				return []any{r.Workspace, "intact", r.Links, ""}
			}
			return []any{r.Workspace, "broken", r.Links, r.Break}
		}, reports...)
		if err == nil && slices.ContainsFunc(reports, func(r app.AuditReport) bool { return r.Break != nil }) {
			err = errors.New("the audit log was tampered with, or new events are not being linked")
		}
		return err
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
