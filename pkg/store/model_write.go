package store

import (
	"context"

	"gorm.io/gorm"

	"modelproviders/pkg/fault"
)

// writeModels turns the stored rows of one provider into the wanted ones. Rows
// that change are taken out before they are put back, so that models may swap
// their model ids under the unique index.
func (s *Store) writeModels(ctx context.Context, db *gorm.DB, stored, wanted []modelRow) error {
	gone, fresh := difference(stored, wanted, func(row modelRow) string { return row.ID },
		func(a, b modelRow) bool { return a == b })
	if len(gone) > 0 {
		if err := s.translate(ctx, db.Where("id IN ?", gone).Delete(&modelRow{}).Error); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	const batch = 500 // both databases bound the variables of a statement
	if err := s.translate(ctx, db.CreateInBatches(&fresh, batch).Error); err != nil {
		return asDuplicate(err, modelExists(wanted))
	}
	return nil
}

// modelExists names the model id that a provider would have twice.
func modelExists(rows []modelRow) *fault.Error {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		if seen[row.ModelID] {
			return fault.New(fault.ModelExists, "The provider has a model with the model id %q already. Edit that one, or choose another model id.", row.ModelID)
		}
		seen[row.ModelID] = true
	}
	return fault.New(fault.ModelExists, "The provider has a model with this model id already. Edit that one, or choose another model id.")
}

// difference compares stored rows with the wanted ones: gone are the keys of
// those to delete, because they are not wanted or differ, fresh the rows to
// insert, because they are new or differ.
func difference[R any](stored, wanted []R, key func(R) string, equal func(a, b R) bool) (gone []string, fresh []R) {
	kept := make(map[string]R, len(wanted))
	for _, row := range wanted {
		kept[key(row)] = row
	}
	same := make(map[string]bool, len(stored))
	for _, row := range stored {
		k := key(row)
		if want, ok := kept[k]; ok && equal(row, want) {
			same[k] = true
		} else {
			gone = append(gone, k)
		}
	}
	for _, row := range wanted {
		if !same[key(row)] {
			fresh = append(fresh, row)
		}
	}
	return gone, fresh
}
