package provider

import (
	"crypto/x509"
	"encoding/json"
	"strings"

	"modelproviders/pkg/secret"
)

// Comparable returns a form of a credential in which two are compared: as [Type.Read]
// stores a pasted value, but of the key file of a service account only its private key,
// which may also be given by itself. The caller must clear it.
func Comparable(value secret.Text) []byte {
	text := strings.TrimSpace(value.Reveal())
	if key := comparablePrivateKey(text); key != nil {
		return key
	}
	return []byte(barest(text))
}

// IsMask reports whether a value is a mask that this or another system shows instead of
// a secret.
func IsMask(value secret.Text) bool {
	text := strings.TrimSpace(value.Reveal())
	return comparablePrivateKey(text) == nil && isMask(kindSecret, barest(text))
}

// barest is [bareKey] of a value until nothing more can be removed: the result is the
// same for a value as it was stored and as it was pasted.
func barest(value string) string {
	for {
		bare := bareKey(value)
		if bare == value {
			return value
		}
		value = bare
	}
}

// shortestKey is less than the length of any RSA key of 1024 bits in PEM.
const shortestKey = 500

// comparablePrivateKey returns the private key of a key file, or in PEM, in one encoding;
// nil if there is none.
func comparablePrivateKey(text string) []byte {
	if len(text) < shortestKey {
		return nil
	}
	var account serviceAccount
	if file, err := keyFileJSON(text); err == nil && json.Unmarshal([]byte(file), &account) == nil {
		text = account.PrivateKey
	}
	key, err := parsePrivateKey(unescapedPEM(text))
	if err != nil {
		return nil
	}
	return x509.MarshalPKCS1PrivateKey(key)
}
