package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

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
	name, dir, content, err := c.read()
	if err != nil {
		return err
	}
	entries, faults, err := readManifest(content)
	if err = errors.Join(err, content.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a := &applier{service: service, force: c.Force, planner: planner{mode: c.Credentials, prune: c.Prune, secrets: secrets{dir: dir}}}
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

// read opens the file. dir is where the paths in it begin.
func (c applyCommand) read() (name, dir string, content io.ReadCloser, err error) {
	if c.File == "-" {
		return "stdin", ".", io.NopCloser(os.Stdin), nil
	}
	content, err = os.Open(c.File)
	return c.File, filepath.Dir(c.File), content, err
}

// applier applies a manifest to a service.
type applier struct {
	planner
	service *client.Client
	force   bool         // removes and disables also what has references
	steps   []*applyStep // in the order of the file; deletions come last, by name
	faults  []manifestFault
}

// plan compares the manifest with the service.
func (a *applier) plan(ctx context.Context, entries []providerEntry, faults []manifestFault) error {
	wanted := map[string]bool{}
	for _, entry := range entries {
		wanted[app.FoldName(entry.Name)] = true
	}
	current := map[string]*client.Provider{}
	var deletions []*applyStep
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
			deletions = append(deletions, deletion(p))
		}
	}
	for _, entry := range entries {
		step, wrong := a.step(entry, current[app.FoldName(entry.Name)])
		a.steps, faults = append(a.steps, step), append(faults, wrong...)
	}
	a.steps, a.faults = append(a.steps, deletions...), faults
	return nil
}

// Errors of steps that are not tried. What a deletion deletes may have a replacement that
// could not be created.
var (
	errNotSent    = errors.New("not sent, because the command was interrupted")
	errNotDeleted = errors.New("not deleted, because something else failed")
)

// run carries out all steps: several at a time, and deletions after everything else.
func (a *applier) run(ctx context.Context) {
	failed := a.runSome(ctx, func(s *applyStep) bool { return s.action == actionCreate || s.action == actionUpdate })
	deletes := func(s *applyStep) bool { return s.action == actionDelete }
	if failed == nil {
		_ = a.runSome(ctx, deletes) // the steps have their errors
		return
	}
	for _, s := range a.steps {
		if deletes(s) {
			s.err = errNotDeleted
		}
	}
}

// runSome carries out the steps for which which is true. It returns one of their errors.
func (a *applier) runSome(ctx context.Context, which func(*applyStep) bool) error {
	var group errgroup.Group
	group.SetLimit(applyWorkers)
	for _, s := range a.steps {
		if which(s) {
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
		err = a.service.DeleteProvider(ctx, s.id, append(options, client.IfVersion(s.version))...)
	}
	return asInUse(err)
}

// create creates a provider. The API creates active ones only.
func (a *applier) create(ctx context.Context, s *applyStep) error {
	created, err := a.service.CreateProvider(ctx, s.create)
	if err == nil && s.entry.Status == statusInactive {
		_, err = a.service.UpdateProvider(ctx, created.ID, client.ProviderUpdate{Status: client.ProviderStatusInactive})
	}
	return err
}

// report prints the changes on stdout, and failures and a summary on stderr.
func (c applyCommand) report(out streams, a *applier, name string) error {
	var changes []change
	count, untried, failed := map[string]int{}, map[error]int{}, false
	for _, s := range a.steps {
		failed = failed || s.err != nil
		switch {
		case s.err == nil:
			count[s.action]++
			changes = append(changes, s.changes...)
		case errors.Is(s.err, errNotSent), errors.Is(s.err, errNotDeleted):
			untried[s.err]++
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
		if untried[err] > 0 {
			fmt.Fprintf(out.stderr, "%d %s\n", untried[err], err)
		}
	}
	words := "%s: %d created, %d updated, %d deleted, %d unchanged, %d failed\n"
	if c.DryRun {
		words = "%s, dry run: %d to create, %d to update, %d to delete, %d unchanged, %d failed\n"
	}
	fmt.Fprintf(out.stderr, words, name, count[actionCreate], count[actionUpdate], count[actionDelete], count[""], count["failed"])
	switch {
	case failed:
		return exitError{status: exitFailed}
	case c.DryRun && len(changes) > 0:
		return exitError{status: exitDifferent}
	}
	return nil
}
