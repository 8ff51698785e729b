package auth

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
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

	// Tokens that no known key signed make the issuer be asked for new ones, at
	// most strangersBurst times at once and then once every strangersPace:
	// whoever sends made-up tokens must not make us flood it.
	strangersPace  = 10 * time.Second
	strangersBurst = 5
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
	held     *oidc.StaticKeySet
	readAt   time.Time // when held was read
	failures int       // readings in a row that failed
	cause    error     // of the last of them
	retryAt  time.Time // no reading before
}

func newIssuerKeys(cfg OIDCConfig) *issuerKeys {
	return &issuerKeys{
		issuer: cfg.Issuer, client: &http.Client{Transport: newIssuerTransport(cfg.Transport)}, logger: cfg.Logger, now: cfg.Now,
		strangers: rate.NewLimiter(rate.Every(strangersPace), strangersBurst),
	}
}

// VerifySignature implements [oidc.KeySet]. It returns unavailable when keys are
// needed that can't be read, and any other error for a token that the issuer did
// not sign.
func (k *issuerKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	keys, justRead, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := keys.VerifySignature(ctx, jwt)
	if err == nil || justRead || !k.strangers.AllowN(k.now(), 1) {
		return payload, err
	}
	newer, err := wait(ctx, k.read(ctx, keys))
	if err != nil {
		return nil, err
	}
	return newer.VerifySignature(ctx, jwt)
}

// current returns the keys to use now, and whether they had to be read for it.
func (k *issuerKeys) current(ctx context.Context) (keys *oidc.StaticKeySet, justRead bool, err error) {
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
func (k *issuerKeys) read(ctx context.Context, known *oidc.StaticKeySet) <-chan singleflight.Result {
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
func wait(ctx context.Context, reading <-chan singleflight.Result) (*oidc.StaticKeySet, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case result := <-reading:
		keys, _ := result.Val.(*oidc.StaticKeySet)
		return keys, result.Err
	}
}

func (k *issuerKeys) succeeded(keys *oidc.StaticKeySet) {
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

func issuerUnavailable(cause error, pause time.Duration) error {
	f := fault.Wrap(fault.Unavailable, cause, "The sign-in can't be checked now: the issuer of the token can't be reached. Try again shortly.")
	f.RetryAfter = pause
	return f
}

// fetch asks the issuer where its keys are (OpenID Connect Discovery, section 4)
// and for them.
func (k *issuerKeys) fetch(ctx context.Context) (*oidc.StaticKeySet, error) {
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
	return &oidc.StaticKeySet{PublicKeys: keys}, nil
}

// usableKeys returns the public keys for signatures of a key set. Keys of other
// kinds, and what can't be understood, are passed over (RFC 7517, section 5).
func usableKeys(published []json.RawMessage) []crypto.PublicKey {
	var keys []crypto.PublicKey
	for _, raw := range published {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) != nil || key.Use != "" && key.Use != "sig" {
			continue
		}
		switch public := key.Public().Key.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
			keys = append(keys, public)
		}
	}
	return keys
}
