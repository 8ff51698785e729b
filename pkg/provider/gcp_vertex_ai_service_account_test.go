package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

// newKeyFile makes the members of a service-account key file with a fresh key.
func newKeyFile(t testing.TB) map[string]any {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{
		"type": "service_account", "project_id": "home-project", "private_key_id": "0123456789abcdef",
		"private_key": pemOf(t, key), "client_email": "caller@home-project.iam.gserviceaccount.com",
		"client_id": "1234567890", "auth_uri": "https://accounts.google.com/o/oauth2/auth",
		"token_uri":            "https://oauth2.googleapis.com/token",
		"client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/caller", "universe_domain": "googleapis.com",
	}
}

func pemOf(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServiceAccountIsAccepted(t *testing.T) {
	whole := newKeyFile(t)
	for name, change := range map[string]func(map[string]any){
		"as Google makes it":          func(map[string]any) {},
		"without a token_uri":         func(f map[string]any) { delete(f, "token_uri") },
		"with an old token_uri":       func(f map[string]any) { f["token_uri"] = "https://accounts.google.com/o/oauth2/token" },
		"without a universe":          func(f map[string]any) { delete(f, "universe_domain") },
		"with breaks escaped twice":   func(f map[string]any) { f["private_key"] = strings.ReplaceAll(f["private_key"].(string), "\n", `\n`) },
		"with Windows's line breaks":  func(f map[string]any) { f["private_key"] = strings.ReplaceAll(f["private_key"].(string), "\n", "\r\n") },
		"with both escaped":           func(f map[string]any) { f["private_key"] = strings.ReplaceAll(f["private_key"].(string), "\n", `\r\n`) },
		"with a field of the future":  func(f map[string]any) { f["quota_tier"] = 3 },
		"without the account's place": func(f map[string]any) { delete(f, "project_id") },
	} {
		t.Run(name, func(t *testing.T) {
			file := copyOf(whole)
			change(file)
			account, err := parseServiceAccount(toJSON(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if account.ClientEmail != whole["client_email"] || account.PrivateKey != whole["private_key"] {
				t.Errorf("the account was read as %q with a key of %d bytes", account.ClientEmail, len(account.PrivateKey))
			}
		})
	}
}

func TestServiceAccountIsRefused(t *testing.T) {
	whole := newKeyFile(t)
	elliptic256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, value any) func(map[string]any) string {
		return func(f map[string]any) string { f[name] = value; return toJSON(t, f) }
	}
	for name, test := range map[string]struct {
		text  func(map[string]any) string
		about string
	}{
		"not JSON":               {func(map[string]any) string { return "-----BEGIN PRIVATE KEY-----" }, "must be the JSON"},
		"a list":                 {func(f map[string]any) string { return "[" + toJSON(t, f) + "]" }, "must be the JSON"},
		"null":                   {func(map[string]any) string { return "null" }, "must be the JSON"},
		"cut short":              {func(f map[string]any) string { s := toJSON(t, f); return s[:len(s)/2] }, "must be the JSON"},
		"no type":                {set("type", ""), "must have a `type`"},
		"external_account":       {set("type", "external_account"), "service_account"},
		"authorized_user":        {set("type", "authorized_user"), "service_account"},
		"impersonated account":   {set("type", "impersonated_service_account"), "service_account"},
		"gdch account":           {set("type", "gdch_service_account"), "service_account"},
		"foreign token_uri":      {set("token_uri", "https://evil.example/token"), "token_uri"},
		"token_uri with a port":  {set("token_uri", "https://oauth2.googleapis.com:8443/token"), "token_uri"},
		"token_uri over http":    {set("token_uri", "http://oauth2.googleapis.com/token"), "token_uri"},
		"token_uri with a user":  {set("token_uri", "https://oauth2.googleapis.com@evil.example/token"), "token_uri"},
		"metadata token_uri":     {set("token_uri", "http://169.254.169.254/token"), "token_uri"},
		"another universe":       {set("universe_domain", "evil.example"), "universe_domain"},
		"no client_email":        {set("client_email", ""), "client_email"},
		"odd client_email":       {set("client_email", "a b@c"), "client_email"},
		"no private_key":         {set("private_key", ""), "private_key"},
		"a key that is no PEM":   {set("private_key", "MIIEvQIBADANBgkqhkiG9w0BAQ"), "in PEM"},
		"a key cut short":        {set("private_key", cutPEM(t, whole["private_key"].(string))), "can't be parsed"},
		"a key on a curve":       {set("private_key", pemOf(t, elliptic256)), "an RSA key"},
		"a private_key of wood":  {set("private_key", 7), "must be the JSON"},
		"a nested type of wood":  {set("type", []string{"service_account"}), "must be the JSON"},
		"trailing data":          {func(f map[string]any) string { return toJSON(t, f) + "{}" }, "must be the JSON"},
		"invalid UTF-8 in email": {func(f map[string]any) string { return strings.Replace(toJSON(t, f), "caller@", "\xff ", 1) }, "client_email"},
	} {
		t.Run(name, func(t *testing.T) {
			text := test.text(copyOf(whole))
			_, err := parseServiceAccount(text)
			if err == nil {
				t.Fatal("it was accepted")
			}
			if !strings.Contains(err.Error(), test.about) {
				t.Errorf("the error %q says nothing of %q", err, test.about)
			}
		})
	}
}

// TestServiceAccountErrorsHoldNoValue breaks a file whose every value is a
// canary, in each field, and looks for canaries in the errors.
func TestServiceAccountErrorsHoldNoValue(t *testing.T) {
	for _, field := range []string{"type", "token_uri", "universe_domain", "client_email", "private_key"} {
		file := newKeyFile(t)
		file[field] = "canary-in-" + field
		if _, err := parseServiceAccount(toJSON(t, file)); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("a broken %s is told as: %v", field, err)
		}
	}
}

func FuzzParseServiceAccount(f *testing.F) {
	file := newKeyFile(f)
	f.Add(toJSON(f, file))
	file["private_key"] = strings.ReplaceAll(file["private_key"].(string), "\n", `\n`)
	f.Add(toJSON(f, file))
	f.Add(`{"type":"external_account","credential_source":{"executable":{"command":"/bin/sh"}}}`)
	f.Add(`{"type":"service_account","TYPE":"external_account","token_uri":"http://[::1]"}`)
	f.Fuzz(func(t *testing.T, text string) {
		account, err := parseServiceAccount(text)
		if err != nil {
			return
		}
		// What is accepted can be signed with, and sends nothing elsewhere.
		tokens := googleTokens(t, account, answering{200, "application/json", `{"access_token":"t"}`}, "")
		if _, err := tokens.get(t.Context()); err != nil {
			t.Fatalf("an accepted account cannot sign: %v", err)
		}
		if got := googleTokenConfig(account, "").TokenURL; got != "https://oauth2.googleapis.com/token" {
			t.Fatalf("tokens would be fetched from %s", got)
		}
	})
}

func copyOf(m map[string]any) map[string]any {
	c := make(map[string]any, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// cutPEM drops the last lines of the key between its two marks.
func cutPEM(t testing.TB, text string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(append(lines[:len(lines)/2], lines[len(lines)-1]), "\n") + "\n"
}
