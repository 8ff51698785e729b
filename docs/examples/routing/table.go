package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"modelproviders/pkg/client"
)

// table has the models that are available, which means that they and their providers are
// enabled.
type table struct {
	client  *client.Client
	out     io.Writer
	models  map[string]client.Model // by id
	printed string
}

// follow reads the models, and then what changes, until something fails.
func (t *table) follow(ctx context.Context) error {
	// The cursor comes first: what changes while the models are read is told after it.
	start, err := t.client.ListChanges(ctx, client.ListChangesParams{})
	if err != nil {
		return err
	}
	if err := t.read(ctx, ""); err != nil {
		return err
	}
	t.print()
	for change, err := range t.client.StreamChanges(ctx, start.NextCursor) {
		if err == nil {
			err = t.apply(ctx, change)
		}
		if err != nil {
			return err
		}
		t.print()
	}
	return nil
}

// apply reads again what a change is about. A change says what to read, not what it was
// changed to: more may have changed since.
func (t *table) apply(ctx context.Context, change client.Change) error {
	if change.Resource == client.ChangeResourceProvider { // and its models with it
		return t.read(ctx, change.ProviderID)
	}
	model, err := t.client.GetModel(ctx, change.ID)
	switch {
	case err != nil && !errors.Is(err, client.ProblemCodeNotFound):
		return err
	case err == nil && model.Enabled && model.ProviderEnabled:
		t.models[model.ID] = model
	default:
		delete(t.models, change.ID)
	}
	return nil
}

// read replaces the models of a provider, or all.
func (t *table) read(ctx context.Context, providerID string) error {
	found := map[string]client.Model{}
	params := client.ListModelsParams{ProviderID: providerID, Available: new(true), Limit: 100}
	for model, err := range t.client.ListModels(ctx, params) {
		if err != nil {
			return err
		}
		found[model.ID] = model
	}
	maps.DeleteFunc(t.models, func(_ string, m client.Model) bool { return providerID == "" || m.ProviderID == providerID })
	maps.Copy(t.models, found)
	return nil
}

// print prints the models that passed the check of a stage, by stage, if that is another
// table than the last.
func (t *table) print() {
	var rows []string
	for _, model := range t.models {
		for _, stage := range model.SupportedStages {
			if model.StageChecks[string(stage)].Status == client.StageCheckStatusPassed {
				rows = append(rows, fmt.Sprintf("%s\t%s\t%s", stage, model.ProviderName, model.ModelID))
			}
		}
	}
	slices.Sort(rows)
	text := strings.Join(append([]string{"STAGE\tPROVIDER\tMODEL"}, rows...), "\n") + "\n\n"
	if text == t.printed {
		return
	}
	t.printed = text
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, text)
	_ = w.Flush()
}
