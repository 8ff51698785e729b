package provider

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// serviceAccount is a Google service-account key file. Everything else in the
// file is ignored, above all the URLs.
type serviceAccount struct {
	Type           string `json:"type"`
	ClientEmail    string `json:"client_email"`
	PrivateKey     string `json:"private_key"` // PEM
	PrivateKeyID   string `json:"private_key_id"`
	ProjectID      string `json:"project_id"` // the account's own project, not the one that is called
	TokenURI       string `json:"token_uri"`  // never called
	UniverseDomain string `json:"universe_domain"`
}

// googleTokenURIs are the token endpoints that Google has written into key files
// over the years. They are accepted, but not called.
var googleTokenURIs = []string{
	"https://oauth2.googleapis.com/token",
	"https://oauth2.mtls.googleapis.com/token",
	"https://accounts.google.com/o/oauth2/token",
	"https://www.googleapis.com/oauth2/v3/token",
	"https://www.googleapis.com/oauth2/v4/token",
}

// parseServiceAccount reads the text of a key file and parses its private key.
// The errors contain no value of the file, and continue the name of the field.
//
// Only `type` `service_account` is read: the other types of Google's credential
// files can name files to read, programs to run and URLs to call.
func parseServiceAccount(text string) (serviceAccount, error) {
	text, err := keyFileJSON(text)
	if err != nil {
		return serviceAccount{}, err
	}
	var a serviceAccount
	if err := json.Unmarshal([]byte(text), &a); err != nil || !strings.HasPrefix(text, "{") {
		return a, errors.New("must be the JSON of a service-account key file; paste the whole file")
	}
	switch {
	case a.Type == "":
		return a, errors.New("must have a `type`; paste the whole key file")
	case a.Type != "service_account":
		return a, errors.New("must have the `type` `service_account`; other kinds of Google credentials are not accepted")
	case a.TokenURI != "" && !slices.Contains(googleTokenURIs, a.TokenURI):
		return a, errors.New("must have a `token_uri` of Google, or none; use the file as Google created it")
	case a.UniverseDomain != "" && a.UniverseDomain != "googleapis.com":
		return a, errors.New("must have the `universe_domain` `googleapis.com`, or none")
	case !strings.Contains(a.ClientEmail, "@") || strings.ContainsFunc(a.ClientEmail, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return a, errors.New("must have a valid `client_email`; paste the whole key file")
	case a.PrivateKey == "":
		return a, errors.New("must have a `private_key`; paste the whole key file")
	}
	a.PrivateKey = unescapedPEM(a.PrivateKey)
	_, err = parsePrivateKey(a.PrivateKey)
	return a, err
}

// unescapedPEM is the PEM of a private key. A file that went through an environment
// variable or a form may have its line breaks escaped twice.
func unescapedPEM(text string) string {
	return strings.NewReplacer(`\r`, "", `\n`, "\n", "\r", "").Replace(text)
}

// keyFileJSON is the JSON of a key file that was pasted: without a byte order
// mark, without quotes around the whole, and with line breaks inside its strings
// escaped. The error names what cannot be repaired.
func keyFileJSON(text string) (string, error) {
	trim := func(text string) string {
		return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "\ufeff"))
	}
	text = trim(text)
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) == nil {
		text = trim(quoted)
	} else {
		text = unquoted(text)
	}
	base64Text := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(strings.Join(strings.Fields(text), ""))
	if decoded, err := base64.RawStdEncoding.DecodeString(base64Text); err == nil && strings.HasPrefix(trim(string(decoded)), "{") {
		return "", errors.New("must not be in base64; decode it, and paste the JSON")
	}
	for _, r := range jsonString.ReplaceAllString(text, "") {
		if r > unicode.MaxASCII {
			return "", fmt.Errorf("must not have the character %U outside of a JSON string; use the file as Google created it", r)
		}
	}
	return jsonString.ReplaceAllStringFunc(text, func(s string) string {
		return control.ReplaceAllStringFunc(s, func(c string) string { return fmt.Sprintf(`\u%04x`, c[0]) })
	}), nil
}

var (
	jsonString = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"?`) // the last one may have no end
	control    = regexp.MustCompile(`[\x00-\x1f]`)
)

func parsePrivateKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("must have a `private_key` in PEM; use the file as Google created it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, errors.New("must have a valid `private_key`; this one can't be parsed and may be incomplete")
		}
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("must have an RSA key as its `private_key`; use the file as Google created it")
	}
	if bits := key.N.BitLen(); bits < 1024 {
		return nil, fmt.Errorf("must have a `private_key` of at least 1024 bits; this one has %d", bits)
	}
	return key, nil
}
