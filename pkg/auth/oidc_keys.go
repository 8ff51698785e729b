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
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"modelproviders/pkg/fault"
)

const (
	keysFreshFor = 5 * time.Minute // how long keys are used before they are fetched again
	keysKeptFor  = time.Hour       // how long they are used while the issuer is unavailable
	keysPatience = time.Second     // how long a request waits for fresh keys before it uses stale ones

	// After a failed fetch the next one waits for firstRetry. The wait doubles with
	// each failure, up to slowestRetry.
	firstRetry   = time.Second
	slowestRetry = 30 * time.Second

	issuerTimeout   = 5 * time.Second // for one request
	maxIssuerAnswer = 1 << 20

	// unknownPace is the minimum time between fetches for tokens with unknown keys,
	// so that forged tokens can't flood the issuer.
	unknownPace = 10 * time.Second
)

// issuerKeys caches the signing keys of an issuer.
//
// It fetches the keys for the first token. It fetches them again when they are older
// than [keysFreshFor], so that withdrawn keys are no longer accepted, and for a token
// that names an unknown key, so that new keys work without a restart. Concurrent
// callers share one fetch.
type issuerKeys struct {
	issuer  string
	client  *http.Client
	logger  *slog.Logger
	now     func() time.Time
	unknown *rate.Limiter // fetches for tokens of unknown keys
	fetches singleflight.Group

	mu       sync.Mutex // guards the fields below
	held     *keySet
	failures int       // consecutive fetches that failed
	cause    error     // of the last failure
	retryAt  time.Time // when the next fetch is allowed
}

// newIssuerKeys returns an empty cache. The proxy of the environment is not used.
func newIssuerKeys(cfg OIDCConfig) *issuerKeys {
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}
	}
	return &issuerKeys{
		issuer: cfg.Issuer, logger: cfg.Logger, now: cfg.Now, unknown: rate.NewLimiter(rate.Every(unknownPace), 1),
		client: &http.Client{Transport: transport, Timeout: issuerTimeout, CheckRedirect: checkRedirect},
	}
}

// verify returns the payload of a token that the issuer signed. Before it refuses a
// token with an unknown key, it fetches the keys.
func (k *issuerKeys) verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	keys, fetched, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, known := keys.verify(token)
	if payload == nil && !known && !fetched {
		if keys, err = k.refresh(ctx, keys, true); err != nil {
			return nil, err
		}
		payload, known = keys.verify(token)
	}
	if payload != nil {
		return payload, nil
	}
	cause := errors.New("its kid names none of the issuer's keys, or it has no kid and none of them verifies it")
	if known {
		cause = errors.New("the key that its kid names does not verify it")
	}
	return nil, fault.Wrap(fault.Unauthenticated, cause, "The bearer token is not signed by a trusted key of the issuer.")
}

// current returns the keys to use now, and whether they were fetched just now.
func (k *issuerKeys) current(ctx context.Context) (keys *keySet, fetched bool, err error) {
	k.mu.Lock()
	held := k.held
	k.mu.Unlock()
	if held == nil || k.now().Sub(held.fetchedAt) >= keysKeptFor {
		keys, err = k.refresh(ctx, held, false)
		return keys, true, err
	}
	if k.now().Sub(held.fetchedAt) < keysFreshFor {
		return held, false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	if keys, err = k.refresh(ctx, held, false); err == nil {
		return keys, true, nil
	}
	return held, false, nil
}

// refresh returns keys that are newer than the old ones, or the old ones if it is
// too early for another fetch for a token with an unknown key. It stops waiting when
// ctx ends, but the fetch continues for other callers.
func (k *issuerKeys) refresh(ctx context.Context, old *keySet, unknown bool) (*keySet, error) {
	fetch := k.fetches.DoChan("", func() (any, error) { return k.fetchNewer(context.WithoutCancel(ctx), old, unknown) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-fetch:
		keys, _ := result.Val.(*keySet)
		return keys, result.Err
	}
}

// fetchNewer does the work of refresh, for one caller at a time.
func (k *issuerKeys) fetchNewer(ctx context.Context, old *keySet, unknown bool) (*keySet, error) {
	k.mu.Lock()
	held, cause, pause := k.held, k.cause, k.retryAt.Sub(k.now())
	k.mu.Unlock()
	switch {
	case held != old:
		return held, nil
	case pause > 0:
		return nil, issuerUnavailable(cause, pause)
	case unknown && !k.unknown.AllowN(k.now(), 1):
		if cause != nil {
			return nil, issuerUnavailable(cause, firstRetry)
		}
		return held, nil
	}
	published, err := k.fetch(ctx)

	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		pause = min(firstRetry<<min(k.failures, 10), slowestRetry)
		k.failures, k.cause, k.retryAt = k.failures+1, err, k.now().Add(pause)
		k.logger.Warn("could not fetch the keys of the OIDC issuer; some sign-ins may fail until the next attempt",
			slog.String("issuer", k.issuer), slog.Any("error", err), slog.Duration("retry_in", pause))
		return nil, issuerUnavailable(err, pause)
	}
	if k.failures > 0 {
		k.logger.Info("fetched the keys of the OIDC issuer again", slog.String("issuer", k.issuer))
	}
	k.held, k.failures, k.cause = published, 0, nil
	return k.held, nil
}

func issuerUnavailable(cause error, pause time.Duration) error {
	return fault.Wrap(fault.Unavailable, cause, "The bearer token can't be checked now: the keys of its issuer could not be fetched. Try again shortly.").After(pause)
}

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
