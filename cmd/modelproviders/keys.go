package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modelproviders/pkg/app"
)

// keysCommand manages the keys that encrypt what is stored. They are in the keyset file;
// the database says which one encrypts new values.
type keysCommand struct {
	List    listKeysCommand   `cmd:"" help:"List the keys, and how much is encrypted with each."`
	Rotate  rotateKeysCommand `cmd:"" help:"Replace the key: add, promote, reseal and retire."`
	Add     addKeyCommand     `cmd:"" help:"Add a new key to the keyset."`
	Promote promoteKeyCommand `cmd:"" help:"Encrypt new values with another key."`
	Reseal  resealCommand     `cmd:"" help:"Encrypt stored values again, with the present key."`
	Retire  retireKeyCommand  `cmd:"" help:"Disable a key with which nothing is encrypted anymore."`
	Enable  enableKeyCommand  `cmd:"" help:"Enable a retired key, for an old backup."`
	Destroy destroyKeyCommand `cmd:"" help:"Delete a retired key forever."`
	Create  createKeysCommand `cmd:"" help:"Create a keyset file before the first start, such as for a Kubernetes secret."`
	Wrap    wrapKeysCommand   `cmd:"" help:"Encrypt the keyset with a key of a KMS."`
	Unwrap  unwrapKeysCommand `cmd:"" help:"Decrypt a keyset that is encrypted with a key of a KMS."`
}

// keysetFlags are the flags of a command that changes the keyset.
type keysetFlags struct {
	dataFlags
	Out string `type:"path" help:"Write the new keyset to this file, which must not exist, instead of replacing the keyset. Use it where the keyset is read-only or on several machines, and put the file in its place yourself. - is the standard output."`
}

// write runs a command that writes the new keyset to a file, or into the keyset if file
// is empty. What it prints goes to stderr if the keyset goes to stdout.
func (f keysetFlags) write(out streams, command func(out streams, file string) error) error {
	if f.Out != "-" {
		return command(out, f.Out)
	}
	// In the image, only the data directory is sure to be writable.
	dir := cmp.Or(f.DataDir, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(dir, ".keyset-")
	if err != nil {
		return err
	}
	err = command(streams{stdout: out.stderr, stderr: out.stderr, logger: out.logger}, filepath.Join(dir, "keyset.json"))
	if err == nil {
		var content []byte
		if content, err = fs.ReadFile(os.DirFS(dir), "keyset.json"); err == nil {
			_, err = out.stdout.Write(content)
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// edit is write for a command that also needs the database.
func (f keysetFlags) edit(ctx context.Context, out streams, command func(operator *app.Operator, out streams, file string) error) error {
	return f.write(out, func(out streams, file string) error {
		return operate(ctx, f.config(out), false, func(operator *app.Operator) error { return command(operator, out, file) })
	})
}

// newKey is what `keys add` and `keys create` print.
type newKey struct {
	ID   uint32 `json:"id"`
	File string `json:"file"`
}

func printNewKey(out streams, flags outputFlags, key newKey) error {
	return printRecords(out, flags, "", func(k newKey) []any { return []any{k.ID} }, key)
}

type keyArgument struct {
	ID uint32 `arg:"" help:"The key's id, as in keys list."`
}

type addKeyCommand struct {
	keysetFlags
	outputFlags
}

// Run adds a key and prints its id.
func (c addKeyCommand) Run(ctx context.Context, out streams) error {
	return c.edit(ctx, out, func(operator *app.Operator, out streams, file string) error {
		id, file, err := operator.AddKey(ctx, file)
		if err != nil {
			return err
		}
		key := newKey{ID: id, File: cmp.Or(c.Out, file)}
		out.note("Added the key %d to %s. Back up this file. When each process has it, run `modelproviders keys promote %d`.", id, key.File, id)
		return printNewKey(out, c.outputFlags, key)
	})
}

type promoteKeyCommand struct {
	dataFlags
	keyArgument
}

// Run promotes a key.
func (c promoteKeyCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		if err := operator.PromoteKey(ctx, c.ID); err != nil {
			return err
		}
		out.note("New values are encrypted with the key %d. To encrypt stored values with it, run `modelproviders keys reseal`.", c.ID)
		return nil
	})
}

type retireKeyCommand struct {
	keysetFlags
	keyArgument
}

// Run retires a key.
func (c retireKeyCommand) Run(ctx context.Context, out streams) error {
	return c.edit(ctx, out, func(operator *app.Operator, out streams, file string) error {
		return retire(ctx, out, operator, c.ID, file)
	})
}

// retire retires a key and says what that means.
func retire(ctx context.Context, out streams, operator *app.Operator, id uint32, file string) error {
	if err := operator.RetireKey(ctx, id, file); err != nil {
		return err
	}
	fmt.Fprintf(out.stderr, "Retired the key %d. Page cursors that were made with it are answered 400 from now on. An old backup needs the key: keep it.\n", id)
	return nil
}

type enableKeyCommand struct {
	keysetFlags
	keyArgument
}

// Run enables a key.
func (c enableKeyCommand) Run(ctx context.Context, out streams) error {
	return c.write(out, func(out streams, file string) error {
		if err := app.EnableKey(ctx, c.config(out), c.ID, file); err != nil {
			return err
		}
		out.note("Enabled the key %d.", c.ID)
		return nil
	})
}

type destroyKeyCommand struct {
	keysetFlags
	Yes bool `help:"Confirm that the key is deleted, and that what is encrypted with it is lost."`
	keyArgument
}

func (c destroyKeyCommand) check() app.SettingErrors {
	wrong := c.dataFlags.check()
	if !c.Yes {
		wrong.Add("yes", errors.New("is required, because a deleted key can't be restored"))
	}
	return wrong
}

// Run deletes a key.
func (c destroyKeyCommand) Run(ctx context.Context, out streams) error {
	return c.edit(ctx, out, func(operator *app.Operator, out streams, file string) error {
		if err := operator.DestroyKey(ctx, c.ID, file); err != nil {
			return err
		}
		out.note("Deleted the key %d.", c.ID)
		return nil
	})
}

type createKeysCommand struct {
	keysetFlags
	outputFlags
}

// Run creates a keyset.
func (c createKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(out, func(out streams, file string) error {
		id, file, err := app.CreateKeyset(ctx, c.config(out), file)
		if err != nil {
			return err
		}
		key := newKey{ID: id, File: cmp.Or(c.Out, file)}
		out.note("Created %s. Back it up, apart from the database: without it, no credential can be decrypted.", key.File)
		return printNewKey(out, c.outputFlags, key)
	})
}
