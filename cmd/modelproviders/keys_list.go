package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"modelproviders/pkg/app"
)

type listKeysCommand struct {
	dataFlags
	outputFlags
}

// Help is shown by --help.
func (listKeysCommand) Help() string {
	return `Lists the keys of the keyset and those that the database needs. Their states:

sealing: new values are encrypted with it. enabled: it decrypts. disabled: it can't be used, and its material is kept. missing from the file: the database needs it; restore it. not in the database: it was added with other tools.

VALUES is the number of stored values that are encrypted with the key: credentials, and two values of the database itself. MISSING IN names the running processes that have not loaded the key.

    modelproviders keys list
    modelproviders keys list --json | jq 'select(.state == "enabled" and .values > 0) | .id'`
}

// Run prints the keys.
func (c listKeysCommand) Run(ctx context.Context, out streams) error {
	keys, err := app.ListKeys(ctx, c.config(out))
	if err != nil {
		return err
	}
	return printRecords(out, c.outputFlags, keyColumns(), keys...)
}

func keyColumns() []column[app.Key] {
	return []column[app.Key]{
		{"ID", func(k app.Key) string { return keyID(k.ID) }},
		{"STATE", func(k app.Key) string { return k.State }},
		{"ADDED", func(k app.Key) string { return timeOrNever(k.AddedAt) }},
		{"AGE", func(k app.Key) string { return age(k.AddedAt) }},
		{"VALUES", func(k app.Key) string { return strconv.Itoa(k.Values) }},
		{"MISSING IN", func(k app.Key) string { return strings.Join(k.MissingIn, ", ") }},
	}
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
