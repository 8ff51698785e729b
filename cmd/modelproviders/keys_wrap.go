package main

import (
	"context"

	"modelproviders/pkg/app"
)

type wrapKeysCommand struct {
	keysetFlags
	outputFlags
	FromKEK string `name:"from-kek" help:"URI of the key that encrypts the keyset now, to change it; by default, the keyset is not encrypted."`
}

func (c wrapKeysCommand) check() app.SettingErrors { return c.config(streams{}).CheckWrap(c.FromKEK) }

// Run prints the file and the key.
func (c wrapKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(out, func(out streams, file string) error {
		wrapped, err := app.WrapKeyset(ctx, c.config(out), c.FromKEK, file)
		if err != nil {
			return err
		}
		out.note("Encrypted the keyset. Restart the processes with --keyset-kek %s.", wrapped.KEK)
		return printRecords(out, c.outputFlags, "FILE\tKEK", wrappedRow, wrapped)
	})
}

type unwrapKeysCommand struct {
	keysetFlags
	outputFlags
}

func (c unwrapKeysCommand) check() app.SettingErrors { return c.config(streams{}).CheckWrap("") }

// Run prints the file.
func (c unwrapKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(out, func(out streams, file string) error {
		unwrapped, err := app.UnwrapKeyset(ctx, c.config(out), file)
		if err != nil {
			return err
		}
		out.note("Decrypted the keyset. Restart the processes without --keyset-kek.")
		return printRecords(out, c.outputFlags, "FILE\tKEK", wrappedRow, unwrapped)
	})
}

func wrappedRow(w app.WrappedKeyset) []any { return []any{w.File, w.KEK} }
