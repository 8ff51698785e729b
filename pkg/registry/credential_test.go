package registry_test

import (
	"encoding/base64"
	"testing"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// replaceSealed puts another sealed value into a provider's credentials.
func (k *kit) replaceSealed(t *testing.T, id string, sealed []byte) {
	t.Helper()
	k.exec(t, `UPDATE providers SET credentials = json_set(credentials, '$.api_key.sealed', ?) WHERE id = ?`, base64.StdEncoding.EncodeToString(sealed), id)
}

// TestTamperedDatabase: who can write to the database still can't make the
// service use a credential where it doesn't belong.
func TestTamperedDatabase(t *testing.T) {
	tests := map[string]func(t *testing.T, k *kit, ours, other registry.Provider){
		"ciphertext of another provider": func(t *testing.T, k *kit, ours, other registry.Provider) {
			k.replaceSealed(t, ours.ID, other.Credentials["api_key"].Sealed)
		},
		"another base URL": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			k.exec(t, `UPDATE providers SET config = ? WHERE id = ?`, `{"base_url":"`+k.upstream.URL+`/elsewhere"}`, ours.ID)
		},
		"another host": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			k.exec(t, `UPDATE providers SET config = '{"base_url":"https://evil.example"}' WHERE id = ?`, ours.ID)
		},
		"a type without base URL": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			k.exec(t, `UPDATE providers SET type = 'openai', config = '{}' WHERE id = ?`, ours.ID)
		},
		"a flipped bit": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			sealed := ours.Credentials["api_key"].Sealed
			sealed[len(sealed)-1] ^= 1
			k.replaceSealed(t, ours.ID, sealed)
		},
		"a ciphertext cut short": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			k.replaceSealed(t, ours.ID, ours.Credentials["api_key"].Sealed[:7])
		},
		"a plaintext": func(t *testing.T, k *kit, ours, _ registry.Provider) {
			k.replaceSealed(t, ours.ID, []byte("sk-mine"))
		},
	}
	for name, tamper := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			ours, other := k.create(t, "ours"), k.create(t, "other")
			tamper(t, k, ours, other)

			_, err := k.TestModel(t.Context(), workspace, ours.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
			wantFault(t, "test", err, fault.Internal)
			_, err = k.Client(t.Context(), workspace, ours.ID)
			wantFault(t, "client", err, fault.Internal)
			_, err = k.AvailableModels(t.Context(), workspace, registry.Draft{ProviderID: ours.ID}, "")
			wantFault(t, "available models", err, fault.Internal)
			_, err = k.TestDraft(t.Context(), workspace, registry.Draft{ProviderID: ours.ID,
				Prompt: provider.Prompt{ModelID: k.upstream.ModelID, Text: "Hello"},
			}, nil)
			wantFault(t, "draft test", err, fault.Internal)
			value, err := k.Reveal(t.Context(), auth.Principal{Workspace: workspace}, ours.ID, "api_key", "")
			wantFault(t, "reveal", err, fault.Internal)
			if !value.Empty() {
				t.Error("a value was revealed")
			}
			if sent := k.upstream.Requests(); len(sent) > 0 {
				t.Errorf("%d requests were sent", len(sent))
			}
			if p := k.read(t, ours.ID); p.Error != nil || p.Models[0].LastTest != nil {
				t.Errorf("the provider was marked: %v, %v", p.Error, p.Models[0].LastTest)
			}
			k.test(t, other) // nothing happened to it
		})
	}
}

func TestCiphertextMovedToAnotherWorkspace(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "ours")
	k.exec(t, `PRAGMA foreign_keys = OFF; UPDATE providers SET workspace = 'theirs'`)
	_, err := k.Client(t.Context(), "theirs", p.ID)
	wantFault(t, "client", err, fault.Internal)
}

// TestRestoredCredentialOpensAgain: a client that could not be built is not
// remembered.
func TestRestoredCredentialOpensAgain(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "ours")
	k.replaceSealed(t, p.ID, []byte{0})
	_, err := k.Client(t.Context(), workspace, p.ID)
	wantFault(t, "client", err, fault.Internal)
	k.replaceSealed(t, p.ID, p.Credentials["api_key"].Sealed)
	if failure := k.test(t, p).Failure; failure != nil {
		t.Error(failure)
	}
}

func TestEquivalentBaseURLStillOpens(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "ours")
	k.exec(t, `UPDATE providers SET config = ? WHERE id = ?`, `{"base_url":"`+k.upstream.URL+`/"}`, p.ID)
	if failure := k.test(t, p).Failure; failure != nil {
		t.Error("the address without /v1 and with a slash is the same, but:", failure)
	}
}

func wantFault(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: got %v, want %s", what, err, kind)
	}
}
