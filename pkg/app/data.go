package app

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
)

// data is what a service stores, and what works on it.
type data struct {
	process    string // the id of this process
	host       string // what operators call it
	serves     bool   // it is no command, so it reports that it is alive
	alive      int    // processes on this database, by the last beat
	beatFailed bool   // the last one

	reported   atomic.Pointer[time.Time] // when this process last reported; nil: never
	reporting  *semaphore.Weighted       // held while it reports, or replaces its keys
	reloadSoon func(context.Context)     // reads the keyset again, unless it was read just now

	damage atomic.Pointer[store.DamageError] // found by the last check of the SQLite file

	logger      *slog.Logger
	store       *store.Store
	keyset      *secret.Keyset
	lookupKey   []byte // see [registry.Config]
	changeKey   []byte // see [api.Config]
	events      *audit.Log
	refusals    *audit.Refusals
	tokens      *auth.Tokens
	limiter     *auth.Limiter
	idempotency *registry.Idempotency
}

// openData opens the data directory, the database and the keyset. With existing, it
// does not create a database.
func openData(ctx context.Context, cfg Config, existing bool) (d *data, err error) {
	lost := cfg.mustExist()
	d = &data{process: uuid.NewString(), host: hostAndPID(), alive: 1, logger: cfg.Logger, reporting: semaphore.NewWeighted(1)}
	if d.store, err = openStore(ctx, cfg, existing, lost); err != nil {
		return nil, err
	}
	if err := d.openKeys(ctx, cfg, lost); err != nil {
		setting := Setting("keyset")
		if lost != nil && errors.Is(err, lost) {
			setting = cfg.databaseSetting()
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", setting, err), d.store.Close())
	}
	if cfg.NewDatabase {
		cfg.Logger.Warn("an empty database is accepted; so that a lost database is noticed at the next start, remove the setting " + Setting("new-database").String())
	}
	return d, nil
}

// openStore opens the database. It creates it if it is missing, unless it must exist or
// was lost.
func openStore(ctx context.Context, cfg Config, existing bool, lost error) (*store.Store, error) {
	setting := cfg.databaseSetting()
	existing = existing || lost != nil
	if cfg.DatabaseURL == "" && existing {
		err := cfg.checkSQLiteFile()
		if lost != nil && errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%s: %w", setting, lost)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("%s: could not create the data directory: %w", Setting("data-dir"), err)
	}
	db, err := store.Open(ctx, cfg.store(existing))
	if lost != nil && errors.Is(err, store.ErrNoSchema) {
		err = lost
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return db, nil
}

// checkSQLiteFile returns an error if there is no SQLite file.
func (c Config) checkSQLiteFile() error {
	if _, err := os.Stat(c.sqlitePath()); err != nil {
		return fmt.Errorf("%s: could not find the database: %w", Setting("data-dir"), err)
	}
	return nil
}

// openKeys opens the keyset, and creates what needs keys. For lost see [openKeyset].
func (d *data) openKeys(ctx context.Context, cfg Config, lost error) (err error) {
	if d.keyset, err = openKeyset(ctx, d.store, cfg.keysetPath(), cfg.kek(), lost, cfg.Logger); err != nil {
		return err
	}
	master, err := openMaster(ctx, d.store, d.keyset)
	if err != nil {
		return err
	}
	d.lookupKey = deriveKey(master, "credential lookup")
	d.changeKey = deriveKey(master, "change cursors")
	d.events = openAudit(d.store, master, cfg)
	d.refusals = audit.NewRefusals(d.events, auth.DefaultWorkspace)
	d.tokens = auth.NewTokens(d.store, d.events, cfg.Now)
	d.limiter = auth.NewLimiter(cfg.Limits, cfg.Now)
	d.idempotency = registry.NewIdempotency(d.store, deriveKey(master, "idempotency"), cfg.Now)
	return nil
}

// openAudit returns the audit log of a database.
func openAudit(db *store.Store, master []byte, cfg Config) *audit.Log {
	return audit.NewLog(db, deriveKey(master, "audit chain"), cfg.Now)
}

// deriveKey returns the key for a purpose.
func deriveKey(master []byte, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, purpose, sha256.Size)
	if err != nil {
		panic(err) // only for a key of more than 255 times this size
	}
	return key
}

// openMaster decrypts the master key, and creates it at the first start. Processes
// that start at the same time get the same key.
func openMaster(ctx context.Context, db *store.Store, keys *secret.Keyset) ([]byte, error) {
	sealed, err := db.Claimed(ctx, registry.MasterClaim)
	if fault.Is(err, fault.NotFound) {
		master := make([]byte, sha256.Size)
		_, _ = rand.Read(master) // never fails: see its documentation
		made, sealErr := keys.SealToken(master, []byte(registry.MasterClaim))
		if sealErr != nil {
			return nil, sealErr
		}
		sealed, err = db.Claim(ctx, registry.MasterClaim, []byte(made))
	}
	if err != nil {
		return nil, err
	}
	return unsealMaster(keys, sealed)
}

func unsealMaster(keys *secret.Keyset, sealed []byte) ([]byte, error) {
	return keys.OpenToken(string(sealed), []byte(registry.MasterClaim))
}

// firstAdmin writes the first admin token to a file in the data directory, and the
// path of the file to the log.
func (d *data) firstAdmin(ctx context.Context, cfg Config) error {
	path := cfg.adminTokenPath()
	made, err := d.tokens.FirstAdmin(ctx, func(value string) error { return writePrivate(path, value+"\n") })
	if err != nil {
		return fmt.Errorf("could not create the first admin token: %w", err)
	}
	if made {
		d.logger.Info("created the first admin token; keep it safe", slog.String("path", path))
	}
	return nil
}

// writePrivate writes a file that only its owner can read. It replaces the file of a
// start that did not finish.
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

// ready returns unavailable if the database, its schema or the keys are not
// usable.
func (d *data) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if damage := d.damage.Load(); damage != nil {
		return fault.Wrap(fault.Unavailable, damage, "the SQLite file is damaged; `modelproviders doctor` says where. Restore a backup")
	}
	if err := d.store.HasSpace(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the database has no space left; free space on its disk")
	}
	switch err := d.store.SchemaCurrent(ctx); {
	case fault.As(err) != nil, ctx.Err() != nil:
		return fault.Wrap(fault.Unavailable, err, "the database can't be reached")
	case err != nil:
		return fault.Wrap(fault.Unavailable, err, "the schema of the database is not the one that this version needs")
	}
	claim, err := d.store.Claimed(ctx, registry.KeysetClaim)
	if err != nil || !d.keyset.Matches(claim) {
		return fault.Wrap(fault.Unavailable, err, "the encryption keys are not those of the database")
	}
	sealing, err := d.store.SealingKey(ctx)
	if err != nil || !slices.Contains(d.keyset.IDs(), sealing) {
		return fault.Wrap(fault.Unavailable, err, "the keyset lacks the key %d, with which new values are encrypted", sealing)
	}
	return nil
}

// hostAndPID is what operators call this process.
func hostAndPID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("%s, pid %d", host, os.Getpid())
}
