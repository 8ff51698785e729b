package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// StageStatus is the outcome of the check of a stage.
type StageStatus string

// The outcomes of the API contract.
const (
	StagePassed StageStatus = "passed"
	StageFailed StageStatus = "failed" // the model does not do what the stage asks of it
	StageError  StageStatus = "error"  // a call failed
)

// StageCheck is the last check of a stage of a model.
type StageCheck struct {
	Status StageStatus `json:"status"`
	At     time.Time   `json:"at"`
}

// StageResult is the outcome of the check of a stage.
type StageResult struct {
	Stage    Stage
	Status   StageStatus
	Latency  time.Duration     // of all calls
	Usage    *provider.Usage   // of all calls; nil if the upstream does not report it
	Detail   string            // why it has the status; empty if a call failed
	Response string            // what the model answered, if it failed the check
	Failure  *provider.Failure // of the call, if one failed
	// Refused says that the check was not made or not finished, because a limit of this
	// service refused a call. The result is not stored.
	Refused bool
}

// Verification is the outcome of the checks of a model.
type Verification struct {
	Model      Model
	Results    []StageResult // in the order of [Stages]
	VerifiedAt time.Time
}

// stagesAtOnce limits the checks of one request that run at the same time.
const stagesAtOnce = 2

// VerifyModel checks whether a model does what its stages ask of it: all that it serves
// or, unless it is nil, those in stages. It stores the results, and sets or clears the
// provider's error like [Registry.TestModel]. Nothing is stored if the connection or the
// model id changed during the calls. Each result is passed to onCheck, from several
// goroutines. A stage has a [StageResult.Refused] result if a call is rate limited, or
// would begin later than a test may last. It returns not_found, validation_failed, and
// rate_limited if all calls are.
func (r *Registry) VerifyModel(ctx context.Context, workspace, id string, stages *[]string, problems fault.Problems, onCheck func(StageResult)) (Verification, error) {
	m, p, err := r.store.ModelAndProvider(ctx, workspace, id)
	if err != nil {
		return Verification{}, err
	}
	wanted := stagesToCheck(m, stages, &problems.Invalid)
	if err := problems.Err("Model not verified"); err != nil {
		return Verification{}, err
	}
	client, end, err := r.clientOf(ctx, p)
	if err != nil {
		return Verification{}, err
	}
	defer end()
	v := &verifier{Registry: r, provider: p, model: m, client: client, latest: time.Now().Add(r.cfg.TestTimeout)}
	results, err := v.run(ctx, wanted, onCheck)
	done := Verification{Model: m, Results: results, VerifiedAt: r.clock()}
	return done, v.record(ctx, done, err)
}

// stagesToCheck returns the stages of these names, or all of the model if names is nil.
func stagesToCheck(m Model, names *[]string, faults *fault.Fields) []Stage {
	if names == nil {
		return m.Stages
	}
	for i, name := range *names {
		if !slices.Contains(m.Stages, Stage(name)) && Stage(name).Label() != "" { // the API refuses others
			faults.Add(fmt.Sprintf("stages[%d]", i), fault.Invalid, "is not a stage that this model serves; add it to supported_stages first")
		}
	}
	return stagesOf(*names)
}

// verifier checks one model.
type verifier struct {
	*Registry
	provider Provider
	model    Model
	client   provider.Client
	latest   time.Time // no call begins later

	mu     sync.Mutex
	called bool
	limit  error // the last refusal of the limit on tests
	// The last call that says something about the provider.
	success bool
	failure *provider.Failure
}

// run checks stages, a few at a time. The results of the checks that ended are valid
// even with an error.
func (v *verifier) run(ctx context.Context, stages []Stage, onCheck func(StageResult)) ([]StageResult, error) {
	results := make([]StageResult, len(stages))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(stagesAtOnce)
	for i, stage := range stages {
		group.Go(func() (err error) {
			if results[i], err = v.check(ctx, stage); err == nil && !results[i].Refused {
				onCheck(results[i])
			}
			return err
		})
	}
	err := group.Wait()
	if err == nil && !v.called && v.limit != nil {
		return nil, v.limit
	}
	results = slices.DeleteFunc(results, func(r StageResult) bool { return r.Status == "" })
	for _, result := range results {
		if result.Refused {
			onCheck(result)
		}
	}
	return results, err
}

// check calls the model with the prompts of a stage and judges the answers.
func (v *verifier) check(ctx context.Context, stage Stage) (StageResult, error) {
	check, out := stageChecks()[stage], StageResult{Stage: stage}
	var answers []provider.Result
	for failed := false; !failed && len(answers) < len(check.prompts); {
		answer, err := v.answer(ctx, check.prompts[len(answers)], &out)
		if err != nil {
			return StageResult{}, err
		}
		if out.Refused {
			return StageResult{Stage: stage, Status: StageError, Failure: answer.Failure, Refused: true}, nil
		}
		answers, failed = append(answers, answer), answer.Failure != nil
	}
	out.judge(check, answers)
	return out, nil
}

// answer returns the model's answer to a prompt. If it is cut off, the model gets the
// prompt again with a higher output limit, because reasoning can need more than the
// answer. If that limit is not allowed, the first answer counts.
func (v *verifier) answer(ctx context.Context, prompt provider.Prompt, out *StageResult) (provider.Result, error) {
	prompt.MaxOutputTokens = checkTokens
	first, err := v.call(ctx, prompt, out)
	if err != nil || !isCutOff(first) {
		return first, err
	}
	prompt.MaxOutputTokens = reasoningTokens
	second, err := v.call(ctx, prompt, out)
	if f := second.Failure; f != nil && f.Kind == provider.InvalidRequest {
		return first, err
	}
	return second, err
}

func isCutOff(answer provider.Result) bool {
	return slices.ContainsFunc(answer.Warnings, func(w provider.Warning) bool { return w.Code == provider.TokenLimit })
}

// call makes one call to the model. It counts as a test; see [Registry.callUpstream]. If the
// call may not be made, the result is a failure, and the check is refused.
func (v *verifier) call(ctx context.Context, prompt provider.Prompt, out *StageResult) (result provider.Result, err error) {
	if err := ctx.Err(); err != nil {
		return result, err
	}
	if time.Now().After(v.latest) {
		out.Refused = true
		result.Failure = &provider.Failure{Kind: provider.Timeout, Message: "The calls before this one took too long.", Hint: "Verify this stage alone."}
		return result, nil
	}
	prompt.ModelID = v.model.ModelID
	err = v.callUpstream(ctx, v.provider.Workspace, v.client, OperationVerify, func(ctx context.Context) *provider.Failure {
		result = v.client.Generate(ctx, prompt, nil)
		return result.Failure
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case fault.Is(err, fault.RateLimited):
		v.limit, out.Refused = err, true
		result.Failure = &provider.Failure{Kind: provider.RateLimited, Message: fault.As(err).Message, Hint: "This is a limit of this service. Verify this stage again later."}
		return result, nil
	case err != nil:
		return result, err
	case result.Failure == nil:
		v.success, v.failure = true, nil
	case result.Failure.OfProvider():
		v.success, v.failure = false, result.Failure
	}
	v.called = true
	out.Latency += result.Latency
	out.addUsage(result.Usage)
	return result, nil
}

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

// checksOf returns the checks of these stages.
func checksOf(checks map[Stage]StageCheck, stages []Stage) map[Stage]StageCheck {
	kept := maps.Clone(checks)
	maps.DeleteFunc(kept, func(stage Stage, _ StageCheck) bool { return !slices.Contains(stages, stage) })
	return kept
}

func (out *StageResult) addUsage(u *provider.Usage) {
	switch {
	case u == nil:
	case out.Usage == nil:
		sum := *u
		out.Usage = &sum
	default:
		out.Usage.InputTokens += u.InputTokens
		out.Usage.OutputTokens += u.OutputTokens
	}
}

// judge sets the outcome of calls, of which the last may have failed.
func (out *StageResult) judge(check stageCheck, answers []provider.Result) {
	if f := answers[len(answers)-1].Failure; f != nil {
		out.Status, out.Failure = StageError, f
		if f.Unsupported {
			out.Status, out.Failure, out.Detail = StageFailed, nil, f.Message
		}
		return
	}
	v := check.judge(answers)
	out.Status, out.Detail = StagePassed, v.detail
	if v.passed {
		return
	}
	out.Status = StageFailed
	var said []string
	for _, answer := range answers {
		said = append(said, answer.Response)
		for _, call := range answer.ToolCalls {
			said = append(said, call.Name+" "+string(call.Arguments))
		}
		if isCutOff(answer) {
			out.Detail += " The answer was cut off at the output limit, which includes reasoning."
		}
		for _, warning := range answer.Warnings {
			if warning.Code == provider.ReasoningOnly {
				out.Detail += " " + warning.Message
			}
		}
	}
	out.Response = shortened(strings.TrimSpace(strings.Join(said, "\n")), maxReportedAnswer)
}
