package provider

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"modelproviders/pkg/secret"
)

// TestComparable: a value is compared as it is stored, however it is pasted.
func TestComparable(t *testing.T) {
	for _, pasted := range []string{"sk-1", " sk-1\n", `"sk-1"`, "'sk-1'", "Bearer sk-1", ` "Bearer sk-1" `, `bearer "sk-1"`, "`sk-1`"} {
		settings, problems := openAI.Read(Request{Credentials: map[string]json.RawMessage{"api_key": []byte(toJSON(t, pasted))}}, Stored{})
		if err := problems.Err(""); err != nil {
			t.Fatalf("%q is not accepted: %v", pasted, err)
		}
		stored, looked := Comparable(settings.Credentials["api_key"]), Comparable(secret.NewText(pasted))
		if string(stored) != "sk-1" || !bytes.Equal(stored, looked) {
			t.Errorf("%q is compared as %q, and stored as %q", pasted, looked, stored)
		}
	}
	for _, other := range []string{"sk-2", "sk-1 x", "SK-1", "k-1", "sk-1\x00", ""} {
		if string(Comparable(secret.NewText(other))) == "sk-1" {
			t.Errorf("%q is taken for sk-1", other)
		}
	}
}

// TestComparableServiceAccount: of a key file only the private key is compared.
func TestComparableServiceAccount(t *testing.T) {
	file := newKeyFile(t)
	key := file["private_key"].(string)
	want := Comparable(secret.NewText(toJSON(t, file)))
	block, _ := pem.Decode([]byte(key))
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(parsed.(*rsa.PrivateKey))}))
	indented, err := json.MarshalIndent(map[string]any{"private_key": key}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"indented, without the rest":   string(indented),
		"quoted":                       toJSON(t, toJSON(t, file)),
		"with breaks escaped twice":    strings.ReplaceAll(toJSON(t, file), `\n`, `\\n`),
		"with line breaks":             strings.ReplaceAll(toJSON(t, file), `\n`, "\n"),
		"PEM":                          key,
		"PEM with white space":         "\n\n" + key + "  ",
		"PEM with escaped line breaks": strings.ReplaceAll(key, "\n", `\n`),
		"PEM with Windows line breaks": strings.ReplaceAll(key, "\n", "\r\n"),
		"PKCS #1":                      pkcs1,
	} {
		if !bytes.Equal(Comparable(secret.NewText(text)), want) {
			t.Errorf("%s: it is not the same key", name)
		}
	}
	another := newKeyFile(t)
	another["private_key_id"] = file["private_key_id"]
	if bytes.Equal(Comparable(secret.NewText(toJSON(t, another))), want) {
		t.Error("another private key is taken for the same")
	}
	if bytes.Contains(want, []byte("service_account")) {
		t.Error("more than the private key is compared")
	}
}

func TestIsMask(t *testing.T) {
	for _, mask := range []string{secret.Mask, "sk-...abcd", "sk-p***cd", "****", `"••••"`, "Bearer sk-…", "sk-••••."} {
		if !IsMask(secret.NewText(mask)) {
			t.Errorf("%q is not taken for a mask", mask)
		}
	}
	file := newKeyFile(t)
	file["project_id"] = "a...b"
	for _, value := range []string{"sk-1", "*a*", toJSON(t, file)} {
		if IsMask(secret.NewText(value)) {
			t.Errorf("%q is taken for a mask", value)
		}
	}
}
