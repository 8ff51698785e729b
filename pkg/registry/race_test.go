package registry_test

import (
	"fmt"
	"sync"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

// during runs a test of the provider's model and, when the upstream has answered
// but the outcome is not known yet, the edit.
func (k *kit) during(t *testing.T, p registry.Provider, edit func()) registry.TestResult {
	t.Helper()
	gate := k.holdUp()
	type outcome struct {
		result registry.TestResult
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		result, err := k.TestModel(t.Context(), workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
		ended <- outcome{result, err}
	}()
	<-gate.arrived
	k.gate.Store(nil)
	edit()
	close(gate.open)
	got := <-ended
	if got.err != nil {
		t.Fatal("the test ended with:", got.err)
	}
	return got.result
}

// TestResultOfACallThatBeganBeforeAnEditIsDropped: it says nothing of the
// edited provider.
func TestResultOfACallThatBeganBeforeAnEditIsDropped(t *testing.T) {
	edits := map[string]struct {
		edit  func(t *testing.T, k *kit, p registry.Provider)
		drops bool
	}{
		"new key": {func(t *testing.T, k *kit, p registry.Provider) { k.update(t, p.ID, newKey(t, "sk-another")) }, true},
		"new config": {func(t *testing.T, k *kit, p registry.Provider) {
			k.update(t, p.ID, newURL(t, k.upstream.URL+"/"))
		}, true},
		"new name": {func(t *testing.T, k *kit, p registry.Provider) {
			k.update(t, p.ID, registry.ProviderEdit{Name: pointer("two")})
		}, false},
		"switched off": {func(t *testing.T, k *kit, p registry.Provider) {
			k.update(t, p.ID, registry.ProviderEdit{Status: pointer("inactive")})
		}, false},
	}
	for name, test := range edits {
		t.Run(name+", failure", func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			p := k.create(t, "one")
			k.upstream.Use(providertest.Authentication)
			if result := k.during(t, p, func() { test.edit(t, k, p) }); result.Failure == nil {
				t.Error("the caller is not told of the failure")
			}
			now := k.read(t, p.ID)
			if dropped := now.Error == nil; dropped != test.drops {
				t.Errorf("the provider's error is %+v", now.Error)
			}
			if dropped := now.Models[0].LastTest == nil; dropped != test.drops {
				t.Errorf("last_test is %+v", now.Models[0].LastTest)
			}
		})
		t.Run(name+", success", func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			p := k.create(t, "one")
			k.during(t, p, func() {
				test.edit(t, k, p)
				k.upstream.Use(providertest.QuotaExceeded)
				k.test(t, p) // marks the edited provider
				k.upstream.Use(providertest.Success)
			})
			now := k.read(t, p.ID)
			if dropped := now.Error != nil; dropped != test.drops {
				t.Errorf("the provider's error is %+v", now.Error)
			}
			if dropped := !now.Models[0].LastTest.Success; dropped != test.drops {
				t.Errorf("last_test is %+v", now.Models[0].LastTest)
			}
		})
	}
}

func TestModelIDEditedDuringATest(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	k.upstream.Use(providertest.Authentication)
	k.during(t, p, func() {
		_, err := k.UpdateModel(t.Context(), workspace, p.ID, p.Models[0].ID, registry.ModelEdit{ModelInput: registry.ModelInput{ModelID: pointer("other")}})
		if err != nil {
			t.Fatal(err)
		}
	})
	now := k.read(t, p.ID)
	if now.Models[0].LastTest != nil {
		t.Errorf("the other model's last_test is %+v", now.Models[0].LastTest)
	}
	wantStatus(t, now, registry.Error, provider.Authentication) // of the same key
}

func TestDeletedDuringATest(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	result := k.during(t, p, func() {
		if err := k.DeleteProvider(t.Context(), workspace, p.ID, registry.Precondition{}); err != nil {
			t.Fatal(err)
		}
	})
	if result.Failure != nil {
		t.Error(result.Failure)
	}
}

func TestTwoTestsEndTogether(t *testing.T) {
	k := newKit(t)
	for i := range 10 {
		p := k.create(t, fmt.Sprint("provider ", i))
		gate := k.holdUp()
		var wg sync.WaitGroup
		for _, mode := range []providertest.Mode{providertest.Authentication, providertest.Success} {
			k.upstream.Use(mode)
			wg.Go(func() {
				_, err := k.TestModel(t.Context(), workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
				if err != nil {
					t.Error(err)
				}
			})
			<-gate.arrived
		}
		close(gate.open)
		wg.Wait()

		// Whichever was recorded last, provider and model tell the same.
		now := k.read(t, p.ID)
		if failed := !now.Models[0].LastTest.Success; failed != (now.Error != nil) {
			t.Errorf("last_test is %+v, the provider's error %+v", now.Models[0].LastTest, now.Error)
		}
		m, err := k.Model(t.Context(), workspace, p.Models[0].ID)
		if err != nil || m.Provider.Status != now.Status() {
			t.Errorf("the model says %s, the provider %s: %v", m.Provider.Status, now.Status(), err)
		}
	}
}
