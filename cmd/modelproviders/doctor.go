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

// Run prints the findings.
func (c doctorCommand) Run(ctx context.Context, out streams) error {
	findings := app.Diagnose(ctx, c.config(out))
	err := printRecords(out, c.outputFlags, "CHECK\tSTATUS\tDETAIL", func(f app.Finding) []any {
		return []any{f.Check, f.Status, f.Detail}
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
