package store

import (
	"context"
	"maps"
	"slices"

	"modelproviders/pkg/registry"
)

// Providers implements [registry.Store]. It reads the models after the providers, so
// that they are never older than the versions of their providers.
func (s *Store) Providers(ctx context.Context, workspace string, q registry.ProviderQuery) ([]registry.Provider, error) {
	c := s.providerConditions(workspace, q)
	page := page{table: "providers", alias: "p", order: q.Sort, after: q.After, limit: q.Limit, namesUnique: true}
	clauses, err := page.of(c)
	if err != nil {
		return nil, err
	}
	index := page.index()
	if q.Name != "" { // of one provider at most
		index = "providers_name"
	}
	var providers []registry.Provider
	var row providerRow
	query := "SELECT " + providerNames + " FROM providers p" + s.engine.indexedBy(index) + c.text.String() + clauses
	err = s.each(ctx, query, c.args, row.columns().fields(), func() error {
		p, err := row.provider()
		providers = append(providers, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if q.Summary {
		return providers, s.countModelsOf(ctx, workspace, providers)
	}
	return providers, s.addModels(ctx, workspace, providers)
}

// CountProviders implements [registry.Store].
func (s *Store) CountProviders(ctx context.Context, workspace string, q registry.ProviderQuery) (n int, err error) {
	c := s.providerConditions(workspace, q)
	_, err = s.one(ctx, "SELECT count(*) FROM providers p"+c.text.String(), c.args, &n)
	return n, err
}

// providerConditions are the conditions of a list of providers, without its page.
func (s *Store) providerConditions(workspace string, q registry.ProviderQuery) *conditions {
	c := where("p", workspace)
	if q.Name != "" {
		c.and("p.name_key = ?", q.Name)
	}
	if q.Type != "" {
		c.and("p.type = ?", q.Type)
	}
	andStatus(c, q.Status)
	if q.Search != "" {
		c.and(s.engine.contains+"(p.name_key, ?) > 0", q.Search)
	}
	return c
}

// andStatus adds the condition that the provider p has a status; see
// [registry.Provider.Status].
func andStatus(c *conditions, status registry.Status) {
	switch status {
	case "":
	case registry.Inactive:
		c.and("NOT p.enabled")
	case registry.Error:
		c.and("p.enabled AND p.error_kind IS NOT NULL")
	case registry.Active:
		c.and("p.enabled AND p.error_kind IS NULL")
	default:
		c.and("1 = 0") // there is no other status
	}
}

// addModels reads the models of providers, with one query.
func (s *Store) addModels(ctx context.Context, workspace string, providers []registry.Provider) error {
	index := byID(providers)
	if len(index) == 0 {
		return nil
	}
	c := where("m", workspace)
	c.and("m.provider_id " + s.engine.inIDs(&c.args, slices.Collect(maps.Keys(index))))
	var row modelRow
	query := "SELECT " + modelNames + " FROM models m" + s.engine.indexedBy("models_provider") + c.text.String()
	err := s.each(ctx, query, c.args, row.columns().fields(), func() error {
		p := index[row.ProviderID]
		p.Models = append(p.Models, row.model(p.Connection))
		return nil
	})
	for i := range providers {
		sortByCreation(providers[i].Models)
	}
	return err
}

// countModelsOf sets the counts of the models of providers, with one query.
func (s *Store) countModelsOf(ctx context.Context, workspace string, providers []registry.Provider) error {
	index := byID(providers)
	if len(index) == 0 {
		return nil
	}
	c := where("m", workspace)
	c.and("m.provider_id " + s.engine.inIDs(&c.args, slices.Collect(maps.Keys(index))))
	var id string
	var counts registry.ModelCounts
	query := "SELECT m.provider_id, count(*), count(*) FILTER (WHERE m.enabled), CAST(sum(m.reference_count) AS bigint) FROM models m" +
		s.engine.indexedBy("models_provider") + c.text.String() + " GROUP BY m.provider_id"
	for _, p := range index {
		p.Counts = &registry.ModelCounts{}
	}
	return s.each(ctx, query, c.args, []any{&id, &counts.All, &counts.Enabled, &counts.References}, func() error {
		*index[id].Counts = counts
		return nil
	})
}

// byID returns pointers to providers by their id.
func byID(providers []registry.Provider) map[string]*registry.Provider {
	index := make(map[string]*registry.Provider, len(providers))
	for i := range providers {
		index[providers[i].ID] = &providers[i]
	}
	return index
}
