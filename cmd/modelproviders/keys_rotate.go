package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"modelproviders/pkg/app"
)

type rotateKeysCommand struct {
	dataFlags
	outputFlags
	rateFlag
	Wait time.Duration `default:"10m" help:"How long to wait until every running process has loaded the key."`
}

// Help is shown by --help.
func (rotateKeysCommand) Help() string {
	return `Adds a new key to the keyset, waits until every running process has loaded it, encrypts new values and then stored values with it, and retires all other keys. The service keeps running. An interrupted rotation is continued by running the command again, with the key that it added.

Where the keyset is read-only or on several machines, use keys add, retire and --out for the files, as docs/keys.md describes, and this command for the rest.

    modelproviders keys rotate
    modelproviders keys rotate --wait 1h --rate 200`
}

func (c rotateKeysCommand) check() app.SettingErrors {
	wrong := c.dataFlags.check()
	c.problem(&wrong)
	if c.Wait < 0 {
		wrong.Add("wait", fmt.Errorf("%v must not be negative", c.Wait))
	}
	return wrong
}

// rotation is what `keys rotate` did.
type rotation struct {
	ID       uint32   `json:"id"` // of the present key
	Resealed int      `json:"resealed"`
	Retired  []uint32 `json:"retired"`
}

// Run rotates the keys.
func (c rotateKeysCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		done, err := c.rotate(ctx, out, operator)
		if err != nil {
			return err
		}
		return printRecords(out, c.outputFlags, []column[rotation]{
			{"ID", func(r rotation) string { return keyID(r.ID) }},
			{"RESEALED", func(r rotation) string { return strconv.Itoa(r.Resealed) }},
			{"RETIRED", func(r rotation) string { return strings.Trim(fmt.Sprint(r.Retired), "[]") }},
		}, done)
	})
}

func (c rotateKeysCommand) rotate(ctx context.Context, out streams, operator *app.Operator) (done rotation, err error) {
	say := func(format string, args ...any) { fmt.Fprintf(out.stderr, format+"\n", args...) }
	id, added, err := operator.RotationKey(ctx)
	switch {
	case errors.Is(err, app.ErrIrreplaceable):
		return done, fmt.Errorf("%w. Run `modelproviders keys add --out FILE`, put FILE in the place of the keyset for each process, and run `modelproviders keys rotate` again", err)
	case err != nil:
		return done, err
	case added:
		say("Added the key %d. Back up the keyset.", id)
	default:
		say("Continuing with the key %d, which is in the keyset already.", id)
	}
	done.ID, done.Retired = id, []uint32{}
	err = operator.WaitLoaded(ctx, id, c.Wait, func(processes []string) {
		say("Waiting until the key is loaded by: %s. Processes with a keyset of their own need a copy of it.", strings.Join(processes, "; "))
	})
	if err != nil {
		return done, fmt.Errorf("%w. Give them the keyset, and run `modelproviders keys rotate` again", err)
	}
	if err := operator.PromoteKey(ctx, id); err != nil {
		return done, err
	}
	say("New values are encrypted with the key %d.", id)
	resealed, err := reseal(ctx, out, operator, c.Rate)
	if err == nil {
		err = unreadable(resealed)
	}
	if err != nil {
		return done, err
	}
	done.Resealed = resealed.Resealed
	for _, key := range operator.OldKeys() {
		if err := retire(ctx, out, operator, key, ""); err != nil {
			if errors.Is(err, app.ErrIrreplaceable) {
				err = fmt.Errorf("%w. Run `modelproviders keys retire %d --out FILE`, and put FILE in the place of the keyset for each process", err, key)
			}
			return done, err
		}
		done.Retired = append(done.Retired, key)
	}
	return done, nil
}
