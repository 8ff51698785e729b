package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"modelproviders/pkg/client"
)

// inUseError is the error of a step that would remove or disable models with references.
type inUseError struct {
	references []client.ReferenceInUse // some of them
	count      int64                   // of all
}

func (inUseError) Error() string {
	return "not changed, because models that would be removed or disabled are in use; --force does it anyway"
}

// print writes the references, one per line.
func (e inUseError) print(out io.Writer) {
	for _, r := range e.references {
		line := fmt.Sprintf("%s is used by %s (%s)", r.ModelID, r.Label, r.Ref)
		if r.URL != "" {
			line += " " + r.URL
		}
		fmt.Fprintf(out, "  %s\n", oneLine(line))
	}
	if hidden := e.count - int64(len(e.references)); hidden > 0 {
		fmt.Fprintf(out, "  and %d more\n", hidden)
	}
}

// asInUse turns the service's refusal to change what is in use into an inUseError.
func asInUse(err error) error {
	var problem *client.Problem
	if errors.Is(err, client.ProblemCodeInUse) && errors.As(err, &problem) {
		return inUseError{problem.References, problem.ReferenceCount}
	}
	return err
}

// checkUse finds out, for a dry run, which steps the service would refuse.
func (a *applier) checkUse(ctx context.Context) error {
	for _, s := range slices.Concat(a.steps, a.deletions) {
		var use inUseError
		for _, m := range s.lost {
			use.count += m.ReferenceCount
			if m.ReferenceCount == 0 {
				continue
			}
			page, err := a.service.ListReferencesPage(ctx, m.ID, client.ListReferencesParams{Limit: 100})
			if err != nil {
				return fmt.Errorf("read the references to %s of %s: %w", m.ModelID, s.name, err)
			}
			for _, r := range page.Data {
				use.references = append(use.references, client.ReferenceInUse{ID: m.ID, ModelID: m.ModelID, Ref: r.Ref, Label: r.Label, URL: r.URL})
			}
		}
		if use.count > 0 {
			s.err = use
		}
	}
	return nil
}
