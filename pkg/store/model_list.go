package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// Models implements [registry.Store]. It takes one query.
func (s *Store) Models(ctx context.Context, workspace string, q registry.ModelQuery) ([]registry.Model, error) {
	if !storable(q.Search, q.ProviderID, q.ProviderType, string(q.ProviderStatus)) {
		return nil, nil
	}
	var rows []modelRow
	err := s.read(ctx, workspace, func(db *gorm.DB) error {
		list, err := s.filterModels(db, q)
		if err != nil {
			return err
		}
		list, err = page{
			order: q.Sort, after: q.After, limit: q.Limit, sorted: s.engine.steered && q.ProviderID != "",
		}.of(list)
		if err != nil {
			return err
		}
		return list.Find(&rows).Error
	})
	if err != nil {
		return nil, err
	}
	models := make([]registry.Model, len(rows))
	for i, row := range rows {
		models[i] = row.modelWithFacts()
	}
	return models, nil
}

// filterModels adds the conditions of a query, the one that tells most first.
func (s *Store) filterModels(db *gorm.DB, q registry.ModelQuery) (*gorm.DB, error) {
	c := conditions{db: db, steered: s.engine.steered}
	if q.ProviderID != "" {
		c.add("provider_id", q.ProviderID)
	}
	if q.Stage != "" {
		if (&modelRow{}).stage(q.Stage) == nil {
			return nil, fmt.Errorf("no column for the stage %q", q.Stage)
		}
		c.addPair("stage_"+string(q.Stage), "available", q.Available)
	} else if q.Available != nil {
		c.add("available", *q.Available)
	}
	if q.ProviderStatus != "" {
		c.add("provider_status", q.ProviderStatus)
	}
	if q.ProviderType != "" {
		c.add("provider_type", q.ProviderType)
	}
	if q.Enabled != nil {
		c.add("enabled", *q.Enabled)
	}
	if q.Search != "" {
		contains := s.engine.contains
		c.db = c.db.Where(contains+"(name_key, ?) > 0 OR "+contains+"(model_key, ?) > 0", q.Search, q.Search)
	}
	return c.db, nil
}

// conditions gathers the conditions of a list. PostgreSQL knows from statistics
// which of them to look up in an index. SQLite does not, and could take one
// that most rows meet: there the first is looked up, and the unary plus keeps
// the others from it (https://www.sqlite.org/optoverview.html#uplus).
type conditions struct {
	db      *gorm.DB
	steered bool
	chosen  bool
}

// add adds `column = value`.
func (c *conditions) add(column string, value any) {
	c.db = c.db.Where(c.operand(column)+" = ?", value)
	c.chosen = true
}

// addPair adds `flag`, and `column = value` where there is a value. They share
// an index.
func (c *conditions) addPair(flag, column string, value *bool) {
	c.db = c.db.Where(c.operand(flag))
	if value != nil {
		c.db = c.db.Where(c.operand(column)+" = ?", *value)
	}
	c.chosen = true
}

func (c *conditions) operand(column string) string {
	if c.steered && c.chosen {
		return "+" + column
	}
	return column
}
