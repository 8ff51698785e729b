package main

import (
	"context"
	"fmt"

	"modelproviders/pkg/app"
)

type resealCommand struct {
	dataFlags
	outputFlags
	rateFlag
}

type rateFlag struct {
	Rate uint32 `default:"1000" help:"Maximum number of values per second; 0: no limit."`
}

// Run reseals what is stored.
func (c resealCommand) Run(ctx context.Context, out streams) error {
	return operate(ctx, c.config(out), false, func(operator *app.Operator) error {
		done, err := c.reseal(ctx, out, operator)
		if err != nil {
			return err
		}
		err = printRecords(out, c.outputFlags, "RESEALED\tUNREADABLE", func(r app.Resealing) []any {
			return []any{r.Resealed, r.Unreadable}
		}, done)
		if err != nil {
			return err
		}
		return unreadable(done)
	})
}

// reseal reseals with a display of its progress.
func (f rateFlag) reseal(ctx context.Context, out streams, operator *app.Operator) (app.Resealing, error) {
	shown := newProgress(out, "values")
	defer shown.end()
	return operator.Reseal(ctx, int(f.Rate),
		func(r app.Resealing) { shown.update(r.Resealed+r.Unreadable, r.Total) },
		func(err error) { shown.say(oneLine(err.Error())) })
}

func unreadable(r app.Resealing) error {
	if r.Unreadable == 0 {
		return nil
	}
	return fmt.Errorf("skipped values that can't be decrypted: %d; they are named above", r.Unreadable)
}
