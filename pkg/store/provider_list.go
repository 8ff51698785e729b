package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// Providers implements [registry.Store]. It takes three queries, however many
// providers, credentials and models there are.
func (s *Store) Providers(ctx context.Context, workspace string, q registry.ProviderQuery) ([]registry.Provider, error) {
	if !storable(q.Search, q.Type, string(q.Status)) {
		return nil, nil
	}
	var providers []registry.Provider
	err := s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		list, err := page{order: q.Sort, after: q.After, limit: q.Limit, namesUnique: true}.of(s.filterProviders(db, q))
		if err != nil {
			return err
		}
		var rows []providerRow
		if err := list.Find(&rows).Error; err != nil {
			return err
		}
		providers, err = s.withParts(db, rows)
		return err
	})
	return providers, err
}

func (s *Store) filterProviders(db *gorm.DB, q registry.ProviderQuery) *gorm.DB {
	if q.Type != "" {
		db = db.Where("type = ?", q.Type)
	}
	if q.Status != "" {
		db = db.Where("status = ?", q.Status)
	}
	if q.Search != "" {
		db = db.Where(s.engine.contains+"(name_key, ?) > 0", q.Search)
	}
	return db
}

// withParts maps rows to providers with their credentials and models.
func (s *Store) withParts(db *gorm.DB, rows []providerRow) ([]registry.Provider, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	providers, ids, index := make([]registry.Provider, len(rows)), make([]string, len(rows)), make(map[string]int, len(rows))
	for i, row := range rows {
		p, err := row.provider()
		if err != nil {
			return nil, err
		}
		providers[i], ids[i], index[row.ID] = p, row.ID, i
	}
	for ids := range slices.Chunk(ids, partsOf) {
		credentials, models, err := s.findParts(db, ids)
		if err != nil {
			return nil, err
		}
		for _, row := range credentials {
			providers[index[row.ProviderID]].Credentials[row.Field] = row.credential()
		}
		for _, row := range models {
			p := &providers[index[row.ProviderID]]
			p.Models = append(p.Models, row.model())
		}
	}
	return providers, nil
}

// partsOf is how many providers' parts are read at once: any page's. A list
// without a limit may have more than a statement may have variables.
const partsOf = 1000

// findParts reads the credentials and the models of some providers, the models
// ordered by creation.
func (s *Store) findParts(db *gorm.DB, ids []string) (credentials []credentialRow, models []modelRow, err error) {
	ofProviders := s.engine.oneOf
	if len(ids) == 1 {
		ofProviders = func(db *gorm.DB, _ string, ids []string) *gorm.DB { return db.Where("provider_id = ?", ids[0]) }
	}
	if err := ofProviders(db, "provider_id", ids).Find(&credentials).Error; err != nil {
		return nil, nil, err
	}
	if err := ofProviders(db, "provider_id", ids).Find(&models).Error; err != nil {
		return nil, nil, err
	}
	// Sorted here: told to, SQLite would rather read all models along an index.
	slices.SortFunc(models, func(a, b modelRow) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), strings.Compare(a.ID, b.ID))
	})
	return credentials, models, nil
}
