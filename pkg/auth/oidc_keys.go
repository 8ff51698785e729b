package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"

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
)

// issuerKeys are the keys an issuer signs with, read by discovery.
//
// They are read when the first token comes, again after [keysFreshFor], so that
// a key the issuer withdrew is no longer trusted, and at once for a token that
// names a key not known yet: a new key needs no restart. Whoever comes while
// they are being read waits for that one reading; after one that failed nobody
// asks for a while.
type issuerKeys struct {
	issuer    string
	transport http.RoundTripper
	logger    *slog.Logger
	now       func() time.Time
	reading   singleflight.Group

	mu       sync.Mutex // guards what follows
	held     *oidc.RemoteKeySet
	readAt   time.Time // when held was read
	failures int       // readings in a row that failed
	cause    error     // of the last of them
	retryAt  time.Time // no reading before
}

func newIssuerKeys(cfg OIDCConfig) *issuerKeys {
	return &issuerKeys{issuer: cfg.Issuer, transport: newIssuerTransport(cfg.Transport), logger: cfg.Logger, now: cfg.Now}
}

// VerifySignature implements [oidc.KeySet]. It returns unavailable when the keys
// that it takes can't be read, and any other error for a token that none of them
// signed.
func (k *issuerKeys) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	keys, err := k.current(ctx, jwt)
	if err != nil {
		return nil, err
	}
	payload, err := keys.VerifySignature(ctx, jwt)
	if failure := readFailure(err); failure != nil {
		return nil, issuerUnavailable(failure, pace)
	}
	return payload, err
}

// current returns the keys to use now, and reads them first where that is due.
func (k *issuerKeys) current(ctx context.Context, jwt string) (*oidc.RemoteKeySet, error) {
	held, due := k.known()
	if !due {
		return k.orUnavailable(held)
	}
	read := k.reading.DoChan("", func() (any, error) { return k.refresh(context.WithoutCancel(ctx), jwt) })
	var patience <-chan time.Time
	if held != nil {
		timer := time.NewTimer(keysPatience)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-patience:
		return held, nil
	case result := <-read:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(*oidc.RemoteKeySet), nil
	}
}

// known returns the keys that may still be used, or nil, and whether the issuer
// is to be asked.
func (k *issuerKeys) known() (held *oidc.RemoteKeySet, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	age := now.Sub(k.readAt)
	if k.held != nil && age < keysKeptFor {
		held = k.held
	}
	return held, (held == nil || age >= keysFreshFor) && !now.Before(k.retryAt)
}

func (k *issuerKeys) orUnavailable(held *oidc.RemoteKeySet) (*oidc.RemoteKeySet, error) {
	if held != nil {
		return held, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return nil, issuerUnavailable(k.cause, k.retryAt.Sub(k.now()))
}

// refresh reads the keys anew, unless that has just been done. The ones held
// stay in use when it fails.
func (k *issuerKeys) refresh(ctx context.Context, jwt string) (*oidc.RemoteKeySet, error) {
	held, due := k.known()
	if !due {
		return k.orUnavailable(held)
	}
	keys, err := k.read(ctx, jwt)
	k.note(keys, err)
	if err == nil {
		return keys, nil
	}
	return k.orUnavailable(held)
}

// read asks the issuer where its keys are, and for them.
func (k *issuerKeys) read(ctx context.Context, jwt string) (*oidc.RemoteKeySet, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, &http.Client{Transport: k.transport}), k.issuer)
	if err != nil {
		return nil, err
	}
	var metadata struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&metadata); err != nil {
		return nil, err
	}
	paced := &http.Client{Transport: newPacedTransport(k.transport, k.now)}
	keys := oidc.NewRemoteKeySet(oidc.ClientContext(context.Background(), paced), metadata.KeysURL)
	// A key set reads its keys when it meets the first token. Whether they signed
	// this one doesn't matter yet, only whether they could be read.
	_, err = keys.VerifySignature(ctx, jwt)
	return keys, readFailure(err)
}

// readFailure returns why a key set could not read its keys, and nil when it
// could and they did not sign the token. go-oidc wraps the error of a reading
// alone, and quotes all that it could not decode.
func readFailure(err error) error {
	var failed *issuerError
	switch {
	case errors.As(err, &failed):
		return failed
	case errors.Unwrap(err) == nil, errors.Is(err, errPaced):
		return nil
	}
	return errors.New("the issuer's key set can't be decoded")
}

// note remembers how a reading ended.
func (k *issuerKeys) note(keys *oidc.RemoteKeySet, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		if k.failures > 0 {
			k.logger.Info("the keys of the OIDC issuer can be read again", slog.String("issuer", k.issuer))
		}
		k.held, k.readAt, k.failures, k.cause = keys, k.now(), 0, nil
		return
	}
	wait := min(firstRetry<<min(k.failures, 10), slowestRetry)
	k.failures++
	k.cause, k.retryAt = err, k.now().Add(wait)
	k.logger.Warn("the keys of the OIDC issuer can't be read, so sign-ins through it may have to wait",
		slog.String("issuer", k.issuer), slog.Any("error", err), slog.Duration("retry_in", wait))
}

func issuerUnavailable(cause error, wait time.Duration) error {
	f := fault.Wrap(fault.Unavailable, cause, "The sign-in can't be checked now: the issuer of the token can't be reached. Try again shortly.")
	f.RetryAfter = max(wait, time.Second)
	return f
}
