package main

import (
	"context"
	"errors"
	"strconv"

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

// Help is shown by --help.
func (verifyAuditCommand) Help() string {
	return `The events of a workspace form a chain that shows whether one was changed, removed or inserted. Prints a line for each workspace, with the first break of its chain, and exits with 1 if a chain is broken. The service may be running.

    modelproviders audit verify`
}

// errBroken makes the program fail if a chain is broken.
var errBroken = errors.New("the audit log was tampered with, or new events are not being linked")

// Run prints a record per workspace.
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
		}
		return errors.Join(printRecords(out, c.outputFlags, reportColumns(), reports...), broken)
	})
}

func reportColumns() []column[app.AuditReport] {
	return []column[app.AuditReport]{
		{"WORKSPACE", func(r app.AuditReport) string { return r.Workspace }},
		{"CHAIN", func(r app.AuditReport) string {
			if r.Break != nil {
				return "broken"
			}
			return "intact"
		}},
		{"LINKS", func(r app.AuditReport) string { return strconv.FormatInt(r.Links, 10) }},
		{"FIRST BREAK", func(r app.AuditReport) string {
			if r.Break != nil {
				return r.Break.String()
			}
			return ""
		}},
	}
}

type exportAuditCommand struct {
	dataFlags
	Workspace string `default:"default" help:"The workspace."`
}

// Help is shown by --help.
func (exportAuditCommand) Help() string {
	return `Each line is an event in the form of GET /audit-events. The service may be running.

    modelproviders audit export --workspace acme > acme.jsonl`
}

// Run writes the events.
func (c exportAuditCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		return operator.ExportAudit(ctx, c.Workspace, out.stdout)
	})
}
