package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// Key signs tokens.
type Key struct {
	id        string
	algorithm jose.SignatureAlgorithm
	private   any // a crypto.Signer, or the bytes of a shared secret
}

// NewKey makes a key for an algorithm.
func NewKey(t testing.TB, algorithm jose.SignatureAlgorithm) Key {
	t.Helper()
	key := Key{id: uuid.NewString(), algorithm: algorithm}
	var err error
	switch name := string(algorithm); {
	case strings.HasPrefix(name, "RS"), strings.HasPrefix(name, "PS"):
		key.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case strings.HasPrefix(name, "ES"):
		curves := map[jose.SignatureAlgorithm]elliptic.Curve{jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521()}
		key.private, err = ecdsa.GenerateKey(curves[algorithm], rand.Reader)
	case algorithm == jose.EdDSA:
		_, key.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no key for %s", name)
	}
	if err != nil {
		t.Fatal("make a key: ", err)
	}
	return key
}

// As returns the same private key under the id of another key, as a forger has it.
func (k Key) As(other Key) Key {
	k.id = other.id
	return k
}

// WithAlgorithm returns the key for another algorithm of its kind.
func (k Key) WithAlgorithm(algorithm jose.SignatureAlgorithm) Key {
	k.algorithm = algorithm
	return k
}

// SharedSecret returns a key that signs with HS256 and that secret.
func (k Key) SharedSecret(secret []byte) Key {
	return Key{id: k.id, algorithm: jose.HS256, private: secret}
}

// ID is the key's id.
func (k Key) ID() string { return k.id }

// Public is the public half.
func (k Key) Public() crypto.PublicKey { return k.private.(crypto.Signer).Public() }

// Header are parameters of a token's header.
type Header map[jose.HeaderKey]any

// Sign signs claims. The type is `JWT` unless a header changes it; a nil parameter is
// omitted.
func (k Key) Sign(t testing.TB, claims Claims, headers ...Header) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("JWT")
	for _, header := range headers {
		for name, value := range header {
			options.ExtraHeaders[name] = value
			if value == nil {
				delete(options.ExtraHeaders, name)
			}
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: k.algorithm, Key: jose.JSONWebKey{Key: k.private, KeyID: k.id}}, options)
	if err != nil {
		t.Fatal("make a signer: ", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal("write the claims: ", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal("sign: ", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal("write the token: ", err)
	}
	return compact
}
