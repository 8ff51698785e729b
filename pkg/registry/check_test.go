package registry_test

import (
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

func TestCheckMarksLikeADiscovery(t *testing.T) {
	tests := map[string]struct {
		mode   providertest.Mode
		before bool // the provider is failing already
		kind   provider.FailureKind
		proven bool
		status registry.Status
	}{
		"accepted key":                {providertest.Success, false, "", true, registry.Active},
		"refused key":                 {providertest.Authentication, false, provider.Authentication, false, registry.Error},
		"no permission to list":       {providertest.Permission, false, "", false, registry.Active},
		"rate limit":                  {providertest.RateLimited, false, provider.RateLimited, false, registry.Active},
		"a page":                      {providertest.HTML, false, provider.Misconfigured, false, registry.Error},
		"a list clears":               {providertest.Success, true, "", true, registry.Active},
		"no such list clears nothing": {providertest.NoModelList, true, "", false, registry.Error},
		"nor does a list not allowed": {providertest.Permission, true, "", false, registry.Error},
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
			result, err := k.Check(t.Context(), workspace, registry.Draft{ProviderID: p.ID})
			if err != nil || (result.Failure == nil) != (test.kind == "") || result.Failure != nil && result.Failure.Kind != test.kind {
				t.Errorf("got the failure %v, %v", result.Failure, err)
			}
			if result.Proven != test.proven || (result.Detail == "") != (test.kind != "") || result.CheckedAt.IsZero() {
				t.Errorf("got %+v", result)
			}
			now := k.read(t, p.ID)
			if got := now.Status(); got != test.status {
				t.Errorf("the status is %s, not %s", got, test.status)
			}
			if now.Error != nil && now.Error.ModelID != "" && !test.before {
				t.Errorf("the error is of the model %q, but none was called", now.Error.ModelID)
			}
			if now.Version != p.Version || now.Models[0].LastTest != nil && !test.before {
				t.Errorf("a check changed version %d or the last test %+v", now.Version, now.Models[0].LastTest)
			}
		})
	}
}

// TestDraftsOfChecksAndDiscoveriesStoreNothing: neither that they fail nor that they
// succeed.
func TestDraftsOfChecksAndDiscoveriesStoreNothing(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	call := func(draft registry.Draft) (failures int) {
		t.Helper()
		draft.ProviderID = p.ID
		result, err := k.Check(t.Context(), workspace, draft)
		if err != nil {
			t.Error("check:", err)
		}
		_, err = k.AvailableModels(t.Context(), workspace, draft, "")
		if (err != nil) != (result.Failure != nil) {
			t.Errorf("the check gives %v, the discovery %v", result.Failure, err)
		}
		if err != nil {
			return 1
		}
		return 0
	}
	draft := func(key string) registry.Draft { return registry.Draft{Settings: newKey(t, key).Settings} }
	if call(draft("sk-a-wrong-key")) == 0 {
		t.Error("a wrong key is accepted")
	}
	wantStatus(t, k.read(t, p.ID), registry.Active, "")

	k.upstream.Use(providertest.Authentication)
	call(registry.Draft{})
	wantStatus(t, k.read(t, p.ID), registry.Error, provider.Authentication)
	k.upstream.Use(providertest.Success)
	for _, key := range []string{k.upstream.Credentials["api_key"].(string), "••••••••", ""} {
		if call(draft(key)) != 0 {
			t.Errorf("the key %q is refused", key)
		}
		wantStatus(t, k.read(t, p.ID), registry.Error, provider.Authentication)
	}
	call(registry.Draft{})
	wantStatus(t, k.read(t, p.ID), registry.Active, "")
}
