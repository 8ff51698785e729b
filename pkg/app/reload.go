package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// reloaded is what a service reads again while it runs.
type reloaded struct {
	certificate atomic.Pointer[tls.Certificate]

	mu       sync.Mutex // held by each reload
	warnings atomic.Pointer[[]string]
}

// warn returns what the last reload could not read.
func (r *reloaded) warn() []string {
	if warnings := r.warnings.Load(); warnings != nil {
		return *warnings
	}
	return nil
}

// Reload reads the TLS certificate and the keyset again. If one can't be used, or the
// keyset is not that of the database, the previous one stays in use, the error is
// logged, and /readyz has a warning until a later reload succeeds.
func (a *App) Reload(ctx context.Context) error {
	a.reloaded.mu.Lock()
	defer a.reloaded.mu.Unlock()
	var errs []error
	var warnings []string
	done := func(what string, err error, attrs ...any) {
		if err != nil {
			a.cfg.Logger.Error("could not reload the "+what+"; the previous one stays in use", slog.Any("error", err))
			errs = append(errs, fmt.Errorf("could not reload the %s: %w", what, err))
			warnings = append(warnings, "The "+what+" could not be reloaded. The previous one is in use; the log has the cause.")
			return
		}
		a.cfg.Logger.Info("reloaded the "+what, attrs...)
	}
	path := a.cfg.keysetPath()
	done("keyset", a.data.reloadKeyset(ctx, path, a.cfg.kek()), slog.String("path", path))
	if a.tls != nil {
		err := a.loadCertificate()
		done("TLS certificate", err, slog.String("path", a.cfg.TLSCert), slog.Time("expires", a.reloaded.certificate.Load().Leaf.NotAfter))
	}
	a.reloaded.warnings.Store(&warnings)
	return errors.Join(errs...)
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
