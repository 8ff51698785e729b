package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"modelproviders/pkg/registry"
)

// Models implements [registry.Store]. It takes one query.
func (s *Store) Models(ctx context.Context, workspace string, q registry.ModelQuery) ([]registry.Model, error) {
	if !storable(q.Search, q.ProviderType) {
		return nil, nil
	}
	page := page{alias: "m", order: q.Sort, after: q.After, limit: q.Limit}
	c := where("m", workspace)
	s.andProvider(c, q)
	if q.Stage != "" {
		if q.Stage.Label() == "" {
			return nil, fmt.Errorf("unknown stage %q", q.Stage)
		}
		// Written out: PostgreSQL would plan each call anew for a parameter.
		c.and(fmt.Sprintf(s.engine.hasStage, q.Stage))
	}
	if q.Enabled != nil {
		c.and("m.enabled = ?", *q.Enabled)
	}
	if q.Available != nil {
		c.and(map[bool]string{true: "m.enabled", false: "NOT (m.enabled AND p.enabled)"}[*q.Available])
	}
	if q.Search != "" {
		contains := s.engine.contains
		c.and("("+contains+"(m.name_key, ?) > 0 OR "+contains+"(m.model_key, ?) > 0)", q.Search, q.Search)
	}
	index, clauses := page.index("models"), ""
	if q.ProviderID != "" { // at most 500: read by their provider, whatever their order
		index = "models_provider"
		c.and("m.provider_id = ?", q.ProviderID)
	} else {
		var err error
		if clauses, err = page.of(c); err != nil {
			return nil, err
		}
	}
	var models []registry.Model
	var row modelRow
	var facts factRow
	fields := append(row.fields(), facts.fields()...)
	list := "SELECT " + modelColumns + ", " + factColumns + " FROM models m" + s.engine.indexedBy(index) + s.engine.nested + joinProvider +
		c.text.String() + clauses
	err := s.rows(ctx, list, c.args, func(rows *sql.Rows) error {
		row, facts = modelRow{}, factRow{}
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		models = append(models, row.modelWithFacts(facts))
		return nil
	})
	if q.ProviderID != "" {
		models = page.ofModels(models)
	}
	return models, err
}

// andProvider adds the conditions on the provider of a model.
func (s *Store) andProvider(c *conditions, q registry.ModelQuery) {
	of := &conditions{args: c.args}
	if q.ProviderType != "" {
		of.and("p.type = ?", q.ProviderType)
	}
	if q.Available != nil && *q.Available {
		of.and("p.enabled")
	}
	s.andStatus(of, "p", q.ProviderStatus)
	if of.text.Len() == 0 {
		return
	}
	c.args = of.args
	if hint := s.engine.rareProviders; hint != "" && q.ProviderID == "" {
		c.text.WriteString(strings.ReplaceAll(hint, "<conditions>", of.text.String()))
	}
	c.text.WriteString(of.text.String())
}

// ofModels selects a page from all models of a list.
func (p page) ofModels(models []registry.Model) []registry.Model {
	sign := 1
	if strings.HasPrefix(string(p.order), "-") {
		sign = -1
	}
	compare := func(a, b registry.Position) int {
		if p.byCreation() {
			return sign * cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
		}
		return sign * cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	}
	position := func(m registry.Model) registry.Position {
		return registry.Position{Name: m.NameKey, CreatedAt: m.CreatedAt, ID: m.ID}
	}
	if p.after != nil {
		models = slices.DeleteFunc(models, func(m registry.Model) bool { return compare(position(m), *p.after) <= 0 })
	}
	slices.SortFunc(models, func(a, b registry.Model) int { return compare(position(a), position(b)) })
	if p.limit > 0 && len(models) > p.limit {
		models = models[:p.limit]
	}
	return models
}
