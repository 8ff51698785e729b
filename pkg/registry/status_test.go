package registry_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

// TestWhichFailuresMarkTheProvider: only what every other call would meet too.
func TestWhichFailuresMarkTheProvider(t *testing.T) {
	tests := map[string]struct {
		mode  providertest.Mode
		kind  provider.FailureKind
		marks bool
	}{
		"refused key":       {providertest.Authentication, provider.Authentication, true},
		"no budget":         {providertest.QuotaExceeded, provider.QuotaExceeded, true},
		"a page":            {providertest.HTML, provider.Misconfigured, true},
		"a redirect":        {providertest.Redirect, provider.Misconfigured, true},
		"model not allowed": {providertest.Permission, provider.Permission, false},
		"rate limit":        {providertest.RateLimited, provider.RateLimited, false},
		"unknown model":     {providertest.ModelNotFound, provider.ModelNotFound, false},
		"bad request":       {providertest.InvalidRequest, provider.InvalidRequest, false},
		"filtered":          {providertest.ContentFiltered, provider.ContentFiltered, false},
		"overload":          {providertest.Overloaded, provider.UpstreamError, false},
		"broken answer":     {providertest.Truncated, provider.UpstreamError, false},
		"no answer in time": {providertest.Silent, provider.Timeout, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, func(c *registry.Config) {
				if test.mode == providertest.Silent {
					c.TestTimeout = 200 * time.Millisecond
				}
			})
			k.upstream.RedirectTo("https://elsewhere.example")
			p := k.create(t, "one")
			k.upstream.Use(test.mode)
			result := k.test(t, p)
			if result.Failure == nil || result.Failure.Kind != test.kind {
				t.Fatalf("got %v", result.Failure)
			}
			now := k.read(t, p.ID)
			if marked := now.Error != nil; marked != test.marks {
				t.Errorf("the provider's error is %+v", now.Error)
			}
			if test.marks {
				if e := now.Error; e.Kind != string(test.kind) || e.Message != result.Failure.Message || e.ModelID != k.upstream.ModelID || e.Since.IsZero() {
					t.Errorf("the provider's error is %+v", e)
				}
			}
			last := now.Models[0].LastTest
			if last == nil || last.Success || last.Kind != string(test.kind) || !last.At.Equal(result.TestedAt) {
				t.Errorf("last_test is %+v", last)
			}
			if now.Version != p.Version || !now.UpdatedAt.Equal(p.UpdatedAt) || now.Models[0].Version != p.Models[0].Version {
				t.Errorf("a test counts as an edit: version %d, updated at %v", now.Version, now.UpdatedAt)
			}
		})
	}
}

func TestNoConnectionMarksTheProvider(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	k.upstream.Stop()
	k.test(t, p)
	wantStatus(t, k.read(t, p.ID), registry.Error, provider.Unreachable)
}

func TestRefusalOfTheEgressPolicyMarksTheProvider(t *testing.T) {
	guard, err := egress.New(egress.Config{}) // loopback is not allowed
	if err != nil {
		t.Fatal(err)
	}
	k := newKit(t, func(c *registry.Config) { c.Transport = guard.Transport })
	p := k.create(t, "one")
	k.test(t, p)
	wantStatus(t, k.read(t, p.ID), registry.Error, provider.Blocked)
}

func wantStatus(t *testing.T, p registry.Provider, status registry.Status, kind provider.FailureKind) {
	t.Helper()
	var got provider.FailureKind
	if p.Error != nil {
		got = provider.FailureKind(p.Error.Kind)
	}
	if p.Status() != status || got != kind {
		t.Errorf("status %s with the error %q; want %s with %q", p.Status(), got, status, kind)
	}
}

// failing makes a kit with a provider whose key was refused.
func failing(t *testing.T) (*kit, registry.Provider) {
	t.Helper()
	k := newKit(t)
	p := k.create(t, "one")
	k.upstream.Use(providertest.Authentication)
	k.test(t, p)
	p = k.read(t, p.ID)
	wantStatus(t, p, registry.Error, provider.Authentication)
	return k, p
}

func TestSuccessClearsTheError(t *testing.T) {
	k, p := failing(t)
	k.upstream.Use(providertest.RateLimited)
	k.test(t, p)
	wantStatus(t, k.read(t, p.ID), registry.Error, provider.Authentication) // says nothing of the key
	k.upstream.Use(providertest.Success)
	k.test(t, p)
	wantStatus(t, k.read(t, p.ID), registry.Active, "")
}

func TestNewCredentialsOrConfigClearTheError(t *testing.T) {
	edits := map[string]struct {
		edit   func(k *kit) registry.ProviderEdit
		clears bool
	}{
		"new key":       {func(*kit) registry.ProviderEdit { return newKey(t, "sk-another") }, true},
		"masked key":    {func(*kit) registry.ProviderEdit { return newKey(t, "••••••••") }, false},
		"new spelling":  {func(k *kit) registry.ProviderEdit { return newURL(t, k.upstream.URL+"/") }, true},
		"same base URL": {func(k *kit) registry.ProviderEdit { return newURL(t, k.upstream.URL+"/v1") }, false},
		"new name":      {func(*kit) registry.ProviderEdit { return registry.ProviderEdit{Name: pointer("two")} }, false},
		"no models":     {func(*kit) registry.ProviderEdit { return registry.ProviderEdit{Models: &[]registry.ModelInput{}} }, false},
	}
	for name, test := range edits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, p := failing(t)
			if cleared := k.update(t, p.ID, test.edit(k)).Error == nil; cleared != test.clears {
				t.Errorf("cleared: %t", cleared)
			}
			if cleared := k.read(t, p.ID).Error == nil; cleared != test.clears {
				t.Errorf("stored as cleared: %t", cleared)
			}
		})
	}
}

// newURL is an edit that replaces the base URL.
func newURL(t *testing.T, url string) registry.ProviderEdit {
	t.Helper()
	return registry.ProviderEdit{Settings: provider.Request{Config: encode(t, map[string]string{"base_url": url})}}
}

func TestSwitchAndErrorAreApart(t *testing.T) {
	k, p := failing(t)
	wantStatus(t, k.update(t, p.ID, registry.ProviderEdit{Status: pointer("inactive")}), registry.Inactive, provider.Authentication)
	k.upstream.Use(providertest.QuotaExceeded)
	k.test(t, p) // what is switched off can be tested
	wantStatus(t, k.read(t, p.ID), registry.Inactive, provider.QuotaExceeded)
	wantStatus(t, k.update(t, p.ID, registry.ProviderEdit{Status: pointer("active")}), registry.Error, provider.QuotaExceeded)
}

func TestSinceTellsWhenAFailureBegan(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)
	k := newKit(t, func(c *registry.Config) { c.Now = func() time.Time { return now } })
	p := k.create(t, "one")
	since := func(mode providertest.Mode) time.Time {
		now = now.Add(time.Minute)
		k.upstream.Use(mode)
		k.test(t, p)
		return k.read(t, p.ID).Error.Since
	}
	began := since(providertest.Authentication)
	if !began.Equal(now) {
		t.Errorf("since %v, at %v", began, now)
	}
	if again := since(providertest.Authentication); !again.Equal(began) {
		t.Errorf("the same failure moved to %v", again)
	}
	if other := since(providertest.QuotaExceeded); !other.Equal(now) {
		t.Errorf("another failure is of %v, at %v", other, now)
	}
}

func TestDraftsMarkNothing(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	k.upstream.Use(providertest.Authentication)
	draft := registry.Draft{ProviderID: p.ID, Prompt: provider.Prompt{ModelID: k.upstream.ModelID, Text: "Hello"}}
	result, err := k.TestDraft(t.Context(), workspace, draft, nil)
	if err != nil || result.Failure == nil {
		t.Fatalf("got %v, %v", result.Failure, err)
	}
	now := k.read(t, p.ID)
	wantStatus(t, now, registry.Active, "")
	if now.Models[0].LastTest != nil {
		t.Errorf("last_test is %+v", now.Models[0].LastTest)
	}
}

func TestDiscoveryMarksLikeATest(t *testing.T) {
	tests := map[string]struct {
		mode   providertest.Mode
		before bool // the provider is failing already
		status registry.Status
	}{
		"refused key":                 {providertest.Authentication, false, registry.Error},
		"no permission to list":       {providertest.Permission, false, registry.Active},
		"rate limit":                  {providertest.RateLimited, false, registry.Active},
		"a list clears":               {providertest.Success, true, registry.Active},
		"no such list clears nothing": {providertest.NoModelList, true, registry.Error},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			p := k.create(t, "one")
			if test.before {
				k.upstream.Use(providertest.Authentication)
				k.test(t, p)
			}
			k.upstream.Use(test.mode)
			_, err := k.AvailableModels(t.Context(), workspace, registry.Draft{ProviderID: p.ID}, "")
			if (err != nil) != (test.mode != providertest.Success && test.mode != providertest.NoModelList) {
				t.Error("discovery:", err)
			}
			if got := k.read(t, p.ID).Status(); got != test.status {
				t.Errorf("the status is %s, not %s", got, test.status)
			}
		})
	}
}

func TestCallerThatWentAwayMarksNothing(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	gate := k.holdUp()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-gate.arrived
		cancel()
	}()
	_, err := k.TestModel(ctx, workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	now := k.read(t, p.ID)
	wantStatus(t, now, registry.Active, "")
	if now.Models[0].LastTest != nil {
		t.Errorf("last_test is %+v", now.Models[0].LastTest)
	}
}
