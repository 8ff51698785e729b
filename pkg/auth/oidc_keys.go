package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
