package registry_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

// withAllStages makes a provider whose model serves all stages and passes their checks.
func (k *kit) withAllStages(t *testing.T) registry.Provider {
	t.Helper()
	k.upstream.PassChecks()
	p := k.create(t, "one")
	return k.editModel(t, p, registry.ModelInput{Stages: pointer(stageNames(registry.Stages()...))})
}

func stageNames(stages ...registry.Stage) (names []string) {
	for _, stage := range stages {
		names = append(names, string(stage))
	}
	return names
}

// editModel edits the first model of a provider, and returns the provider.
func (k *kit) editModel(t *testing.T, p registry.Provider, in registry.ModelInput) registry.Provider {
	t.Helper()
	if _, err := k.UpdateModel(t.Context(), workspace, p.ID, p.Models[0].ID, registry.ModelEdit{ModelInput: in}); err != nil {
		t.Fatal("edit the model:", err)
	}
	return k.read(t, p.ID)
}

// verify checks stages of the first model of a provider, or all.
func (k *kit) verify(t *testing.T, p registry.Provider, stages ...registry.Stage) registry.Verification {
	t.Helper()
	var names *[]string
	if len(stages) > 0 {
		names = pointer(stageNames(stages...))
	}
	done, err := k.VerifyModel(t.Context(), workspace, p.Models[0].ID, names, fault.Problems{}, func(registry.StageResult) {})
	if err != nil {
		t.Fatal("verify the model:", err)
	}
	return done
}

// statuses are the statuses of stages by name.
func statuses[C any](checks map[registry.Stage]C, status func(C) registry.StageStatus) string {
	var all []string
	for _, stage := range registry.Stages() {
		if check, ok := checks[stage]; ok {
			all = append(all, string(stage)+" "+string(status(check)))
		}
	}
	return strings.Join(all, ", ")
}

// wantChecks checks which stage checks the first model of a provider has.
func (k *kit) wantChecks(t *testing.T, what string, p registry.Provider, want string) {
	t.Helper()
	m := k.read(t, p.ID).Models[0]
	if got := statuses(m.StageChecks, func(c registry.StageCheck) registry.StageStatus { return c.Status }); got != want {
		t.Errorf("%s: the checks are %q, want %q", what, got, want)
	}
}

func wantResults(t *testing.T, done registry.Verification, want string) {
	t.Helper()
	results := map[registry.Stage]registry.StageResult{}
	for _, result := range done.Results {
		results[result.Stage] = result
	}
	if got := statuses(results, func(r registry.StageResult) registry.StageStatus { return r.Status }); got != want {
		t.Errorf("the results are %q, want %q: %+v", got, want, done.Results)
	}
}

const allPassed = "planning passed, tool_call passed, summarization passed, guardrail passed"

func TestAModelIsVerified(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	before := k.read(t, p.ID)
	done := k.verify(t, p)
	wantResults(t, done, allPassed)
	k.wantChecks(t, "after the checks", p, allPassed)
	if n := len(k.upstream.Requests()); n != 5 {
		t.Errorf("the checks made %d calls, want 5", n)
	}
	for i, result := range done.Results {
		if result.Stage != registry.Stages()[i] || result.Detail == "" || result.Response != "" || result.Latency <= 0 || result.Usage.OutputTokens == 0 {
			t.Errorf("result %d is %+v", i, result)
		}
	}
	if one, two := done.Results[0].Usage, done.Results[3].Usage; two.InputTokens != 2*one.InputTokens || two.OutputTokens != 2*one.OutputTokens {
		t.Errorf("the usage of two calls is %+v, of one %+v", two, one)
	}
	after := k.read(t, p.ID)
	m := after.Models[0]
	if after.Version != before.Version || m.Version != before.Models[0].Version || m.UpdatedAt != before.Models[0].UpdatedAt || m.LastTest != nil {
		t.Errorf("the checks changed the model to %+v", m)
	}
	if at := m.StageChecks[registry.Planning].At; !at.Equal(done.VerifiedAt) {
		t.Errorf("the check was at %v, the result says %v", at, done.VerifiedAt)
	}
	for _, r := range k.upstream.Requests() {
		if !strings.Contains(string(r.Body), `"max_tokens":2048`) {
			t.Errorf("sent %s", r.Body)
		}
	}

	k.upstream.SayTo("Make a plan", "Copy, then switch.")
	wantResults(t, k.verify(t, p, registry.Planning), "planning failed")
	k.wantChecks(t, "after one check", p, strings.Replace(allPassed, "passed", "failed", 1))
}

func TestStagesToVerify(t *testing.T) {
	k := newKit(t)
	k.upstream.PassChecks()
	p := k.create(t, "one") // serves planning
	wantResults(t, k.verify(t, p), "planning passed")
	_, err := k.VerifyModel(t.Context(), workspace, p.Models[0].ID, &[]string{"planning", "guardrail"}, fault.Problems{}, nil)
	if f := fault.As(err); f == nil || f.Kind != fault.ValidationFailed || len(f.Fields) != 1 || f.Fields[0].Name != "stages[1]" {
		t.Errorf("a stage that the model does not serve: %v", err)
	}
	if _, err := k.VerifyModel(t.Context(), "other", p.Models[0].ID, nil, fault.Problems{}, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a model of another workspace: %v", err)
	}
}

// TestAChangeClearsChecks of what was checked with other settings.
func TestAChangeClearsChecks(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	change := func(what, want string, change func()) {
		t.Helper()
		k.verify(t, p)
		change()
		k.wantChecks(t, what, p, want)
		if m, err := k.Model(t.Context(), workspace, p.Models[0].ID); err != nil || len(m.StageChecks) != strings.Count(want, "passed") {
			t.Errorf("%s: the model by itself has %+v, %v", what, m.StageChecks, err)
		}
	}
	change("another display name", allPassed, func() { k.editModel(t, p, registry.ModelInput{DisplayName: pointer("Other")}) })
	change("another name of the provider", allPassed, func() { k.update(t, p.ID, registry.ProviderEdit{Name: pointer("Other")}) })
	change("a stage less", "planning passed, summarization passed", func() {
		k.editModel(t, p, registry.ModelInput{Stages: pointer(stageNames(registry.Planning, registry.Summarization))})
	})
	k.editModel(t, p, registry.ModelInput{Stages: pointer(stageNames(registry.Stages()...))})
	k.wantChecks(t, "the stage is served again", p, "planning passed, summarization passed")
	change("another model id", "", func() {
		k.editModel(t, p, registry.ModelInput{ModelID: pointer("other")})
		k.editModel(t, p, registry.ModelInput{ModelID: &k.upstream.ModelID})
	})
	change("another key", "", func() {
		if edited := k.update(t, p.ID, newKey(t, k.upstream.Credentials["api_key"].(string))); edited.Models[0].StageChecks != nil {
			t.Errorf("the edit answers %+v", edited.Models[0].StageChecks)
		}
	})
	k.verify(t, p, registry.ToolCall)
	k.wantChecks(t, "checked with the new key", p, "tool_call passed")

	clone, err := k.CloneProvider(t.Context(), workspace, p.ID, "clone", fault.Problems{})
	if err != nil || len(k.read(t, clone.ID).Models[0].StageChecks) != 0 {
		t.Errorf("a clone has the checks of its original, %v", err)
	}
}

// TestAChangeDuringChecks drops the results that it concerns.
func TestAChangeDuringChecks(t *testing.T) {
	for what, c := range map[string]struct {
		change func(k *kit, t *testing.T, p registry.Provider)
		want   string
	}{
		"nothing": {func(*kit, *testing.T, registry.Provider) {}, allPassed},
		"name": {func(k *kit, t *testing.T, p registry.Provider) {
			k.editModel(t, p, registry.ModelInput{DisplayName: pointer("Other")})
		}, allPassed},
		"model id": {func(k *kit, t *testing.T, p registry.Provider) {
			k.editModel(t, p, registry.ModelInput{ModelID: pointer("other")})
		}, ""},
		"key": {func(k *kit, t *testing.T, p registry.Provider) { k.update(t, p.ID, newKey(t, "sk-another")) }, ""},
		"stage": {func(k *kit, t *testing.T, p registry.Provider) {
			k.editModel(t, p, registry.ModelInput{Stages: pointer(stageNames(registry.Guardrail))})
		}, "guardrail passed"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			p := k.withAllStages(t)
			gate := k.holdUp()
			ended := make(chan registry.Verification)
			go func() { ended <- k.verify(t, p) }()
			<-gate.arrived
			c.change(k, t, p)
			close(gate.open)
			wantResults(t, <-ended, allPassed)
			k.wantChecks(t, what, p, c.want)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		k := newKit(t)
		p := k.withAllStages(t)
		gate := k.holdUp()
		ended := make(chan registry.Verification)
		go func() { ended <- k.verify(t, p) }()
		<-gate.arrived
		if err := k.DeleteProvider(t.Context(), workspace, p.ID, registry.Precondition{}); err != nil {
			t.Fatal(err)
		}
		close(gate.open)
		wantResults(t, <-ended, allPassed)
	})
}

// TestFailedCalls: every failure of a test is that of a check, and marks or clears the
// provider as a test does.
func TestFailedCalls(t *testing.T) {
	for _, mode := range []providertest.Mode{
		providertest.Authentication, providertest.Permission, providertest.QuotaExceeded, providertest.RateLimited,
		providertest.ModelNotFound, providertest.InvalidRequest, providertest.ContentFiltered, providertest.Overloaded, providertest.ErrorInSuccess,
		providertest.Truncated, providertest.HTML, providertest.HTMLBadGate, providertest.Redirect, providertest.PlainError, providertest.NotJSON,
		providertest.ServerClosing,
	} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			p := k.withAllStages(t)
			k.verify(t, p)
			k.upstream.Use(mode)
			test := k.test(t, p).Failure
			tested := k.read(t, p.ID)
			if test == nil {
				t.Fatal("the test did not fail")
			}
			k.upstream.Use(providertest.Success)
			k.test(t, p)
			k.upstream.Use(mode)
			done := k.verify(t, p)
			wantResults(t, done, strings.ReplaceAll(allPassed, "passed", "error"))
			k.wantChecks(t, "after errors", p, strings.ReplaceAll(allPassed, "passed", "error"))
			for _, result := range done.Results {
				if f := result.Failure; f == nil || f.Kind != test.Kind || f.Message == "" || result.Detail != "" {
					t.Errorf("%+v, the test had %v", result, test)
				}
			}
			now := k.read(t, p.ID)
			if now.Status() != tested.Status() || now.Models[0].LastTest == nil || !now.Models[0].LastTest.Success {
				t.Errorf("the provider is %s, after a test it was %s; its last test is %+v", now.Status(), tested.Status(), now.Models[0].LastTest)
			}
			k.upstream.Use(providertest.Success)
			wantResults(t, k.verify(t, p), allPassed)
			wantStatus(t, k.read(t, p.ID), registry.Active, "")
		})
	}
}

// TestToolsThatAreRefused: the model fails in the words of the provider, which is not
// marked.
func TestToolsThatAreRefused(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	k.upstream.Use(providertest.NoTools)
	done := k.verify(t, p, registry.ToolCall)
	wantResults(t, done, "tool_call failed")
	if done.Results[0].Detail == "" || done.Results[0].Failure != nil {
		t.Errorf("the result is %+v", done.Results[0])
	}
	wantStatus(t, k.read(t, p.ID), registry.Active, "")
	k.upstream.Use(providertest.NoToolChoice)
	wantResults(t, k.verify(t, p, registry.ToolCall), "tool_call passed")
	k.upstream.Use(providertest.NoSchema)
	wantResults(t, k.verify(t, p, registry.Planning), "planning passed")
}

// TestLongReasoning: a model whose answers are cut off gets more tokens, if that is
// allowed.
func TestLongReasoning(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	k.upstream.Use(providertest.LongReasoning)
	done := k.verify(t, p)
	wantResults(t, done, allPassed)
	if calls := len(k.upstream.Requests()); calls != 10 {
		t.Errorf("%d calls, want 10", calls)
	}
	if one := k.verify(t, p, registry.Planning).Results[0]; one.Usage.OutputTokens != 2*k.test(t, p).Usage.OutputTokens {
		t.Errorf("the usage %+v is not that of both calls", one.Usage)
	}
	k.upstream.Use(providertest.LowLimit)
	done = k.verify(t, p, registry.Planning, registry.ToolCall)
	wantResults(t, done, "planning failed, tool_call failed")
	for _, result := range done.Results {
		if !strings.HasSuffix(result.Detail, "The answer was cut off at the output limit, which includes reasoning.") {
			t.Errorf("got %+v", result)
		}
	}
}

// TestVerifiedChanges: a verification is a change if the status of a check differs.
func TestVerifiedChanges(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	number := func() registry.ChangePosition {
		t.Helper()
		if _, err := k.store.NumberChanges(t.Context(), workspace); err != nil {
			t.Fatal(err)
		}
		end, err := k.ChangeEnd(t.Context(), workspace)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	noted := func(what string, want ...registry.ChangeAction) {
		t.Helper()
		after := number()
		k.verify(t, p)
		number()
		changes, err := k.ChangesAfter(t.Context(), workspace, after, 10)
		var got []registry.ChangeAction
		for _, c := range changes {
			got = append(got, c.Action)
			if c.Action == registry.Verified && (c.Resource != registry.ModelResource || c.ResourceID != p.Models[0].ID || c.Version != p.Models[0].Version || c.ProviderVersion != p.Version) {
				t.Errorf("%s: the change is %+v", what, c)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: the changes are %q, %v, want %q", what, got, err, want)
		}
	}
	noted("the first time", registry.Verified)
	noted("the same again")
	k.upstream.SayTo("Make a plan", "No.")
	noted("a stage fails", registry.Verified)
	k.upstream.Use(providertest.Authentication)
	noted("the provider fails", registry.Verified, registry.StatusChanged)
	noted("the provider still fails")
	k.upstream.Use(providertest.Success)
	noted("the provider works again", registry.Verified, registry.StatusChanged)
}

// TestChecksThatALimitRefuses keep what is stored.
func TestChecksThatALimitRefuses(t *testing.T) {
	k := newKit(t, func(c *registry.Config) { c.Limiter = auth.NewLimiter(auth.Limits{TestsPerMinute: 11}, time.Now) })
	p := k.withAllStages(t)
	k.verify(t, p)
	done := k.verify(t, p, registry.ToolCall, registry.Planning)
	wantResults(t, done, "planning passed, tool_call passed")
	done = k.verify(t, p) // 4 calls are left
	refused := 0
	for _, result := range done.Results {
		if result.Refused {
			refused++
			if result.Status != registry.StageError || result.Failure.Kind != provider.RateLimited || !strings.Contains(result.Failure.Message, "The limit is 11 per minute.") {
				t.Errorf("refused: %+v", result)
			}
		}
	}
	if refused != 1 || len(k.upstream.Requests()) != 11 {
		t.Errorf("%d of %d were refused after %d calls", refused, len(done.Results), len(k.upstream.Requests()))
	}
	_, err := k.VerifyModel(t.Context(), workspace, p.Models[0].ID, nil, fault.Problems{}, func(result registry.StageResult) {
		t.Errorf("told %+v although no call was made", result)
	})
	if !fault.Is(err, fault.RateLimited) {
		t.Errorf("after all calls were refused: %v", err)
	}
	k.wantChecks(t, "after refused checks", p, allPassed)
}

// TestTwoChecksAtATime: a caller who goes away ends them, and no other begins. What
// ended before is stored.
func TestTwoChecksAtATime(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var told []registry.Stage
	var gate *gate
	_, err := k.VerifyModel(ctx, workspace, p.Models[0].ID, nil, fault.Problems{}, func(result registry.StageResult) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, result.Stage)
		if gate == nil {
			gate = k.holdUp() // for the calls from now on
			go func() {
				<-gate.arrived
				time.Sleep(50 * time.Millisecond)
				cancel()
			}()
		}
	})
	if !errors.Is(err, context.Canceled) || len(told) == 0 || len(told) > 2 || len(k.upstream.Requests()) > 4 {
		t.Errorf("%d calls, told %q, %v", len(k.upstream.Requests()), told, err)
	}
	checks := k.read(t, p.ID).Models[0].StageChecks
	slices.Sort(told)
	if stored := slices.Sorted(maps.Keys(checks)); !slices.Equal(stored, told) {
		t.Errorf("stored the checks of %q, ended were those of %q", stored, told)
	}
}

// TestALateCheckIsRefused: no call begins later than a test may last.
func TestALateCheckIsRefused(t *testing.T) {
	k := newKit(t, func(c *registry.Config) { c.TestTimeout = 200 * time.Millisecond })
	p := k.withAllStages(t)
	k.upstream.Use(providertest.Silent)
	done := k.verify(t, p)
	wantResults(t, done, "planning error, tool_call error, summarization error, guardrail error")
	if done.Results[0].Failure.Kind != provider.Timeout || done.Results[0].Refused || !done.Results[3].Refused {
		t.Errorf("got %+v", done.Results[0])
	}
}

// TestVerificationsAtTheSameTime of one model leave the checks of one of them.
func TestVerificationsAtTheSameTime(t *testing.T) {
	k := newKit(t)
	p := k.withAllStages(t)
	var running sync.WaitGroup
	for range 6 {
		running.Go(func() { wantResults(t, k.verify(t, p), allPassed) })
		running.Go(func() {
			k.update(t, p.ID, registry.ProviderEdit{Name: pointer(strings.Repeat("x", 1+len(k.upstream.Requests())%20))})
		})
	}
	running.Wait()
	k.wantChecks(t, "after all", p, allPassed)
}
