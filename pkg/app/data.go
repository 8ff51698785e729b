package app

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
)

// data is what a service keeps: database and keyset, and what works on them.
type data struct {
	process     string // its id among those that serve
	alive       int    // processes that serve, by the last beat
	store       *store.Store
	keyset      *secret.Keyset
	events      *audit.Log
	refusals    *audit.Refusals
	tokens      *auth.Tokens
	limiter     *auth.Limiter
	idempotency *registry.Idempotency
}

// openData opens the data dir, the database and the keyset. A database that has
// to exist is not begun.
func openData(ctx context.Context, cfg Config, existing bool) (d *data, err error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("MODELPROVIDERS_DATA_DIR: the data dir can't be made: %w", err)
	}
	d = &data{process: uuid.NewString(), alive: 1}
	d.store, err = store.Open(ctx, cfg.store(existing))
	if err != nil {
		setting := "MODELPROVIDERS_DATABASE_URL"
		if cfg.DatabaseURL == "" {
			setting = "MODELPROVIDERS_DATA_DIR"
		}
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	if err := d.openKeys(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("MODELPROVIDERS_KEYSET: %w", err), d.store.Close())
	}
	return d, nil
}

// openKeys opens the keyset, and makes what needs keys.
func (d *data) openKeys(ctx context.Context, cfg Config) (err error) {
	if d.keyset, err = openKeyset(ctx, d.store, cfg.keysetPath(), cfg.Logger); err != nil {
		return err
	}
	master, err := openMaster(ctx, d.store, d.keyset)
	if err != nil {
		return err
	}
	chain, err := hkdf.Key(sha256.New, master, nil, "audit chain", sha256.Size)
	if err != nil {
		return err
	}
	bodies, err := hkdf.Key(sha256.New, master, nil, "idempotency", sha256.Size)
	if err != nil {
		return err
	}
	d.events = audit.NewLog(d.store, chain, cfg.Now)
	d.refusals = audit.NewRefusals(d.events, auth.DefaultWorkspace)
	d.tokens = auth.NewTokens(d.store, d.events, cfg.Now)
	d.limiter = auth.NewLimiter(cfg.Limits, cfg.Now)
	d.idempotency = registry.NewIdempotency(d.store, bodies, cfg.Now)
	return nil
}

// masterClaim is where a database keeps the key that HMAC keys are derived from
// (RFC 5869), sealed under the keyset.
const masterClaim = "hmac_master"

// openMaster opens that key. The first start makes it; of several processes one
// does.
func openMaster(ctx context.Context, db claims, keys *secret.Keyset) ([]byte, error) {
	sealed, err := db.Claimed(ctx, masterClaim)
	if fault.Is(err, fault.NotFound) {
		fresh := make([]byte, sha256.Size)
		if _, err := rand.Read(fresh); err != nil {
			return nil, err
		}
		made, sealErr := keys.SealToken(fresh, []byte(masterClaim))
		if sealErr != nil {
			return nil, sealErr
		}
		sealed, err = db.Claim(ctx, masterClaim, []byte(made))
	}
	if err != nil {
		return nil, err
	}
	return keys.OpenToken(string(sealed), []byte(masterClaim))
}

// firstAdmin leaves the first admin token in the data dir. The log says where
// it is, never what it is.
func (d *data) firstAdmin(ctx context.Context, cfg Config) error {
	path := cfg.adminTokenPath()
	made, err := d.tokens.FirstAdmin(ctx, func(value string) error { return writePrivate(path, value+"\n") })
	if err != nil {
		return fmt.Errorf("the first admin token can't be made: %w", err)
	}
	if made {
		cfg.Logger.Info("made the first admin token; keep it safe", slog.String("path", path))
	}
	return nil
}

// writePrivate writes a file that only its owner can read. A file that is there
// already is from a start that never finished: nothing in it is valid.
func writePrivate(path, content string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// usable says which part is not: database, schema or keys.
func (d *data) usable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	switch err := d.store.SchemaCurrent(ctx); {
	case fault.As(err) != nil, ctx.Err() != nil:
		return fault.Wrap(fault.Unavailable, err, "the database can't be reached")
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "the database's schema is not the one that this version needs")
	}
	claim, err := d.store.Claimed(ctx, keysetClaim)
	if err != nil || !d.keyset.Matches(claim) {
		return fault.Wrap(fault.Unavailable, err, "the encryption keys are not those of the database")
	}
	return nil
}

// chores is the work beside requests. end ends it.
type chores struct{ end func() error }

// Times of the chores.
const (
	flushEvery = time.Second
	clearEvery = time.Minute // what has expired
	gatherFor  = time.Minute // refusals of one caller become one event
)

// begin starts the chores: linking audit events, recording gathered refusals,
// noting uses of tokens, saying that the process lives, and clearing away what
// has expired.
func (d *data) begin(cfg Config) *chores {
	ctx, stop := context.WithCancel(context.Background())
	report := func(what string) func(error) {
		return func(err error) { cfg.Logger.Error(what, slog.Any("error", err)) }
	}
	var running sync.WaitGroup
	running.Go(func() { d.events.Run(ctx, report("audit events could not be linked")) })
	running.Go(func() {
		every(ctx, flushEvery, func() error { return d.refusals.Flush(ctx, gatherFor) }, report("refusals could not be recorded"))
	})
	running.Go(func() {
		every(ctx, flushEvery, func() error { return d.tokens.Flush(ctx) }, report("uses of tokens could not be noted"))
	})
	running.Go(func() { d.stayAlive(ctx, cfg.Logger) })
	running.Go(func() {
		every(ctx, clearEvery, func() error { return d.clearAway(ctx, cfg) }, report("what has expired could not be cleared away"))
	})
	return &chores{end: func() error {
		stop()
		running.Wait()
		// What the last requests left to do, within one bound for all of it.
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		return errors.Join(d.store.Leave(ctx, d.process), d.tokens.Flush(ctx), d.refusals.Flush(ctx, 0), d.events.Link(ctx))
	}}
}

// every does a chore at once, and again after each pause, until ctx is done. report hears
// of a failure; the chore is tried again.
func every(ctx context.Context, pause time.Duration, chore func() error, report func(error)) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if err := chore(); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *data) clearAway(ctx context.Context, cfg Config) error {
	now := cfg.Now()
	err := d.store.DropRepeatables(ctx, now)
	if cfg.AuditRetention > 0 {
		err = errors.Join(err, d.events.Drop(ctx, now.Add(-cfg.AuditRetention)))
	}
	return err
}
