package main

import (
	"context"
	"errors"
	"fmt"
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
		return printRecords(out, c.outputFlags, "ID\tRESEALED\tRETIRED", func(r rotation) []any {
			return []any{r.ID, r.Resealed, words(r.Retired)}
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
	resealed, err := c.reseal(ctx, out, operator)
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
