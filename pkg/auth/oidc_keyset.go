package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Bounds of one request to the issuer.
const (
	issuerTimeout   = 5 * time.Second
	maxIssuerAnswer = 1 << 20
)

// keySet is what an issuer published.
type keySet struct {
	keys          []jose.JSONWebKey
	tokenEndpoint string // of the issuer, at which clients exchange codes for tokens
	fetchedAt     time.Time
}

// verify returns the payload of a token that one of the keys signed, else nil;
// known reports whether the token names one of the keys. If it names none, every
// key for its algorithm is tried (RFC 7515, section 4.1.4; RFC 7517, section 4.4).
func (s *keySet) verify(token *jose.JSONWebSignature) (payload []byte, known bool) {
	header := token.Signatures[0].Header
	for _, key := range s.keys {
		if header.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		known = known || header.KeyID != ""
		if key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := token.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, known
}

// fetch returns what the issuer publishes (OpenID Connect Discovery, section 4).
func (k *issuerKeys) fetch(ctx context.Context) (*keySet, error) {
	var metadata struct {
		Issuer        string `json:"issuer"`
		KeysURL       string `json:"jwks_uri"`
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &metadata); err != nil {
		return nil, err
	}
	switch {
	case metadata.Issuer == k.issuer:
	case sameButSlash(metadata.Issuer, k.issuer):
		return nil, fmt.Errorf("the issuer calls itself %.100q: MODELPROVIDERS_OIDC_ISSUER must be exactly that, with or without the slash at the end", metadata.Issuer)
	default:
		return nil, fmt.Errorf("the metadata is that of another issuer: %.100q", metadata.Issuer)
	}
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := k.get(ctx, metadata.KeysURL, &published); err != nil {
		return nil, err
	}
	keys := usableKeys(published.Keys)
	if len(keys) == 0 {
		return nil, errors.New("the issuer publishes no key that this service can use")
	}
	return &keySet{keys: keys, tokenEndpoint: metadata.TokenEndpoint, fetchedAt: k.now()}, nil
}

// get decodes the JSON document at a URL. Its errors don't quote the document.
func (k *issuerKeys) get(ctx context.Context, url string, document any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if err := checkSecure(req.URL); err != nil {
		return err
	}
	answer, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered with status %d", req.URL.Redacted(), answer.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxIssuerAnswer)).Decode(document); err != nil {
		return fmt.Errorf("the answer of %s: %w", req.URL.Redacted(), err)
	}
	return nil
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("too many redirects")
	}
	return checkSecure(next.URL)
}

// minRSA is the least size of an RSA key in bits (RFC 7518, section 3.3).
const minRSA = 2048

// usableKeys returns the public signing keys of a key set. It skips keys that are
// weak, unknown or for other uses (RFC 7517, section 5).
func usableKeys(published []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, raw := range published {
		var key jose.JSONWebKey
		var use struct {
			Operations []string `json:"key_ops"`
		}
		if key.UnmarshalJSON(raw) != nil || json.Unmarshal(raw, &use) != nil {
			continue
		}
		forSigning := (key.Use == "" || key.Use == "sig") && (use.Operations == nil || slices.Contains(use.Operations, "verify"))
		if public := key.Public(); forSigning && isStrong(public.Key) {
			keys = append(keys, public)
		}
	}
	return keys
}

func isStrong(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
