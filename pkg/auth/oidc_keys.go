package auth

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"modelproviders/pkg/fault"
)

const (
	// keysFreshFor is how long keys are used without asking the issuer whether
	// it still stands by them.
	keysFreshFor = 5 * time.Minute
	// keysKeptFor is how long they are used while the issuer can't be asked.
	keysKeptFor = time.Hour
	// keysPatience is how long a request with keys at hand waits for fresh ones.
	keysPatience = time.Second

	// An issuer that can't be read is asked again after a second, then after
	// twice as long each time, up to slowestRetry.
	firstRetry   = time.Second
	slowestRetry = 30 * time.Second

	// strangersPace is how often tokens that no known key may have signed make
	// the issuer be asked for new ones: whoever sends made-up tokens must not make
	// us flood it.
	strangersPace = 10 * time.Second
)

// issuerKeys are the keys an issuer signs with, read by discovery.
//
// They are read when the first token comes; again after [keysFreshFor], so that
// a key the issuer withdrew is no longer trusted; and at once for a token that
// none of them signed, so that a new key needs no restart. Whoever comes while
// they are being read waits for that one reading, and after one that failed
// nobody asks for a while.
//
// go-oidc's own RemoteKeySet asks the issuer again for every forged token, keeps
// a withdrawn key until it meets an unknown one, and does not tell a reading that
// failed from a signature that is wrong.
type issuerKeys struct {
	issuer    string
	client    *http.Client
	logger    *slog.Logger
	now       func() time.Time
	strangers *rate.Limiter
	reading   singleflight.Group

	mu       sync.Mutex // guards what follows
	held     *keySet
	readAt   time.Time // when held was read
	failures int       // readings in a row that failed
	cause    error     // of the last of them
	retryAt  time.Time // no reading before
}

func newIssuerKeys(cfg OIDCConfig) *issuerKeys {
	return &issuerKeys{
		issuer: cfg.Issuer, client: &http.Client{Transport: newIssuerTransport(cfg.Transport)}, logger: cfg.Logger, now: cfg.Now,
		strangers: rate.NewLimiter(rate.Every(strangersPace), 1),
	}
}

// verify returns the payload of a token that the issuer signed. It returns
// unavailable when keys are needed that can't be read.
func (k *issuerKeys) verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	keys, justRead, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, known := keys.verify(token)
	switch {
	case payload != nil:
		return payload, nil
	case known || justRead:
		return nil, notSigned()
	case !k.strangers.AllowN(k.now(), 1):
		return nil, cmp.Or(k.lastFailure(), notSigned())
	}
	newer, err := wait(ctx, k.read(ctx, keys))
	if err != nil {
		return nil, err
	}
	if payload, _ = newer.verify(token); payload == nil {
		return nil, notSigned()
	}
	return payload, nil
}

func notSigned() error {
	return refused("The bearer token is not signed by a key of the issuer that this service trusts.")
}

// keySet are the public keys for signatures that an issuer has published.
type keySet struct{ keys []jose.JSONWebKey }

// verify returns the payload of a token that one of the keys signed, else nil;
// known says that there is a key of the name that the token gives. Where it
// gives none, each key is tried that the algorithm is for (RFC 7515, section
// 4.1.4; RFC 7517, section 4.4).
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

// current returns the keys to use now, and whether they had to be read for it.
func (k *issuerKeys) current(ctx context.Context) (keys *keySet, justRead bool, err error) {
	k.mu.Lock()
	held, age := k.held, k.now().Sub(k.readAt)
	k.mu.Unlock()
	switch {
	case held == nil || age >= keysKeptFor:
		keys, err = wait(ctx, k.read(ctx, held))
		return keys, true, err
	case age < keysFreshFor:
		return held, false, nil
	}
	impatient, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	if newer, err := wait(impatient, k.read(ctx, held)); err == nil {
		return newer, true, nil
	}
	return held, false, nil
}

// read begins to read keys that are newer than the known ones, or joins a
// reading under way. A caller that leaves does not end it.
func (k *issuerKeys) read(ctx context.Context, known *keySet) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return k.reading.DoChan("", func() (any, error) {
		k.mu.Lock()
		held, cause, pause := k.held, k.cause, k.retryAt.Sub(k.now())
		k.mu.Unlock()
		switch {
		case held != known:
			return held, nil
		case pause > 0:
			return nil, issuerUnavailable(cause, pause)
		}
		keys, err := k.fetch(ctx)
		if err != nil {
			return nil, issuerUnavailable(err, k.failed(err))
		}
		k.succeeded(keys)
		return keys, nil
	})
}

// wait returns what a reading brings, or the error of a context that ends first.
func wait(ctx context.Context, reading <-chan singleflight.Result) (*keySet, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-reading:
		keys, _ := result.Val.(*keySet)
		return keys, result.Err
	}
}

func (k *issuerKeys) succeeded(keys *keySet) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failures > 0 {
		k.logger.Info("the keys of the OIDC issuer can be read again", slog.String("issuer", k.issuer))
	}
	k.held, k.readAt, k.failures, k.cause = keys, k.now(), 0, nil
}

// failed returns how long to wait before the next reading.
func (k *issuerKeys) failed(cause error) (pause time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	pause = min(firstRetry<<min(k.failures, 10), slowestRetry)
	k.failures++
	k.cause, k.retryAt = cause, k.now().Add(pause)
	k.logger.Warn("the keys of the OIDC issuer can't be read, so sign-ins through it may have to wait",
		slog.String("issuer", k.issuer), slog.Any("error", cause), slog.Duration("retry_in", pause))
	return pause
}

// lastFailure is why the keys can't be read now; nil when they can.
func (k *issuerKeys) lastFailure() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failures == 0 {
		return nil
	}
	return issuerUnavailable(k.cause, max(k.retryAt.Sub(k.now()), firstRetry))
}

func issuerUnavailable(cause error, pause time.Duration) error {
	f := fault.Wrap(fault.Unavailable, cause, "The sign-in can't be checked now: the issuer of the token can't be reached. Try again shortly.")
	f.RetryAfter = pause
	return f
}

// fetch asks the issuer where its keys are (OpenID Connect Discovery, section 4)
// and for them.
func (k *issuerKeys) fetch(ctx context.Context) (*keySet, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.issuer)
	if err != nil {
		return nil, err
	}
	var metadata struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, metadata.KeysURL, nil)
	if err != nil {
		return nil, err
	}
	answer, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	var published struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&published); err != nil {
		return nil, err
	}
	keys := usableKeys(published.Keys)
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no key that this service can use", req.URL.Redacted())
	}
	return &keySet{keys}, nil
}

// minRSA is the least size of an RSA key in bits (RFC 7518, section 3.3).
const minRSA = 2048

// usableKeys returns the public keys for signatures of a key set. Keys of other
// kinds and uses, weak ones, and what can't be understood, are passed over (RFC
// 7517, section 5).
func usableKeys(published []json.RawMessage) []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for _, raw := range published {
		var key jose.JSONWebKey
		var use struct {
			Operations []string `json:"key_ops"`
		}
		if key.UnmarshalJSON(raw) != nil || json.Unmarshal(raw, &use) != nil || key.Use != "" && key.Use != "sig" ||
			use.Operations != nil && !slices.Contains(use.Operations, "verify") {
			continue
		}
		switch public := key.Public().Key.(type) {
		case *rsa.PublicKey:
			if public.N.BitLen() >= minRSA {
				keys = append(keys, key.Public())
			}
		case *ecdsa.PublicKey, ed25519.PublicKey:
			keys = append(keys, key.Public())
		}
	}
	return keys
}
