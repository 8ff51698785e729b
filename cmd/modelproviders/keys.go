package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

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

// outFlag is the flag of a command that changes the keyset.
type outFlag struct {
	Out string `type:"path" help:"Write the new keyset to this file, which must not exist, instead of replacing the keyset. Use it where the keyset is read-only or on several machines, and put the file in its place yourself. - is the standard output."`
}

// write runs a command that writes the new keyset to a file, or into the keyset if file
// is empty. What it prints goes to stderr if the keyset goes to stdout.
func (f outFlag) write(data dataFlags, out streams, command func(out streams, file string) error) error {
	if f.Out != "-" {
		return command(out, f.Out)
	}
	// In the image, only the data directory is sure to be writable.
	dir := cmp.Or(data.DataDir, "data")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(dir, ".keyset-")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "keyset.json")
	err = command(streams{stdout: out.stderr, stderr: out.stderr, logger: out.logger}, file)
	if err == nil {
		var content []byte
		if content, err = fs.ReadFile(os.DirFS(dir), filepath.Base(file)); err == nil {
			_, err = out.stdout.Write(content)
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
}

func keyID(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

type keyArgument struct {
	ID uint32 `arg:"" help:"The key's id, as in keys list."`
}

type rateFlag struct {
	Rate int `default:"1000" help:"Maximum number of values per second; 0: no limit."`
}

func (f rateFlag) problem(wrong *app.SettingErrors) {
	if f.Rate < 0 {
		wrong.Add("rate", fmt.Errorf("%d must not be negative", f.Rate))
	}
}

type addKeyCommand struct {
	dataFlags
	outputFlags
	outFlag
}

// Help is shown by --help.
func (addKeyCommand) Help() string {
	return `Adds a new key to the keyset, and prints its id. Nothing is encrypted with it yet: see keys promote. Running processes load the changed keyset within seconds.

    modelproviders keys add
    modelproviders keys add --out keyset-new.json`
}

// newKey is what `keys add` and `keys create` print.
type newKey struct {
	ID   uint32 `json:"id"`
	File string `json:"file"`
}

func printNewKey(out streams, flags outputFlags, key newKey) error {
	return printRecords(out, flags, []column[newKey]{{"", func(k newKey) string { return keyID(k.ID) }}}, key)
}

// Run adds a key and prints its id.
func (c addKeyCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
			id, file, err := operator.AddKey(ctx, file)
			if err != nil {
				return err
			}
			out.note("Added the key %d to %s. Back up this file. When each process has it, run `modelproviders keys promote %d`.", id, cmp.Or(c.Out, file), id)
			return printNewKey(out, c.outputFlags, newKey{ID: id, File: cmp.Or(c.Out, file)})
		})
	})
}

type promoteKeyCommand struct {
	dataFlags
	keyArgument
}

// Help is shown by --help.
func (promoteKeyCommand) Help() string {
	return `From now on every process encrypts new values with this key. It is refused while a running process has not loaded the key. What was encrypted before stays as it is: see keys reseal.

    modelproviders keys promote 1437583201`
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

type resealCommand struct {
	dataFlags
	outputFlags
	rateFlag
}

// Help is shown by --help.
func (resealCommand) Help() string {
	return `Encrypts every stored value again that is not encrypted with the present key, while the service is running. Concurrent edits win, and neither versions nor times of edits change. The command can be interrupted and run again. It is refused while a running process has not loaded the present key.

A value that can't be decrypted is named by its ids and skipped; then the exit status is 1.

Progress is shown on stderr: a bar on a terminal, elsewhere a JSON object per line, at most one per second, with the fields time, done, total, per_second and seconds_left. The result is the number of values that were encrypted, and of those that can't be decrypted.

    modelproviders keys reseal
    modelproviders keys reseal --rate 200`
}

func (c resealCommand) check() app.SettingErrors {
	wrong := c.dataFlags.check()
	c.problem(&wrong)
	return wrong
}

// Run reseals what is stored.
func (c resealCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		done, err := reseal(ctx, out, operator, c.Rate)
		if err != nil {
			return err
		}
		if err := printRecords(out, c.outputFlags, []column[app.Resealing]{
			{"RESEALED", func(r app.Resealing) string { return strconv.Itoa(r.Resealed) }},
			{"UNREADABLE", func(r app.Resealing) string { return strconv.Itoa(r.Unreadable) }},
		}, done); err != nil {
			return err
		}
		return unreadable(done)
	})
}

// reseal reseals with a display of its progress.
func reseal(ctx context.Context, out streams, operator *app.Operator, rate int) (app.Resealing, error) {
	shown := newProgress(out, "values")
	defer shown.end()
	return operator.Reseal(ctx, rate,
		func(r app.Resealing) { shown.update(r.Resealed+r.Unreadable, r.Total) },
		func(err error) { shown.say(oneLine(err.Error())) })
}

func unreadable(r app.Resealing) error {
	if r.Unreadable == 0 {
		return nil
	}
	return fmt.Errorf("skipped values that can't be decrypted: %d; they are named above", r.Unreadable)
}

type retireKeyCommand struct {
	dataFlags
	outFlag
	keyArgument
}

// Help is shown by --help.
func (retireKeyCommand) Help() string {
	return `Disables a key in the keyset. It is refused while a stored value is encrypted with the key: see keys reseal. The material of the key is kept, so that an old backup of the database can be used: see keys enable. Page cursors that were made with the key are no longer accepted.

    modelproviders keys retire 982451653
    modelproviders keys retire 982451653 --out keyset-new.json`
}

// Run retires a key.
func (c retireKeyCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		return operate(ctx, c.config(out), false, func(operator *app.Operator) error { return retire(ctx, out, operator, c.ID, file) })
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
	dataFlags
	outFlag
	keyArgument
}

// Help is shown by --help.
func (enableKeyCommand) Help() string {
	return `Enables a key in the keyset that was retired, because a restored backup of the database needs it.

    modelproviders keys enable 982451653`
}

// Run enables a key.
func (c enableKeyCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		if err := app.EnableKey(ctx, c.config(out), c.ID, file); err != nil {
			return err
		}
		out.note("Enabled the key %d.", c.ID)
		return nil
	})
}

type destroyKeyCommand struct {
	dataFlags
	outFlag
	Yes bool `help:"Confirm that the key is deleted, and that what is encrypted with it is lost."`
	keyArgument
}

// Help is shown by --help.
func (destroyKeyCommand) Help() string {
	return `Deletes a key from the keyset. Backups of the database from before the key was retired can't be decrypted anymore, unless you have a copy of the keyset. It is refused for a key that is enabled, or that the database needs.

    modelproviders keys destroy 982451653 --yes`
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
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
			if err := operator.DestroyKey(ctx, c.ID, file); err != nil {
				return err
			}
			out.note("Deleted the key %d.", c.ID)
			return nil
		})
	})
}

type createKeysCommand struct {
	dataFlags
	outputFlags
	outFlag
}

// Help is shown by --help.
func (createKeysCommand) Help() string {
	return `Creates a keyset file with one key, for a new database, and prints the id of the key. The service does the same at its first start, if it can write the file. An existing file is never replaced. A new keyset does not replace a lost one.

    modelproviders keys create --out keyset.json
    kubectl create secret generic modelproviders-keyset --from-file=keyset.json`
}

// Run creates a keyset.
func (c createKeysCommand) Run(ctx context.Context, out streams) error {
	return c.write(c.dataFlags, out, func(out streams, file string) error {
		id, file, err := app.CreateKeyset(ctx, c.config(out), file)
		if err != nil {
			return err
		}
		out.note("Created %s. Back it up, apart from the database: without it, no credential can be decrypted.", cmp.Or(c.Out, file))
		return printNewKey(out, c.outputFlags, newKey{ID: id, File: cmp.Or(c.Out, file)})
	})
}
