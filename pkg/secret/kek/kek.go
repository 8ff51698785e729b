// Package kek uses keys of key management services (KMSs) as key encryption keys
// (KEKs), which encrypt keyset files.
//
// A key is named by a URI in the form of Tink:
//
//	aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID
//	gcp-kms://projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/NAME
//	hcvault://HOST:PORT/transit/keys/NAME
//
// The identity of the process is that of the service's own tools: AWS's default
// credential chain, Google's application default credentials, and the variables
// VAULT_TOKEN, VAULT_NAMESPACE, VAULT_CACERT and others of Vault. Everything is read
// again for each call, because a process calls at its start and when it reloads, days
// later.
package kek

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"modelproviders/pkg/secret"
)

const (
	// timeout is how long a call may take, with all attempts.
	timeout  = 10 * time.Second
	attempts = 3
	// pause is the time before the second attempt; it doubles.
	pause = 200 * time.Millisecond
)

// service is a kind of KMS.
type service struct {
	name    string
	uri     *regexp.Regexp // of its keys; the group is what dial gets
	example string
	// limit is the most bytes that it encrypts; 0: enough for any keyset.
	limit int
	// dial returns the key. It may ask for credentials.
	dial func(ctx context.Context, key string) (secret.KEK, error)
	// explain returns what the service said, and what to do about it; empty: unknown.
	explain func(error) (said, remedy string)
}

func services() []service { return []service{awsKMS(), gcpKMS(), vaultTransit()} }

// What to do about refusals. The identity is that of the process.
const (
	remedyAllow = "let this process encrypt and decrypt with the key"
	remedyName  = "check the name of the key"
	remedyState = "enable or restore the key in the KMS"
	remedyOther = "use the key with which the keyset was encrypted; if it is that one, restore the keyset from your backup"
	remedyLater = "try again later"

	remedyIdentity = "check the credentials of this process"
)

// Open returns the key of a URI. It does not call the service.
func Open(uri string) (secret.KEK, error) {
	var examples []string
	for _, service := range services() {
		if match := service.uri.FindStringSubmatch(uri); match != nil {
			return &key{service: service, id: match[1]}, nil
		}
		examples = append(examples, service.example)
	}
	return nil, fmt.Errorf("%q is not the URI of a key, such as %s", uri, strings.Join(examples, " or "))
}

// key is a key of a KMS.
type key struct {
	service service
	id      string
}

// EncryptWithContext implements [secret.KEK].
func (k *key) EncryptWithContext(ctx context.Context, plain, associated []byte) ([]byte, error) {
	if limit := k.service.limit; limit > 0 && len(plain) > limit {
		return nil, fmt.Errorf("%s encrypts at most %d bytes, and the keyset has %d: destroy keys that you no longer need", k.service.name, limit, len(plain))
	}
	own := bytes.Clone(plain) // for a call that is not waited for; the caller overwrites its own
	sealed, err := k.call(ctx, secret.KEK.EncryptWithContext, own, associated)
	return sealed, k.explain(err, plain)
}

// DecryptWithContext implements [secret.KEK].
func (k *key) DecryptWithContext(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	plain, err := k.call(ctx, secret.KEK.DecryptWithContext, sealed, associated)
	return plain, k.explain(err, nil)
}

// errNoAnswer is the error of a call that takes too long.
var errNoAnswer = fmt.Errorf("no answer within %v", timeout)

// method is EncryptWithContext or DecryptWithContext.
type method func(remote secret.KEK, ctx context.Context, data, associated []byte) ([]byte, error)

// call calls the service. It returns when the time is over, also if a library does not:
// not all of them take the context.
func (k *key) call(ctx context.Context, run method, data, associated []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errNoAnswer)
	defer cancel()
	type result struct {
		data []byte
		err  error
	}
	results := make(chan result, 1)
	go func() {
		for n := 1; ; n++ {
			var r result
			var remote secret.KEK
			if remote, r.err = k.service.dial(ctx, k.id); r.err == nil {
				r.data, r.err = run(remote, ctx, data, associated)
			}
			if _, remedy := k.service.explain(r.err); r.err == nil || n == attempts || remedy != "" && remedy != remedyLater {
				results <- r
				return
			}
			time.Sleep(pause << (n - 1))
		}
	}()
	select {
	case r := <-results:
		if r.err != nil && ctx.Err() != nil {
			r.err = context.Cause(ctx)
		}
		return r.data, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// unprintable reports whether a character would break a line, or control a terminal.
func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == utf8.RuneError }

// maxSaid bounds what is quoted of a service, in bytes.
const maxSaid = 400

// explain returns an error that says what the service said and what to do. It never
// quotes the plaintext, not even if the service does.
func (k *key) explain(err error, plain []byte) error {
	if err == nil {
		return nil
	}
	said, remedy := k.service.explain(err)
	if said == "" {
		said, remedy = err.Error(), "check the address, the network and the credentials of this process"
		if sending, ok := errors.AsType[*url.Error](err); ok {
			said = sending.Error()
		}
	}
	said = strings.Join(strings.FieldsFunc(said, unprintable), " ")
	if quotes(said, plain) {
		said = "an error that quotes the request"
	}
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "") + "…"
	}
	return fmt.Errorf("%s (key %s): %s; %s", k.service.name, k.id, strings.TrimRight(said, ".: "), remedy)
}
