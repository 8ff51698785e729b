package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// testWorkspaces checks that no method reaches into another workspace.
func testWorkspaces(t *testing.T, s *store.Store) {
	mine, theirs := newProvider("same name", "m"), newProvider("same name", "m")
	theirs.Workspace = "another"
	create(t, s, mine, theirs)
	intruder := theirs
	intruder.Workspace = workspace
	ctx := t.Context()

	_, err := s.Provider(ctx, workspace, theirs.ID)
	wantFault(t, "Provider", err, fault.NotFound)
	_, err = s.Model(ctx, workspace, theirs.Models[0].ID)
	wantFault(t, "Model", err, fault.NotFound)
	wantFault(t, "DeleteProvider", s.DeleteProvider(ctx, intruder, start), fault.NotFound)
	wantFault(t, "LockProvider", s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.LockProvider(ctx, workspace, theirs.ID)
		return err
	}), fault.NotFound)

	list, err := s.Providers(ctx, workspace, registry.ProviderQuery{})
	noError(t, "Providers", err)
	if diff := cmp.Diff([]registry.Provider{stored(t, s, mine.ID)}, list); diff != "" {
		t.Errorf("Providers (-want +got):\n%s", diff)
	}
	models, err := s.Models(ctx, workspace, registry.ModelQuery{})
	noError(t, "Models", err)
	model, err := s.Model(ctx, workspace, mine.Models[0].ID)
	noError(t, "Model", err)
	if diff := cmp.Diff([]registry.Model{model}, models); diff != "" {
		t.Errorf("Models (-want +got):\n%s", diff)
	}
	models, err = s.Models(ctx, workspace, registry.ModelQuery{ProviderID: theirs.ID})
	noError(t, "Models of their provider", err)
	if len(models) != 0 {
		t.Errorf("Models of their provider: got %v", models)
	}

	before, err := s.Provider(ctx, "another", theirs.ID)
	noError(t, "read theirs", err)
	noError(t, "RecordCall", s.RecordCall(ctx, call(intruder, registry.Call{
		Failure: &registry.ProviderError{Kind: "blocked", Since: start},
		Test:    &registry.LastTest{Success: true, At: start}, ModelID: theirs.Models[0].ID, UpstreamModelID: "m",
	})))
	_, _, err = s.ModelAndProvider(ctx, workspace, theirs.Models[0].ID)
	wantFault(t, "ModelAndProvider", err, fault.NotFound)
	stolen := theirs
	stolen.Workspace, stolen.Name, stolen.NameKey = workspace, "stolen", "stolen"
	noError(t, "create with an id of theirs", add(ctx, s, stolen))

	untouched, err := s.Provider(ctx, "another", theirs.ID)
	noError(t, "read theirs", err)
	if diff := cmp.Diff(before, untouched); diff != "" {
		t.Errorf("their provider was changed (-want +got):\n%s", diff)
	}

	homeless := newToken("homeless")
	homeless.Workspace = ""
	for method, call := range map[string]func() error{
		"Providers":   func() error { _, err := s.Providers(ctx, "", registry.ProviderQuery{}); return err },
		"CreateToken": func() error { return s.CreateToken(ctx, homeless) },
		"Tokens":      func() error { _, err := s.Tokens(ctx, "", auth.TokenQuery{}); return err },
		"LockTokens": func() error {
			return s.InTx(ctx, func(ctx context.Context) error { _, err := s.LockTokens(ctx, ""); return err })
		},
		"RevokeToken": func() error { return s.RevokeToken(ctx, "", homeless.ID, start) },
	} {
		// RevokeToken says not_found of a token that it looked for.
		if err := call(); err == nil || fault.Is(err, fault.NotFound) {
			t.Errorf("%s without a workspace: got %v", method, err)
		}
	}
}
