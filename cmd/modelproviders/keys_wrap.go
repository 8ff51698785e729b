package main

import (
	"context"

	"modelproviders/pkg/app"
)

type wrapKeysCommand struct {
	dataFlags
	outputFlags
	outFlag
	FromKEK string `name:"from-kek" help:"URI of the key that encrypts the keyset now, to change it; by default, the keyset is not encrypted."`
}

// Help is shown by --help.
func (wrapKeysCommand) Help() string {
	return `Encrypts the keyset with the key of a key management service (KMS), which --keyset-kek names. The keys themselves stay the same. Before the file is replaced, the new content is decrypted and compared.

Restart the processes with --keyset-kek afterwards: one that runs without it can't read the new file, reports that in /readyz, and keeps the keys that it has loaded. Delete copies that are not encrypted; whoever has one needs no KMS.

    modelproviders keys wrap --keyset-kek hcvault://vault.example.com:8200/transit/keys/models

--from-kek changes the key, also to one of another KMS:

    export MODELPROVIDERS_KEYSET_KEK=hcvault://vault.example.com:8200/transit/keys/new
    modelproviders keys wrap --from-kek hcvault://vault.example.com:8200/transit/keys/models`
}

func (c wrapKeysCommand) check() app.SettingErrors { return c.config(streams{}).CheckWrap(c.FromKEK) }

// Run prints the file and the key.
func (c wrapKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		wrapped, err := app.WrapKeyset(ctx, c.config(out), c.FromKEK, file)
		if err != nil {
			return err
		}
		out.note("Encrypted the keyset. Restart the processes with --keyset-kek %s.", wrapped.KEK)
		return printRecords(out, c.outputFlags, wrappedColumns(), wrapped)
	})
}

type unwrapKeysCommand struct {
	dataFlags
	outputFlags
	outFlag
}

// Help is shown by --help.
func (unwrapKeysCommand) Help() string {
	return `Decrypts a keyset that is encrypted with the key of a key management service, which --keyset-kek names. Restart the processes without --keyset-kek afterwards.

    modelproviders keys unwrap --keyset-kek hcvault://vault.example.com:8200/transit/keys/models`
}

func (c unwrapKeysCommand) check() app.SettingErrors { return c.config(streams{}).CheckWrap("") }

// Run prints the file.
func (c unwrapKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		unwrapped, err := app.UnwrapKeyset(ctx, c.config(out), file)
		if err != nil {
			return err
		}
		out.note("Decrypted the keyset. Restart the processes without --keyset-kek.")
		return printRecords(out, c.outputFlags, wrappedColumns(), unwrapped)
	})
}

func wrappedColumns() []column[app.WrappedKeyset] {
	return []column[app.WrappedKeyset]{
		{"FILE", func(w app.WrappedKeyset) string { return w.File }},
		{"KEK", func(w app.WrappedKeyset) string { return w.KEK }},
	}
}
