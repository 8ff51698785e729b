package provider_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// secretKinds are secrets with every character that some form of writing
// changes.
func secretKinds() []string {
	return []string{
		"abcdef",
		"sk-proj-0123456789abcdef",
		`a+b/c=d&e"f\g<h>%25'i`,
		"with spaces + plus",
		"-----BEGIN PRIVATE KEY-----\nMIIEvQ+/AB==\n-----END PRIVATE KEY-----",
		`{"type":"service_account","private_key":"-----BEGIN\nABC\n"}`,
		"schlüssel-密钥-🔑",
		`\\\"\\`,
		"aaaaaaaaaaaa",
	}
}

func TestRedactEveryForm(t *testing.T) {
	for _, secret := range secretKinds() {
		forms := append(providertest.Disguises(secret), ascii(secret), fmt.Sprintf("%q", secret))
		for _, form := range forms {
			got := provider.Redact(secret, "before "+form+" after")
			if strings.Contains(got, form) || !strings.Contains(got, provider.Cut) || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%q as %q: %q", secret, form, got)
			}
			if rest := strings.Trim(strings.NewReplacer("before ", "", " after", "", provider.Cut, "").Replace(got), `"\`); len(rest) > 12 {
				t.Errorf("%q as %q leaves %q", secret, form, rest)
			}
		}
	}
}

// ascii is the secret in JSON with \u escapes for all that is not ASCII.
func ascii(secret string) string {
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err)
	}
	return provider.EscapeNonASCII(string(quoted))
}

// A stream tells the same as the whole text, wherever it is cut in pieces, and
// never the beginning of a secret.
func TestRedactStream(t *testing.T) {
	for _, secret := range secretKinds() {
		for _, form := range append(providertest.Disguises(secret), secret[:len(secret)-1]+"…") {
			text := "x " + form + " y"
			want := provider.Redact(secret, text)
			for _, size := range []int{1, 2, 3, 7, len(text)} {
				if got := provider.RedactPieces(secret, text, size); got != want {
					t.Errorf("%q in pieces of %d: %q, want %q", text, size, got, want)
				}
			}
		}
	}
}
