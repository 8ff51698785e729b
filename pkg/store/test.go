package store

import (
	"context"
	"slices"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// The statements that record a call. They do not depend on data that was read before
// the call, because it may have changed since.
const (
	// lockConnection locks the provider if it still has the connection.
	lockConnection = `SELECT changes, version, enabled, error_kind FROM providers WHERE workspace = $1 AND id = $2 AND connection = $3`
	clearHealth    = `UPDATE providers SET error_kind = NULL, changes = changes + CASE WHEN enabled AND error_kind IS NOT NULL THEN 1 ELSE 0 END
		WHERE workspace = $1 AND id = $2 AND `
	setHealth = `UPDATE providers SET error_since = CASE WHEN error_kind = $3 THEN error_since ELSE $6 END,
		error_kind = $3, error_message = $4, error_model_id = $5,
		changes = changes + CASE WHEN enabled AND error_kind IS NULL THEN 1 ELSE 0 END
		WHERE workspace = $1 AND id = $2 AND `
	setLastTest = `UPDATE models SET tested_at = $4, test_kind = $5, test_latency_ns = $6, test_connection = $7
		WHERE workspace = $1 AND id = $2 AND model_id = $3 AND (test_connection IS NULL OR test_connection <= $7)`
	// setLastTestSecond follows a lock of the provider in one statement. It waits for that
	// lock, because edits take it first.
	setLastTestSecond = setLastTest + " AND (SELECT count(*) FROM s1) >= 0"

	// isHealthy finds the provider if it has the connection, and no error to clear.
	isHealthy = `SELECT 1 FROM providers WHERE workspace = $1 AND id = $2 AND connection = $3 AND error_kind IS NULL`

	// The conditions on the provider of a note: the call changes its status.
	becomesFailing = " AND p.enabled AND p.error_kind IS NULL"
	becomesActive  = " AND p.enabled AND p.error_kind IS NOT NULL"
)

// RecordCall implements [registry.Store].
func (s *Store) RecordCall(ctx context.Context, c registry.Call) error {
	if s.engine.combines && c.Success && c.Test != nil {
		if recorded, err := s.recordUsual(ctx, c); recorded || err != nil {
			return err
		}
	}
	var result []statement
	if c.Event.ID != "" {
		result = append(result, addedEvent(c.Event))
	}
	if c.Test != nil {
		result = append(result, s.lastTest(c))
	}
	if !setsHealth(c) {
		if c.Check != nil {
			result = append(result, recordedCheck(recordCheck, c))
		}
		_, err := s.together(ctx, result...)
		return err
	}
	lock, write, note := s.health(c)
	var noted int64
	var err error
	if s.engine.combines {
		noted, err = s.together(ctx, slices.Concat([]statement{lock, write}, result, []statement{note})...)
	} else {
		err = s.InTx(ctx, func(ctx context.Context) error {
			var enabled bool
			var kind *string
			found, err := s.one(ctx, lock.sql, lock.args, new(any), new(any), &enabled, &kind)
			if err == nil && found && enabled && (kind == nil) == (c.Failure != nil) {
				noted, err = s.exec(ctx, note.sql, note.args...)
			}
			if err != nil {
				return err
			}
			if found {
				result = append(result, write)
			}
			_, err = s.together(ctx, result...)
			return err
		})
	}
	if err == nil && noted > 0 {
		s.wakeNumberer(ctx, c.Workspace)
	}
	return err
}

// recordUsual records the success of a test if the provider has no error to clear, and
// reports whether it did. The statement does nothing else, because most calls are such.
func (s *Store) recordUsual(ctx context.Context, c registry.Call) (recorded bool, err error) {
	test, event := s.lastTest(c), addedEvent(c.Event)
	test.sql = setLastTest + " AND " + s.engine.ifFirst
	event.sql += " WHERE " + s.engine.ifFirst
	added, err := s.firstThen(ctx, statement{isHealthy, []any{c.Workspace, c.ProviderID, c.Connection}}, test, event)
	return added > 0, err
}

// health returns the statements that set or clear the error of the provider, and note the
// change of its status.
func (s *Store) health(c registry.Call) (lock, write, note statement) {
	args := []any{c.Workspace, c.ProviderID}
	health, becomes, onlyFailing := clearHealth, becomesActive, " AND error_kind IS NOT NULL"
	if f := c.Failure; f != nil {
		health, becomes, onlyFailing = setHealth, becomesFailing, ""
		args = append(args, f.Kind, fault.Storable(f.Message), f.ModelID, moment(f.Since))
	}
	if c.Check != nil { // it is stored even if there is no error to clear
		health, onlyFailing = withCheck(health, len(args)+1), ""
		args = append(args, lastCheckArgs(c)...)
	}
	lock = statement{lockConnection + onlyFailing + s.engine.forUpdate, []any{c.Workspace, c.ProviderID, c.Connection}}
	write = statement{health + s.engine.ifFirst, args}
	return lock, write, s.noted(s.engine.lockedProvider+becomes, c.StatusChange())
}

func setsHealth(c registry.Call) bool { return c.Success || c.Failure != nil }

func (s *Store) lastTest(c registry.Call) statement {
	kind := &c.Test.Kind
	if c.Test.Success {
		kind = nil
	}
	text := setLastTest
	if s.engine.combines && setsHealth(c) {
		text = setLastTestSecond
	}
	return statement{text, []any{c.Workspace, c.ModelID, c.UpstreamModelID, moment(c.Test.At), kind, int64(c.Test.Latency), c.Connection}}
}
