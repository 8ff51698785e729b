package registry_test

import (
	"context"
	"errors"
	"fmt"
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

// withModels makes a provider with the model that the upstream serves and n others.
func (k *kit) withModels(t *testing.T, n int) registry.Provider {
	t.Helper()
	p := k.create(t, "one")
	models := []registry.ModelInput{{ModelID: &k.upstream.ModelID}}
	stages := []string{"planning"}
	for i := range n {
		models = append(models, registry.ModelInput{ModelID: pointer(fmt.Sprintf("m%02d", i)), Stages: &stages})
	}
	return k.update(t, p.ID, registry.ProviderEdit{Models: &models})
}

// testModels tests several models and gathers the outcomes as they are told.
func (k *kit) testModels(ctx context.Context, p registry.Provider, modelIDs *[]string) (done registry.ModelTests, told []string, err error) {
	var mu sync.Mutex
	done, err = k.TestModels(ctx, workspace, p.ID, modelIDs, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, func(test registry.ModelTest) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, test.Model.ModelID)
	})
	slices.Sort(told)
	return done, told, err
}

func idsOf(done registry.ModelTests) (ids []string) {
	for _, test := range done.Tests {
		ids = append(ids, test.Model.ModelID)
	}
	return ids
}

func TestTheFirstEnabledModelsAreTested(t *testing.T) {
	k := newKit(t)
	p := k.withModels(t, 51)
	edit := registry.ModelEdit{ModelInput: registry.ModelInput{Enabled: pointer(false)}}
	if _, err := k.UpdateModel(t.Context(), workspace, p.ID, p.Models[1].ID, edit); err != nil {
		t.Fatal(err)
	}
	done, told, err := k.testModels(t.Context(), p, nil)
	ids := idsOf(done)
	if err != nil || len(ids) != 50 || !done.Truncated || !slices.IsSorted(ids) || ids[0] != "m01" || !slices.Equal(ids, told) {
		t.Errorf("tested %q and told %q, truncated %t, %v", ids, told, done.Truncated, err)
	}
	if body := string(k.upstream.Requests()[0].Body); !strings.Contains(body, `"max_tokens":256`) {
		t.Errorf("sent %s", body)
	}
	for _, m := range k.read(t, p.ID).Models {
		tested := slices.Contains(ids, m.ModelID)
		if (m.LastTest != nil) != tested || tested && (m.LastTest.Success || m.LastTest.Kind != string(provider.ModelNotFound)) {
			t.Errorf("the last test of %s is %+v", m.ModelID, m.LastTest)
		}
	}
}

func TestSomeModelsAreTestedAndStored(t *testing.T) {
	k := newKit(t)
	p := k.withModels(t, 2)
	k.upstream.Use(providertest.Authentication)
	wanted := []string{"m01", k.upstream.ModelID}
	done, _, err := k.testModels(t.Context(), p, &wanted)
	if err != nil || !slices.Equal(idsOf(done), wanted) || done.Truncated || done.Tests[0].Result.Failure == nil {
		t.Errorf("got %+v, %v", done, err)
	}
	wantStatus(t, k.read(t, p.ID), registry.Error, provider.Authentication)
	k.upstream.Use(providertest.Success)
	k.upstream.Say(strings.Repeat("é", 10_001))
	done, _, err = k.testModels(t.Context(), p, &[]string{k.upstream.ModelID})
	if err != nil || len(done.Tests) != 1 || len([]rune(done.Tests[0].Result.Response)) != 10_000 {
		t.Errorf("got %d tests, %v", len(done.Tests), err)
	}
	wantStatus(t, k.read(t, p.ID), registry.Active, "")

	_, _, err = k.testModels(t.Context(), p, &[]string{"m01", "nothing"})
	if f := fault.As(err); f == nil || f.Kind != fault.ValidationFailed || f.Fields[0].Name != "model_ids[1]" || f.Fields[0].Code != fault.Missing {
		t.Errorf("an unknown model: %v", err)
	}
}

func TestWhatABoundRefusesIsSkipped(t *testing.T) {
	k := newKit(t, func(c *registry.Config) { c.Limiter = auth.NewLimiter(auth.Limits{TestsPerMinute: 3}, time.Now) })
	p := k.withModels(t, 5)
	done, told, err := k.testModels(t.Context(), p, nil)
	skipped := 0
	for _, test := range done.Tests {
		if test.Skipped != "" {
			skipped++
		}
	}
	if err != nil || len(told) != 6 || skipped != 3 || len(k.upstream.Requests()) != 3 {
		t.Errorf("%d of %d were skipped after %d calls, %v", skipped, len(told), len(k.upstream.Requests()), err)
	}
}

// TestALateTestIsSkipped: no test begins later than one may last.
func TestALateTestIsSkipped(t *testing.T) {
	k := newKit(t, func(c *registry.Config) { c.TestTimeout = 200 * time.Millisecond })
	k.upstream.Use(providertest.Silent)
	p := k.withModels(t, 7)
	done, _, err := k.testModels(t.Context(), p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range done.Tests {
		if late := i >= 4; (test.Skipped != "") != late || !late && test.Result.Failure.Kind != provider.Timeout {
			t.Errorf("test %d: %+v", i, test)
		}
	}
}

// TestFourAtATime: a caller who goes away ends them, and no other begins.
func TestFourAtATime(t *testing.T) {
	k := newKit(t)
	p := k.withModels(t, 9)
	gate := k.holdUp()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 4 {
			<-gate.arrived
		}
		time.Sleep(50 * time.Millisecond)
		cancel()
	}()
	_, told, err := k.testModels(ctx, p, nil)
	if !errors.Is(err, context.Canceled) || len(told) != 0 || len(k.upstream.Requests()) != 4 {
		t.Errorf("%d calls, told %q, %v", len(k.upstream.Requests()), told, err)
	}
	for _, m := range k.read(t, p.ID).Models {
		if m.LastTest != nil {
			t.Errorf("the last test of %s is %+v", m.ModelID, m.LastTest)
		}
	}
}
