// Package registry is the domain: providers, their models and their encrypted
// credentials, the rules for them, and the clients that are built from them on
// demand.
//
// Credentials are encrypted and decrypted here and nowhere else: the [Store] sees
// ciphertext, the API masks. They are decrypted for a client, for
// [Registry.Reveal], and once for [Registry.Lookup] if they were stored before it.
package registry

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// Config configures a registry.
type Config struct {
	Store  Store
	Audit  audit.Recorder
	Keyset *secret.Keyset
	// BeforeSealing returns an error while this process must not seal.
	BeforeSealing func(ctx context.Context) error
	// ReloadKeyset reads the file of the keyset again, because a key is missing.
	ReloadKeyset func(ctx context.Context)
	// LookupKey is the key from which those of [Registry.Lookup] are derived. It is the
	// same for every process on the database.
	LookupKey []byte
	// Limiter bounds calls to upstreams and reveals.
	Limiter *auth.Limiter
	// Transport returns the guarded transport for upstream calls; calls to the
	// trusted origins are exempt from its policy.
	Transport func(trusted ...string) http.RoundTripper
	Endpoints provider.Endpoints
	// TestTimeout bounds one upstream call.
	TestTimeout time.Duration
	Observer    Observer
	Now         func() time.Time
}

// Registry is the service over providers and models. Ids are UUIDs in lower case.
// It is safe for concurrent use. Its methods return a [*fault.Error] or the error
// of a done context.
type Registry struct {
	Reader
	cfg   Config
	store Store
	feeds *changeFeeds

	clients  *lru.Cache[clientKey, *keptClient]
	building singleflight.Group

	hits, misses, evictions atomic.Uint64 // of clients
}

// New returns a registry.
func New(cfg Config) (*Registry, error) {
	clients, err := lru.NewWithEvict(maxClients, func(_ clientKey, c *keptClient) { c.retire() })
	if err != nil {
		return nil, fmt.Errorf("client cache: %w", err)
	}
	return &Registry{Reader: cfg.Store, cfg: cfg, store: cfg.Store, feeds: newChangeFeeds(), clients: clients}, nil
}

// clock returns the current time as it is stored: UTC, in milliseconds.
func (r *Registry) clock() time.Time { return r.cfg.Now().UTC().Truncate(time.Millisecond) }

// newID makes a UUIDv7 (RFC 9562, section 5.7): ids of one process ascend.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Fold returns the form of a name under which two spellings are the same:
// case-folded and NFC-normalised (Unicode, sections 3.13 and UAX #15). It is
// computed here rather than in SQL, so that all databases agree.
func Fold(name string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(name)))
}
