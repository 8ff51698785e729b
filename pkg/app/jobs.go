package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/webhook"
)

const (
	linkEvery    = 200 * time.Millisecond // audit events are linked within a second
	flushEvery   = time.Second
	cleanUpEvery = time.Minute
	// Looking for old changes reads one of each workspace, so it is done less often.
	dropChangesEvery = 10 * time.Minute
	keepChanges      = 24 * time.Hour
	// trySpaceEvery is how soon models are tested again when a full disk has space.
	trySpaceEvery = time.Second
	sendEvery     = time.Second
	gatherFor     = time.Minute // refusals of one caller become one audit event

	// hashEvery is how often credentials without a hash are looked for. They were stored
	// by an earlier version, which may still run for a while after a start.
	hashEvery = time.Hour

	// The whole file is read, at start and then in this period.
	checkFileEvery   = time.Hour
	checkFileTimeout = 10 * time.Minute
)

// startJobs starts the background jobs. stop ends them, and finishes the work that
// the last requests left for them.
func (d *data) startJobs(cfg Config, r *registry.Registry, m *metrics, webhooks *webhook.Sender, watchKeyset func(context.Context) error) (stop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	every := func(period time.Duration, name, failure string, job func() error) {
		failures := m.jobFailures.WithLabelValues(name)
		running.Go(func() {
			repeat(ctx, period, job, func(err error) {
				failures.Inc()
				cfg.Logger.Error(failure, slog.Any("error", err))
			})
		})
	}
	every(linkEvery, "link_audit_events", couldNotLink, func() error { return d.events.Link(ctx) })
	every(flushEvery, "record_refusals", couldNotRecord, func() error { return d.refusals.Flush(ctx, gatherFor) })
	every(flushEvery, "store_token_use", couldNotNoteUses, func() error { return d.tokens.Flush(ctx) })
	every(0, "number_changes", couldNotNumber, func() error { return r.NumberChanges(ctx) })
	every(0, "listen_for_changes", "could not listen for changes; they are looked for several times a second", func() error { return r.ListenForChanges(ctx) })
	every(0, "read_changes", "could not read changes; those who wait for them wait longer", func() error { return r.ReadChanges(ctx) })
	every(cleanUpEvery, "clean_up", "could not delete expired data", func() error { return d.cleanUp(ctx, cfg) })
	every(dropChangesEvery, "drop_changes", "could not delete old changes", func() error { return d.dropChanges(ctx, cfg.Now().Add(-keepChanges), m) })
	every(trySpaceEvery, "try_space", "could not find out whether the database has space", func() error { return d.store.TrySpace(ctx) })
	every(hashEvery, "hash_credentials", "could not hash all stored credentials; lookups decrypt the others", func() error { return r.HashCredentials(ctx) })
	every(checkFileEvery, "check_file", "could not check the SQLite file for damage", func() error { return d.checkFile(ctx) })
	every(beatEvery, "heartbeat", "the heartbeat failed; this process keeps its share of the limits", func() error { return d.beat(ctx) })
	every(watchEvery, "watch_keyset", "could not look whether the keyset has changed", func() error { return watchKeyset(ctx) })
	every(measureEvery, "measure_database", "could not count unlinked audit events", func() error { return m.measure(ctx, d.store) })
	if webhooks != nil {
		every(sendEvery, "send_webhooks", "could not find out which webhooks are due", func() error { return webhooks.SendDue(ctx) })
	}
	var checker *registry.HealthChecker
	if cfg.Checks.Every > 0 {
		checker = newChecker(cfg, d, r, m)
		every(scheduleEvery, scheduleChecks, "could not schedule the checks of new providers", func() error { return m.schedule(ctx, checker) })
		every(checkEvery, checkProviders, couldNotCheck, func() error { return checker.Start(ctx) })
	}
	return func(last context.Context) error {
		cancel()
		running.Wait()
		if checker != nil {
			checker.Wait()
		}
		var interrupted error
		if webhooks != nil {
			interrupted = webhooks.Stop(last)
		}
		return errors.Join(
			failed("could not store which webhooks were delivered", interrupted),
			failed("could not report that this process has stopped", d.store.Leave(last, d.process)),
			failed(couldNotNoteUses, d.tokens.Flush(last)),
			failed(couldNotRecord, d.refusals.Flush(last, 0)),
			failed(couldNotLink, d.events.Link(last)),
			failed(couldNotNumber, r.NumberLastChanges(last)))
	}
}

// What jobs report when they fail.
const (
	couldNotLink     = "could not link audit events"
	couldNotRecord   = "could not record refusals"
	couldNotNumber   = "could not number changes; those who wait for them wait longer"
	couldNotNoteUses = "could not store when tokens were last used"
)

func failed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// repeat starts a job in each period until ctx ends. It reports failures, and tries
// again after a second at the earliest.
func repeat(ctx context.Context, period time.Duration, job func() error, report func(error)) {
	for {
		began := time.Now()
		err := job()
		pause := period - time.Since(began)
		if err != nil && ctx.Err() == nil {
			report(err)
			pause = max(pause, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// checkFile looks for damage in the SQLite file.
func (d *data) checkFile(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkFileTimeout)
	defer cancel()
	err := d.store.QuickCheck(ctx)
	var damage *store.DamageError
	if errors.As(err, &damage) {
		d.logger.Error("the database is damaged; stop the service and restore a backup", slog.Any("error", damage))
		err = nil
	}
	if err == nil {
		d.damage.Store(damage)
	}
	return err
}

func (d *data) cleanUp(ctx context.Context, cfg Config) error {
	now := cfg.Now()
	err := d.store.DropIdempotentRequests(ctx, now)
	if cfg.AuditRetention > 0 {
		err = errors.Join(err, d.events.Drop(ctx, now.Add(-cfg.AuditRetention)))
	}
	return err
}

// dropChanges removes changes that are before a time. It counts those of which the receiver
// of webhooks was not told.
func (d *data) dropChanges(ctx context.Context, before time.Time, m *metrics) error {
	untold, err := d.store.DropWebhooks(ctx, before)
	if err != nil {
		return err
	}
	if untold > 0 {
		m.webhooksDropped.Add(float64(untold))
		d.logger.Error("dropped webhooks that could not be delivered within 24 hours; the receiver has missed changes", slog.Int64("webhooks", untold))
	}
	return d.store.DropChanges(ctx, before)
}
