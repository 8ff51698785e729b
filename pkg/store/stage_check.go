package store

import (
	"context"
	"encoding/json"
	"fmt"

	"modelproviders/pkg/registry"
)

// stageChecks are the checks of a model: a JSON object in a text, or null if there are
// none.
type stageChecks map[registry.Stage]registry.StageCheck

// Scan implements [sql.Scanner].
func (c *stageChecks) Scan(value any) error {
	*c = nil
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(value), c)
	}
	return fmt.Errorf("%T is no text of stage checks", value)
}

// MarshalJSON implements [json.Marshaler].
func (c stageChecks) MarshalJSON() ([]byte, error) { return json.Marshal(c.text()) }

func (c stageChecks) text() *string {
	if len(c) == 0 {
		return nil
	}
	text := encoded(map[registry.Stage]registry.StageCheck(c))
	return &text
}

const (
	setStageChecks = `UPDATE models SET stage_checks = $4, checks_connection = $5 WHERE workspace = $1 AND provider_id = $2 AND id = $3`
	countChanges   = `UPDATE providers SET changes = changes + $3 WHERE workspace = $1 AND id = $2`
)

// SetStageChecks implements [registry.Store]. The transaction must have locked the
// provider, because edits write the checks too.
func (s *Store) SetStageChecks(ctx context.Context, p registry.Provider, m registry.Model, changes ...registry.Change) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{p.Workspace, p.ID}] {
		return fmt.Errorf("SetStageChecks of a model of provider %s, which the transaction has not locked", p.ID)
	}
	steps := []statement{{setStageChecks, []any{p.Workspace, p.ID, m.ID, stageChecks(m.StageChecks).text(), p.Connection}}}
	if len(changes) > 0 {
		steps = append(steps, s.noted(storedProvider, changes...), statement{countChanges, []any{p.Workspace, p.ID, len(changes)}})
	}
	_, err := s.together(ctx, steps...)
	if err == nil && len(changes) > 0 {
		s.wakeNumberer(ctx, p.Workspace)
	}
	return err
}
