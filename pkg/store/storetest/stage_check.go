package storetest

import (
	"context"
	"maps"
	"testing"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// withCheck returns checks with another one.
func withCheck(checks map[registry.Stage]registry.StageCheck, stage registry.Stage, status registry.StageStatus) map[registry.Stage]registry.StageCheck {
	checks = maps.Clone(checks)
	if checks == nil {
		checks = map[registry.Stage]registry.StageCheck{}
	}
	checks[stage] = registry.StageCheck{Status: status, At: start.Add(time.Duration(len(status)) * time.Second)}
	return checks
}

func testStageChecks(t *testing.T, s *store.Store) {
	p := newProvider("p", "a", "b")
	p.Connection = 4
	p.Models[0].Stages = registry.Stages()
	p.Models[0].StageChecks, p.Models[1].StageChecks = nil, nil
	create(t, s, p)
	m := &p.Models[0]
	set := func(connection int64, changes ...registry.Change) {
		t.Helper()
		noError(t, "set the checks", s.InTx(t.Context(), func(ctx context.Context) error {
			locked, err := s.LockProvider(ctx, workspace, p.ID)
			locked.Connection = connection
			if err == nil {
				err = s.SetStageChecks(ctx, locked, *m, changes...)
			}
			return err
		}))
	}
	verified := func(stage registry.Stage, want bool) {
		t.Helper()
		for _, is := range []bool{true, false} {
			q := registry.ModelQuery{Stage: stage, Verified: &is, ProviderID: p.ID, Search: "a"}
			list, err := s.Models(t.Context(), workspace, q)
			n, countErr := s.CountModels(t.Context(), workspace, q)
			if found := len(list) == 1; err != nil || countErr != nil || found != (is == want) || n != len(list) {
				t.Errorf("verified=%t of %s lists %d models and counts %d, %v, %v", is, stage, len(list), n, err, countErr)
			}
		}
	}

	verified(registry.ToolCall, false)
	m.StageChecks = withCheck(withCheck(nil, registry.ToolCall, registry.StagePassed), registry.Planning, registry.StageFailed)
	number(t, s)
	end, err := s.ChangeEnd(t.Context(), workspace)
	noError(t, "read the end", err)
	change := registry.Change{ID: newID(), Workspace: workspace, At: start, Resource: registry.ModelResource, ResourceID: m.ID, ProviderID: p.ID,
		Action: registry.Verified, Version: m.Version, ProviderVersion: p.Version}
	set(4, change)
	set(4)
	noError(t, "change the status", s.RecordCall(t.Context(), call(p, registry.Call{Failure: &registry.ProviderError{Kind: "timeout", Since: start}})))
	noError(t, "change the status", s.RecordCall(t.Context(), call(p, registry.Call{Success: true})))
	number(t, s)
	noted := changesAfter(t, s, end)
	change.Number = end.Number + 1
	if len(noted) != 3 || noted[0] != change || noted[1].Action != registry.StatusChanged || noted[2].Action != registry.StatusChanged {
		t.Errorf("noted %+v", noted)
	}
	wantStored(t, s, p)
	verified(registry.ToolCall, true)
	verified(registry.Planning, false)
	verified(registry.Guardrail, false)

	one, err := s.Model(t.Context(), workspace, m.ID)
	if err != nil || len(one.StageChecks) != 2 || one.StageChecks[registry.ToolCall] != m.StageChecks[registry.ToolCall] {
		t.Errorf("the model has %+v, %v", one.StageChecks, err)
	}

	m.StageChecks = withCheck(nil, registry.Guardrail, registry.StageError)
	m.Version++
	noError(t, "edit", s.InTx(t.Context(), func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, workspace, p.ID)
		if err == nil {
			err = s.UpdateProvider(ctx, before, p)
		}
		return err
	}))
	wantStored(t, s, p)
	verified(registry.ToolCall, false)

	m.StageChecks = withCheck(nil, registry.ToolCall, registry.StagePassed)
	set(3) // of an earlier connection
	m.StageChecks = nil
	wantStored(t, s, p)
	verified(registry.ToolCall, false)

	if err := s.SetStageChecks(t.Context(), p, *m); err == nil {
		t.Error("checks were stored without the lock of the provider")
	}
	if _, err := s.Models(t.Context(), workspace, registry.ModelQuery{Verified: pointer(true)}); err == nil {
		t.Error("models were listed as verified for no stage")
	}
}
