package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"

	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
)

// applyCommand makes a service have what a manifest says.
type applyCommand struct {
	remoteFlags
	outputFlags
	File        string `short:"f" required:"" help:"File to apply; - reads stdin."`
	DryRun      bool   `help:"Only print what would change; the exit status is 2 if something would."`
	Prune       bool   `help:"Delete providers that are not in the file, and models that are not in their provider's list."`
	Force       bool   `help:"Also remove and disable models that have references, and their providers."`
	Credentials string `default:"missing" enum:"missing,always,never" help:"Which credentials of the file are sent: those that the service does not have, and all if base_url changes (missing); all (always); none (never)."`
}

// applyWorkers is the number of providers that are changed at the same time.
const applyWorkers = 8

// exitDifferent is the exit status of a dry run that found differences.
const exitDifferent = 2

// Run applies the file.
func (c applyCommand) Run(ctx context.Context, out streams) error {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(math.MaxInt64) // the limit in main is for serving; a large file needs more
	}
	service, err := c.client()
	if err != nil {
		return err
	}
	name, dir, content := "stdin", ".", os.Stdin
	if c.File != "-" {
		name, dir = c.File, filepath.Dir(c.File)
		if content, err = os.Open(c.File); err != nil {
			return err
		}
	}
	entries, faults, err := readManifest(content)
	if err = errors.Join(err, content.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a := &applier{service: service, force: c.Force, planner: planner{mode: c.Credentials, prune: c.Prune, dir: dir}}
	if err := a.plan(ctx, entries, faults); err != nil {
		return err
	}
	if err := manifestError(name, a.faults); err != nil {
		return err
	}
	if !c.DryRun {
		a.run(ctx)
	} else if !c.Force {
		if err := a.checkUse(ctx); err != nil {
			return err
		}
	}
	return c.report(out, a, name)
}

// applier applies a manifest to a service.
type applier struct {
	planner
	service   *client.Client
	force     bool // removes and disables also what has references
	steps     []*applyStep
	deletions []*applyStep // come after all steps have succeeded
	faults    []manifestFault
}

// plan compares the manifest with the service.
func (a *applier) plan(ctx context.Context, entries []providerEntry, faults []manifestFault) error {
	wanted := map[string]bool{}
	for _, entry := range entries {
		wanted[app.FoldName(entry.Name)] = true
	}
	current := map[string]*client.Provider{}
	for p, err := range a.service.ListProviders(ctx, client.ListProvidersParams{Limit: 100}) {
		if err != nil && len(faults) > 0 {
			a.faults = faults
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the providers of the service: %w", err)
		}
		if name := app.FoldName(p.Name); wanted[name] {
			current[name] = &p
		} else if a.prune {
			a.deletions = append(a.deletions, deletion(p))
		}
	}
	for _, entry := range entries {
		step, wrong := a.step(entry, current[app.FoldName(entry.Name)])
		a.steps, faults = append(a.steps, step), append(faults, wrong...)
	}
	a.faults = faults
	return nil
}

// Errors of steps that are not tried. What a deletion deletes may have a replacement that
// could not be created.
var (
	errNotSent    = errors.New("not sent, because the command was interrupted")
	errNotDeleted = errors.New("not deleted, because something else failed")
)

// run carries out all steps, and then the deletions.
func (a *applier) run(ctx context.Context) {
	if a.runAll(ctx, a.steps) == nil {
		_ = a.runAll(ctx, a.deletions) // the steps have their errors
		return
	}
	for _, s := range a.deletions {
		s.err = errNotDeleted
	}
}

// runAll carries out steps, several at a time. It returns one of their errors.
func (a *applier) runAll(ctx context.Context, steps []*applyStep) error {
	var group errgroup.Group
	group.SetLimit(applyWorkers)
	for _, s := range steps {
		if s.action != "" {
			group.Go(func() error {
				s.err = a.execute(ctx, s)
				return s.err
			})
		}
	}
	return group.Wait()
}

// execute carries out a step. If somebody else created, changed or deleted the provider
// after it was read, the step is planned again, once.
func (a *applier) execute(ctx context.Context, s *applyStep) error {
	if ctx.Err() != nil {
		return errNotSent
	}
	err := a.send(ctx, s)
	for _, code := range []client.ProblemCode{client.ProblemCodeVersionMismatch, client.ProblemCodeNameTaken, client.ProblemCodeNotFound} {
		if errors.Is(err, code) {
			return a.executeAgain(ctx, s)
		}
	}
	return err
}

func (a *applier) executeAgain(ctx context.Context, s *applyStep) error {
	page, err := a.service.ListProvidersPage(ctx, client.ListProvidersParams{Name: s.name})
	if err != nil {
		return err
	}
	var current *client.Provider
	if len(page.Data) > 0 {
		current = &page.Data[0]
	}
	switch {
	case s.action != actionDelete:
		again, faults := a.step(s.entry, current)
		if len(faults) > 0 {
			return errors.New(faults[0].text)
		}
		*s = *again
	case current == nil:
		return nil
	default:
		*s = *deletion(*current)
	}
	return a.send(ctx, s)
}

func (a *applier) send(ctx context.Context, s *applyStep) (err error) {
	var options []client.CallOption
	if a.force {
		options = append(options, client.Force())
	}
	switch s.action {
	case actionCreate:
		return a.create(ctx, s)
	case actionUpdate:
		_, err = a.service.UpdateProvider(ctx, s.id, s.update, options...)
	case actionDelete:
		err = a.service.DeleteProvider(ctx, s.id, append(options, client.IfVersion(s.update.Version))...)
	}
	return asInUse(err)
}

// create creates a provider. The API creates active ones only.
func (a *applier) create(ctx context.Context, s *applyStep) error {
	provider := client.ProviderCreate{Name: s.name, Type: client.ProviderTypeName(s.entry.Type), Config: s.update.Config, Credentials: s.update.Credentials}
	for _, m := range s.update.Models {
		provider.Models = append(provider.Models, client.ModelCreate{ModelID: m.ModelID, DisplayName: m.DisplayName, Enabled: m.Enabled, SupportedStages: m.SupportedStages})
	}
	created, err := a.service.CreateProvider(ctx, provider)
	if err == nil && s.update.Status == client.ProviderStatusInactive {
		_, err = a.service.UpdateProvider(ctx, created.ID, client.ProviderUpdate{Status: client.ProviderStatusInactive})
	}
	return err
}

// report prints the changes on stdout, and failures and a summary on stderr.
func (c applyCommand) report(out streams, a *applier, name string) error {
	var changes []change
	count, failed := map[string]int{}, false
	for _, s := range slices.Concat(a.steps, a.deletions) {
		failed = failed || s.err != nil
		switch {
		case s.err == nil:
			count[s.action]++
			changes = append(changes, s.changes...)
		case errors.Is(s.err, errNotSent), errors.Is(s.err, errNotDeleted):
			count[s.err.Error()]++
		default:
			count["failed"]++
			fmt.Fprintf(out.stderr, "%s: %s\n", oneLine(s.name), oneLine(s.err.Error()))
			var use inUseError
			if errors.As(s.err, &use) {
				use.print(out.stderr)
			}
		}
	}
	err := printRecords(out, c.outputFlags, "ACTION\tPROVIDER\tMODEL\tFIELD\tBEFORE\tAFTER", func(c change) []any {
		return []any{c.Action, c.Provider, c.Model, c.Field, c.Before, c.After}
	}, changes...)
	if err != nil {
		return err
	}
	for _, err := range []error{errNotSent, errNotDeleted} {
		if n := count[err.Error()]; n > 0 {
			fmt.Fprintf(out.stderr, "%d %s\n", n, err)
		}
	}
	summary := "%s: %d created, %d updated, %d deleted, %d unchanged, %d failed\n"
	if c.DryRun {
		summary = "%s, dry run: %d to create, %d to update, %d to delete, %d unchanged, %d failed\n"
	}
	fmt.Fprintf(out.stderr, summary, name, count[actionCreate], count[actionUpdate], count[actionDelete], count[""], count["failed"])
	switch {
	case failed:
		return exitError{status: exitFailed}
	case c.DryRun && len(changes) > 0:
		return exitError{status: exitDifferent}
	}
	return nil
}
