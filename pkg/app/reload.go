package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// watchEvery is how often a process looks whether the keyset file has changed. One
	// that could not be loaded is tried again after retryKeyset.
	watchEvery  = 2 * time.Second
	retryKeyset = 10 * time.Second

	// A request that needs a key that is not loaded waits for a reload, at most one a
	// second.
	reloadPause    = time.Second
	reloadKeysetIn = 5 * time.Second
)

// reloaded is what a service reads again while it runs.
type reloaded struct {
	certificate atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	failed map[string]string // the errors of the last reloads, by what was read

	// The fields below belong to the caller that holds busy.

	busy   *semaphore.Weighted // held while the keyset is read
	keyset string              // fingerprint of the file that was read last
	readAt time.Time
}

// warn returns what the last reloads could not read.
func (r *reloaded) warn() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var warnings []string
	for _, what := range slices.Sorted(maps.Keys(r.failed)) {
		warnings = append(warnings, "The "+what+" could not be reloaded. The previous one is in use; the log has the cause.")
	}
	return warnings
}

// note keeps the outcome of a reload, and reports whether it is another one than before.
func (r *reloaded) note(what string, err error) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, failed := r.failed[what]
	if err == nil {
		delete(r.failed, what)
		return failed
	}
	r.failed[what] = err.Error()
	return before != err.Error()
}

// Reload reads the TLS certificate and the keyset again. If one can't be used, or the
// keyset is not that of the database, the previous one stays in use, the error is
// logged, and /readyz has a warning until a later reload succeeds.
func (a *App) Reload(ctx context.Context) error {
	if err := a.reloaded.busy.Acquire(ctx, 1); err != nil {
		return err
	}
	defer a.reloaded.busy.Release(1)
	err := a.reloadKeyset(ctx, true)
	if a.tls == nil {
		return err
	}
	failure := a.loadCertificate()
	a.reloaded.note("TLS certificate", failure)
	return errors.Join(err, a.log("TLS certificate", failure,
		slog.String("path", a.cfg.TLSCert), slog.Time("expires", a.reloaded.certificate.Load().Leaf.NotAfter)))
}

// log logs the outcome of a reload.
func (a *App) log(what string, err error, attrs ...any) error {
	if err != nil {
		a.cfg.Logger.Error("could not reload the "+what+"; the previous one stays in use", slog.Any("error", err))
		return fmt.Errorf("could not reload the %s: %w", what, err)
	}
	a.cfg.Logger.Info("reloaded the "+what, attrs...)
	return nil
}

// loadCertificate reads the files of the TLS certificate and its key.
func (a *App) loadCertificate() error {
	certificate, err := tls.LoadX509KeyPair(a.cfg.TLSCert, a.cfg.TLSKey)
	if err != nil {
		return err
	}
	a.reloaded.certificate.Store(&certificate)
	return nil
}

// watchKeyset reads the keyset again if its file has changed, or if it could not be read
// the last time.
func (a *App) watchKeyset(ctx context.Context) error {
	r := &a.reloaded
	if err := r.busy.Acquire(ctx, 1); err != nil {
		return nil // the service stops
	}
	defer r.busy.Release(1)
	r.mu.Lock()
	_, failed := r.failed[keysetName]
	r.mu.Unlock()
	if fingerprint(a.cfg.keysetPath()) != r.keyset || failed && time.Since(r.readAt) > retryKeyset {
		_ = a.reloadKeyset(ctx, false) // it logs the error
	}
	return nil
}

// reloadKeysetSoon reads the keyset again for a request that needs a key, unless it was
// read just now. The request may have a transaction, which must not include this.
func (a *App) reloadKeysetSoon(ctx context.Context) {
	wait, cancel := context.WithTimeout(ctx, reloadPause)
	defer cancel()
	if a.reloaded.busy.Acquire(wait, 1) != nil {
		return
	}
	defer a.reloaded.busy.Release(1)
	if time.Since(a.reloaded.readAt) < reloadPause {
		return
	}
	own, cancel := context.WithTimeout(context.Background(), reloadKeysetIn)
	defer cancel()
	_ = a.reloadKeyset(own, false) // it logs the error
}

// keysetName is what logs and warnings call the keyset.
const keysetName = "keyset"

// reloadKeyset reads the keyset. The caller must hold busy. Unless an operator asked for
// it, an outcome is logged only if it is news.
func (a *App) reloadKeyset(ctx context.Context, asked bool) error {
	r := &a.reloaded
	path := a.cfg.keysetPath()
	file := fingerprint(path) // before it is read, so that a later change is noticed
	err := a.data.reloadKeyset(ctx, path, a.cfg.kek())
	if ctx.Err() != nil && err != nil {
		return err // the service stops, or the caller went away
	}
	changed := file != r.keyset
	r.keyset, r.readAt = file, time.Now()
	if news := r.note(keysetName, err); news || changed || asked {
		err = a.log(keysetName, err, slog.String("path", path))
	}
	return err
}

// fingerprint identifies the content of a file, or why it can't be read. So a file that
// is replaced is noticed in whichever way that is done.
func fingerprint(path string) string {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(f, 2<<20)); err != nil { // more than a keyset may have
		return err.Error()
	}
	return string(hash.Sum(nil))
}
