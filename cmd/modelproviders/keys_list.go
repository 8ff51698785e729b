package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"modelproviders/pkg/app"
)

type listKeysCommand struct {
	dataFlags
	outputFlags
}

// Run prints the keys.
func (c listKeysCommand) Run(ctx context.Context, out streams) error {
	keys, err := app.ListKeys(ctx, c.config(out))
	if err != nil {
		return err
	}
	return printRecords(out, c.outputFlags, "ID\tSTATE\tADDED\tAGE\tVALUES\tMISSING IN", func(k app.Key) []any {
		return []any{k.ID, k.State, k.AddedAt, age(k.AddedAt), k.Values, strings.Join(k.MissingIn, ", ")}
	}, keys...)
}

// age is the time since then, in its largest unit.
func age(since *time.Time) string {
	if since == nil {
		return ""
	}
	const day = 24 * time.Hour
	switch passed := time.Since(*since); {
	case passed >= day:
		return fmt.Sprintf("%dd", passed/day)
	case passed >= time.Hour:
		return fmt.Sprintf("%dh", passed/time.Hour)
	default:
		return fmt.Sprintf("%dm", passed/time.Minute)
	}
}
