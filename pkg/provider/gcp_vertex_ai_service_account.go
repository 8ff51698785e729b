package provider

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
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
// over the years. They are accepted, but never called as given.
func googleTokenURIs() []string {
	return []string{
		"https://oauth2.googleapis.com/token",
		"https://oauth2.mtls.googleapis.com/token",
		"https://accounts.google.com/o/oauth2/token",
		"https://www.googleapis.com/oauth2/v3/token",
		"https://www.googleapis.com/oauth2/v4/token",
	}
}

// parseServiceAccount reads the text of a key file and parses its private key.
// The errors hold no value of the file, and go after the name of the field.
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
		return a, errors.New("has no `type`; paste the whole service-account key file")
	case a.Type != "service_account":
		return a, errors.New("must be of `type` `service_account`; other kinds of Google credentials are not accepted")
	case a.TokenURI != "" && !slices.Contains(googleTokenURIs(), a.TokenURI):
		return a, errors.New("has a `token_uri` that is not Google's; remove it or use the file as Google made it")
	case a.UniverseDomain != "" && a.UniverseDomain != "googleapis.com":
		return a, errors.New("has a `universe_domain` other than `googleapis.com`, which is not supported")
	case !strings.Contains(a.ClientEmail, "@") || strings.ContainsFunc(a.ClientEmail, isControlOrSpace):
		return a, errors.New("has no valid `client_email`; paste the whole service-account key file")
	case a.PrivateKey == "":
		return a, errors.New("has no `private_key`; paste the whole service-account key file")
	}
	// A file that went through an environment variable or a form may have its line
	// breaks escaped twice.
	a.PrivateKey = strings.NewReplacer(`\r`, "", `\n`, "\n", "\r", "").Replace(a.PrivateKey)
	return a, checkPrivateKey(a.PrivateKey)
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
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(strings.Join(strings.Fields(text), ""))
	if decoded, err := base64.RawStdEncoding.DecodeString(plain); err == nil && strings.HasPrefix(trim(string(decoded)), "{") {
		return "", errors.New("is in base64; decode it, and paste the JSON itself")
	}
	var mended strings.Builder
	inString, escaped := false, false
	for _, r := range text {
		switch {
		case inString && r < ' ':
			fmt.Fprintf(&mended, `\u%04x`, r)
			escaped = false
			continue
		case escaped:
			escaped = false
		case inString && r == '\\':
			escaped = true
		case r == '"':
			inString = !inString
		case !inString && r > unicode.MaxASCII:
			return "", fmt.Errorf("holds the character %U outside of its strings, which a web page or a text program put there; use the file as Google made it", r)
		}
		mended.WriteRune(r)
	}
	return mended.String(), nil
}

func checkPrivateKey(text string) error {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return errors.New("has a `private_key` that is not PEM; use the file as Google made it")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return errors.New("has a `private_key` that cannot be parsed; it may be cut short")
		}
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return errors.New("has a `private_key` that is not an RSA key; Google's service accounts sign with RSA")
	}
	if bits := key.N.BitLen(); bits < 1024 {
		return fmt.Errorf("has a `private_key` of %d bits; at least 1024 are needed to sign", bits)
	}
	return nil
}

func isControlOrSpace(r rune) bool { return r <= ' ' || r == 0x7f }
