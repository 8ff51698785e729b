package secret_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/secret"
)

var home = secret.Binding{Workspace: "default", Provider: "p1", Field: "api_key", BaseURL: "https://api.example.com"}

func create(t testing.TB) *secret.Keyset {
	t.Helper()
	k, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t testing.TB, k *secret.Keyset, plain string, b secret.Binding) []byte {
	t.Helper()
	sealed, err := k.Seal(secret.NewText(plain), b)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestOpensWhereItWasSealed(t *testing.T) {
	k := create(t)
	for _, plain := range []string{"", "x", canary, strings.Repeat("é", 8192)} {
		sealed := seal(t, k, plain, home)
		opened, err := k.Open(sealed, home)
		if err != nil || opened.Reveal() != plain {
			t.Errorf("%d bytes: %v", len(plain), err)
		}
		if len(sealed) != len(plain)+45 || sealed[0] != 1 {
			t.Errorf("%d bytes are sealed to %d, beginning %d; the package comment says n+45, 1", len(plain), len(sealed), sealed[0])
		}
		if plain != "" && len(plain) > 4 && strings.Contains(string(sealed), plain) {
			t.Error("the stored value contains the plaintext")
		}
	}
	first, second := seal(t, k, canary, home), seal(t, k, canary, home)
	if bytes.Equal(first, second) {
		t.Error("the same plaintext gives the same ciphertext")
	}
}

func TestDoesNotOpenElsewhere(t *testing.T) {
	k := create(t)
	sealed := seal(t, k, canary, home)
	for name, b := range map[string]secret.Binding{
		"other workspace": {Workspace: "other", Provider: "p1", Field: "api_key", BaseURL: "https://api.example.com"},
		"other provider":  {Workspace: "default", Provider: "p2", Field: "api_key", BaseURL: "https://api.example.com"},
		"other field":     {Workspace: "default", Provider: "p1", Field: "secret_access_key", BaseURL: "https://api.example.com"},
		"other base URL":  {Workspace: "default", Provider: "p1", Field: "api_key", BaseURL: "https://evil.example.com"},
		"no base URL":     {Workspace: "default", Provider: "p1", Field: "api_key"},
		"shifted parts":   {Workspace: "defaultp", Provider: "1", Field: "api_key", BaseURL: "https://api.example.com"},
		"no workspace":    {Provider: "p1", Field: "api_key", BaseURL: "https://api.example.com"},
	} {
		opened, err := k.Open(sealed, b)
		if err == nil || !opened.Empty() {
			t.Errorf("%s: opened", name)
		} else if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error tells the secret: %v", name, err)
		}
	}
}

func TestSealNeedsABinding(t *testing.T) {
	k := create(t)
	for _, b := range []secret.Binding{{}, {Provider: "p", Field: "f"}, {Workspace: "w", Field: "f"}, {Workspace: "w", Provider: "p"}} {
		if _, err := k.Seal(secret.NewText(canary), b); err == nil {
			t.Errorf("sealed with %+v", b)
		}
	}
}

func TestAlteredDoesNotOpen(t *testing.T) {
	k := create(t)
	sealed := seal(t, k, canary, home)
	for i := range sealed {
		altered := append([]byte(nil), sealed...)
		altered[i] ^= 1
		if _, err := k.Open(altered, home); err == nil {
			t.Errorf("opens with byte %d altered", i)
		}
	}
	for n := range sealed {
		if _, err := k.Open(sealed[:n], home); err == nil {
			t.Errorf("opens cut to %d bytes", n)
		}
	}
	if _, err := k.Open(append(sealed, 0), home); err == nil {
		t.Error("opens with a byte added")
	}
}

func TestErrorSaysWhyItDoesNotOpen(t *testing.T) {
	k, other := create(t), create(t)
	sealed := seal(t, k, canary, home)
	_, err := other.Open(sealed, home)
	if err == nil || !strings.Contains(err.Error(), "not in the keyset") {
		t.Errorf("another keyset: %v", err)
	}
	sealed[20] ^= 1
	_, err = k.Open(sealed, home)
	if err == nil || !strings.Contains(err.Error(), "it was changed") || !strings.Contains(err.Error(), `"api_key" of provider "p1"`) {
		t.Errorf("altered: %v", err)
	}
	_, err = k.Open([]byte(canary), home)
	if err == nil || !strings.Contains(err.Error(), "not a ciphertext") || strings.Contains(err.Error(), canary) {
		t.Errorf("plaintext in its place: %v", err)
	}
}

func TestUsesAreKeptApart(t *testing.T) {
	k := create(t)
	claim, err := k.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(claim, home); err == nil {
		t.Error("a claim opens as a credential")
	}
	if k.Matches(seal(t, k, "this database belongs to this keyset", home)) {
		t.Error("a credential passes as a claim")
	}
}

func TestClaimMatchesItsKeysetOnly(t *testing.T) {
	k, other := create(t), create(t)
	claim, err := k.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if !k.Matches(claim) {
		t.Error("the keyset's own claim does not match")
	}
	if other.Matches(claim) || k.Matches(nil) || k.Matches(claim[:len(claim)-1]) {
		t.Error("a claim of another keyset, none, or a cut one matches")
	}
}

func BenchmarkSealOpen(b *testing.B) {
	k := create(b)
	for name, size := range map[string]int{"100B": 100, "2.3KiB": 2355} {
		plain := secret.NewText(strings.Repeat("k", size))
		b.Run("Seal/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.Seal(plain, home); err != nil {
					b.Fatal(err)
				}
			}
		})
		sealed := seal(b, k, plain.Reveal(), home)
		b.Run("Open/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := k.Open(sealed, home); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	k := create(f)
	sealed := seal(f, k, canary, home)
	f.Add(sealed, "api_key")
	f.Add(sealed[:20], "api_key")
	f.Add([]byte{1, 0, 0, 0, 1}, "x")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, data []byte, field string) {
		b := home
		b.Field = field
		opened, err := k.Open(data, b)
		genuine := string(data) == string(sealed) && field == home.Field
		if (err == nil) != genuine || opened.Empty() == genuine {
			t.Fatalf("opened %d bytes as %q: %v", len(data), field, err)
		}
		if k.Matches(data) {
			t.Fatal("matches")
		}
	})
}
