package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// record stores the results and the event of the checks. err is what ended them early.
func (v *verifier) record(ctx context.Context, done Verification, err error) error {
	if fault.As(err) != nil {
		return err
	}
	event := v.model.event(v.provider.Workspace, audit.ModelVerify)
	checks := map[Stage]StageCheck{}
	var reasons []string
	for _, result := range done.Results {
		if !result.Refused {
			checks[result.Stage] = StageCheck{Status: result.Status, At: done.VerifiedAt}
		}
		if result.Status != StagePassed {
			reasons = append(reasons, fmt.Sprintf("%s: %s", result.Stage, result.Status))
		}
	}
	if len(reasons) > 0 {
		event.Outcome, event.Reason = audit.Failure, strings.Join(reasons, ", ")
	}
	if err != nil {
		event = abandoned(ctx, event)
	}
	c := Call{Success: v.success, Checks: checks, ModelID: v.model.ID, UpstreamModelID: v.model.ModelID}
	return errors.Join(err, v.recordCall(ctx, v.provider, c, event, v.failure))
}

// storeChecks stores the checks of a call for its model in the locked provider p, if it
// has the same model id as in the call. It leaves out stages that the model no longer
// serves.
func (r *Registry) storeChecks(ctx context.Context, p Provider, c Call) error {
	i := slices.IndexFunc(p.Models, func(m Model) bool { return m.ID == c.ModelID && m.ModelID == c.UpstreamModelID })
	if i < 0 || len(c.Checks) == 0 {
		return nil
	}
	m := p.Models[i]
	checks, changed := map[Stage]StageCheck{}, false
	maps.Copy(checks, m.StageChecks)
	for stage, check := range checksOf(c.Checks, m.Stages) {
		changed = changed || checks[stage].Status != check.Status
		checks[stage] = check
	}
	m.StageChecks = checks
	var changes []Change
	if changed {
		changes = append(changes, m.change(p, Verified, c.Event.At))
	}
	return r.store.SetStageChecks(ctx, p, m, changes...)
}

// checksOf returns the checks of these stages.
func checksOf(checks map[Stage]StageCheck, stages []Stage) map[Stage]StageCheck {
	kept := maps.Clone(checks)
	maps.DeleteFunc(kept, func(stage Stage, _ StageCheck) bool { return !slices.Contains(stages, stage) })
	return kept
}
