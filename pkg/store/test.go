package store

import (
	"context"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// The statements that record a call. They do not depend on data that was read before
// the call, because it may have changed since.
const (
	// RETURNING lets a later part of the same statement wait for this one.
	clearHealth = `UPDATE providers SET error_kind = NULL
		WHERE workspace = $1 AND id = $2 AND connection = $3 AND error_kind IS NOT NULL RETURNING 1`
	setHealth = `UPDATE providers SET error_since = CASE WHEN error_kind = $4 THEN error_since ELSE $7 END,
		error_kind = $4, error_message = $5, error_model_id = $6
		WHERE workspace = $1 AND id = $2 AND connection = $3 RETURNING 1`
	setLastTest = `UPDATE models SET tested_at = $4, test_kind = $5, test_latency_ns = $6, test_connection = $7
		WHERE workspace = $1 AND id = $2 AND model_id = $3 AND (test_connection IS NULL OR test_connection <= $7)`
	// setLastTestSecond follows clearHealth or setHealth in one statement. It waits for
	// the lock of the provider, because edits take that lock first.
	setLastTestSecond = setLastTest + " AND (SELECT count(*) FROM s1) >= 0"
)

// RecordCall implements [registry.Store].
func (s *Store) RecordCall(ctx context.Context, c registry.Call) error {
	var statements []statement
	switch {
	case c.Failure != nil:
		statements = append(statements, statement{setHealth, []any{c.Workspace, c.ProviderID, c.Connection,
			c.Failure.Kind, fault.Storable(c.Failure.Message), c.Failure.ModelID, moment(c.Failure.Since)}})
	case c.Success:
		statements = append(statements, statement{clearHealth, []any{c.Workspace, c.ProviderID, c.Connection}})
	}
	if t := c.Test; t != nil {
		kind := &t.Kind
		if t.Success {
			kind = nil
		}
		text := setLastTest
		if s.engine.combines && len(statements) > 0 {
			text = setLastTestSecond
		}
		statements = append(statements, statement{text, []any{c.Workspace, c.ModelID, c.UpstreamModelID,
			moment(t.At), kind, int64(t.Latency), c.Connection}})
	}
	_, err := s.together(ctx, append(statements, addedEvent(c.Event))...)
	return err
}
