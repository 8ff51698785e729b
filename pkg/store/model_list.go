package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"modelproviders/pkg/registry"
)

// Models implements [registry.Store].
func (s *Store) Models(ctx context.Context, workspace string, q registry.ModelQuery) ([]registry.Model, error) {
	page := page{table: "models", alias: "m", order: q.Sort, after: q.After, limit: q.Limit}
	index, rare := page.index(), s.engine.rareProviders
	if q.ProviderID != "" { // it has at most 500 models: sorting them is faster than reading them in order
		index, rare = "models_provider", ""
	}
	c, err := s.modelConditions(workspace, q, rare)
	if err != nil {
		return nil, err
	}
	clauses, err := page.of(c)
	if err != nil {
		return nil, err
	}
	var row modelRow
	var provider providerRow
	query := "SELECT " + modelNames + ", " + shownNames + " FROM models m" + s.engine.indexedBy(index) + s.engine.nested + joinProvider +
		c.text.String() + clauses
	return list(ctx, s, query, c.args, slices.Concat(row.columns(), provider.shown()).fields(),
		func() registry.Model { return row.modelWithProvider(provider) })
}

// CountModels implements [registry.Store]. SQLite goes from one provider to the next,
// because looking up the provider of each model would take longest.
func (s *Store) CountModels(ctx context.Context, workspace string, q registry.ModelQuery) (n int, err error) {
	c, err := s.modelConditions(workspace, q, "")
	if err != nil {
		return 0, err
	}
	tables := "models m"
	if q.ProviderType != "" || q.ProviderStatus != "" || q.Available != nil || q.Verified != nil {
		tables = "providers p" + s.engine.indexedBy("providers_created") + s.engine.nested + " JOIN models m" + s.engine.indexedBy("models_provider") +
			" ON m.workspace = p.workspace AND m.provider_id = p.id"
	}
	_, err = s.one(ctx, "SELECT count(*) FROM "+tables+c.text.String(), c.args, &n)
	return n, err
}

// modelConditions are the conditions of a list of models, without its page. rare goes
// before the conditions on their providers; see [dialect].
func (s *Store) modelConditions(workspace string, q registry.ModelQuery, rare string) (*conditions, error) {
	c := where("m", workspace)
	andProvider(c, q, rare)
	if q.Stage != "" {
		if q.Stage.Label() == "" {
			return nil, fmt.Errorf("unknown stage %q", q.Stage)
		}
		// With a parameter, PostgreSQL would plan the query again for each call.
		c.and(fmt.Sprintf(s.engine.hasStage, q.Stage))
	}
	if q.Verified != nil {
		if q.Stage == "" {
			return nil, errors.New("models are verified for a stage, and there is none")
		}
		passed := "m.checks_connection = p.connection AND " + fmt.Sprintf(s.engine.hasPassed, q.Stage)
		if *q.Verified {
			c.and(passed)
		} else {
			c.and("(" + passed + ") IS NOT TRUE")
		}
	}
	if q.Enabled != nil {
		c.and("m.enabled = ?", *q.Enabled)
	}
	if q.Available != nil {
		if *q.Available {
			c.and("m.enabled") // and the provider: see andProvider
		} else {
			c.and("NOT (m.enabled AND p.enabled)")
		}
	}
	if q.Search != "" {
		contains := s.engine.contains
		c.and("("+contains+"(m.name_key, ?) > 0 OR "+contains+"(m.model_key, ?) > 0)", q.Search, q.Search)
	}
	if q.ProviderID != "" {
		c.and("m.provider_id = ?", q.ProviderID)
	}
	return c, nil
}

// andProvider adds the conditions on the provider of a model.
func andProvider(c *conditions, q registry.ModelQuery, rare string) {
	of := &conditions{args: c.args}
	if q.ProviderType != "" {
		of.and("p.type = ?", q.ProviderType)
	}
	if q.Available != nil && *q.Available {
		of.and("p.enabled")
	}
	andStatus(of, q.ProviderStatus)
	if of.text.Len() == 0 {
		return
	}
	c.args = of.args
	c.text.WriteString(strings.ReplaceAll(rare, "<conditions>", of.text.String()))
	c.text.WriteString(of.text.String())
}
