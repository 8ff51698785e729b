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
	checkEvery    = time.Second     // how often a process looks for providers whose check is due
	scheduleEvery = 2 * time.Second // how often it looks for new providers
	gatherFor     = time.Minute     // refusals of one caller become one audit event

	// The whole file is read, at start and then in this period.
	checkFileEvery   = time.Hour
	checkFileTimeout = 10 * time.Minute
)

// startJobs starts the background jobs. stop ends them, and finishes the work that
// the last requests left for them.
func (a *App) startJobs() (stop func(context.Context) error) {
	d, r, m := a.data, a.registry, a.metrics
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	report := func(name, failure string) func(error) {
		failures := m.jobFailures.WithLabelValues(name)
		return func(err error) {
			failures.Inc()
			a.cfg.Logger.Error(failure, slog.Any("error", err))
		}
	}
	every := func(period time.Duration, name, failure string, job func(context.Context) error) {
		running.Go(func() { repeat(ctx, period, job, report(name, failure)) })
	}
	every(linkEvery, "link_audit_events", couldNotLink, d.events.Link)
	every(flushEvery, "record_refusals", couldNotRecord, func(ctx context.Context) error { return d.refusals.Flush(ctx, gatherFor) })
	every(flushEvery, "store_token_use", couldNotNoteUses, d.tokens.Flush)
	every(0, "number_changes", couldNotNumber, r.NumberChanges)
	every(0, "listen_for_changes", "could not listen for changes; they are looked for several times a second", r.ListenForChanges)
	every(0, "read_changes", "could not read changes; those who wait for them wait longer", r.ReadChanges)
	every(cleanUpEvery, "clean_up", "could not delete expired data", a.cleanUp)
	every(dropChangesEvery, "drop_changes", "could not delete old changes", a.dropChanges)
	every(trySpaceEvery, "try_space", "could not find out whether the database has space", d.store.TrySpace)
	every(checkFileEvery, "check_file", "could not check the SQLite file for damage", d.checkFile)
	every(beatEvery, "heartbeat", "the heartbeat failed; this process keeps its share of the limits", d.beat)
	every(watchEvery, "watch_keyset", "could not look whether the keyset has changed", a.watchKeyset)
	every(measureEvery, "measure_database", "could not count unlinked audit events", func(ctx context.Context) error { return m.measure(ctx, d.store) })
	if a.webhooks != nil {
		every(sendEvery, "send_webhooks", "could not find out which webhooks are due", a.webhooks.SendDue)
	}
	var checker *registry.HealthChecker
	if a.cfg.Checks.Every > 0 {
		checker = registry.NewHealthChecker(r, d.store, a.cfg.Checks, report("check_providers", couldNotCheck))
		every(scheduleEvery, "schedule_checks", "could not schedule the checks of new providers", func(ctx context.Context) error { return m.schedule(ctx, checker) })
		every(checkEvery, "check_providers", couldNotCheck, checker.Start)
	}
	return func(last context.Context) error {
		cancel()
		running.Wait()
		if checker != nil {
			checker.Wait()
		}
		var interrupted error
		if a.webhooks != nil {
			interrupted = a.webhooks.Stop(last)
		}
		return errors.Join(
			failed("could not store which webhooks were delivered", interrupted),
			failed("could not report that this process has stopped", d.store.Leave(last, d.process)),
			failed(couldNotNoteUses, d.tokens.Flush(last)),
			failed(couldNotRecord, d.refusals.Flush(last, 0)),
			failed(couldNotLink, d.events.Link(last)),
			failed(couldNotNumber, r.NumberAllChanges(last)))
	}
}

// What jobs report when they fail.
const (
	couldNotCheck    = "could not check a provider"
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
func repeat(ctx context.Context, period time.Duration, job func(context.Context) error, report func(error)) {
	for {
		began := time.Now()
		err := job(ctx)
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

// schedule schedules the checks of new providers, and measures how late checks are.
func (m *metrics) schedule(ctx context.Context, checker *registry.HealthChecker) error {
	lag, err := checker.Schedule(ctx)
	if err == nil {
		m.checkLag.Set(lag.Seconds())
	}
	return err
}

func (a *App) cleanUp(ctx context.Context) error {
	now := a.cfg.Now()
	err := a.data.store.DropIdempotentRequests(ctx, now)
	if a.cfg.AuditRetention > 0 {
		err = errors.Join(err, a.data.events.Drop(ctx, now.Add(-a.cfg.AuditRetention)))
	}
	return err
}

// dropChanges removes old changes. It counts those of which the receiver of webhooks was
// not told.
func (a *App) dropChanges(ctx context.Context) error {
	before := a.cfg.Now().Add(-keepChanges)
	untold, err := a.data.store.DropWebhooks(ctx, before)
	if err != nil {
		return err
	}
	if untold > 0 {
		a.metrics.webhooksDropped.Add(float64(untold))
		a.cfg.Logger.Error("dropped webhooks that could not be delivered within 24 hours; the receiver has missed changes", slog.Int64("webhooks", untold))
	}
	return a.data.store.DropChanges(ctx, before)
}
