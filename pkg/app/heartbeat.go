package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

const (
	// beatEvery is how often a process reports that it is alive. A process that has
	// not reported for three periods counts as dead; see [store.Store.Beat].
	beatEvery = 5 * time.Second

	// A process that has not reported for deadAfter does not keep a key from being
	// promoted; see [registry.KeyStore].
	deadAfter = 30 * time.Second
)

// beat reports that this process is alive, and takes its share of the limits on
// callers. The others notice a new process with their next beat; until then the
// sum of the shares may exceed a limit. The first beat after a failed one changes
// no share: the other processes may not have been able to beat either.
func (d *data) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, beatEvery) // a late beat would find waiting processes dead
	defer cancel()
	alive, sealing, err := d.report(ctx)
	recovering := d.beatFailed
	d.beatFailed = err != nil
	if err != nil {
		return err
	}
	if !recovering && alive != d.alive {
		d.logger.Info("the number of processes changed; each enforces an equal share of the limits", slog.Int("processes", alive))
	}
	if !recovering {
		d.alive = alive
		d.limiter.Share(alive)
	}
	if d.keyset.SealUnder(sealing) != nil {
		d.reloadSoon(ctx)
	}
	if err := d.keyset.SealUnder(sealing); err != nil {
		return fmt.Errorf("the key %d, with which new values are encrypted, is missing, so no credential can be stored: %w", sealing, err)
	}
	return nil
}

// report tells the database that this process is alive, and which keys it has loaded.
func (d *data) report(ctx context.Context) (alive int, sealing uint32, err error) {
	if err := d.reporting.Acquire(ctx, 1); err != nil {
		return 0, 0, err
	}
	defer d.reporting.Release(1)
	return d.reportKeys(ctx, d.keyset.IDs())
}

// reportKeys is report with the ids of some keys. The caller must hold d.reporting.
func (d *data) reportKeys(ctx context.Context, ids []uint32) (alive int, sealing uint32, err error) {
	began := time.Now()
	alive, sealing, err = d.store.Beat(ctx, registry.Process{ID: d.process, Host: d.host, Keys: ids})
	if err == nil {
		d.reported.Store(&began)
	}
	return alive, sealing, err
}

// maySeal is [registry.Config.BeforeSealing]: a process that others may take for dead,
// because it was paused or without its database, reports before it writes again.
func (d *data) maySeal(ctx context.Context) error {
	if at := d.reported.Load(); at != nil && time.Since(*at) < deadAfter {
		return nil
	}
	_, _, err := d.report(ctx)
	return err
}

// replaceKeyset makes the service use other keys, of which fit checks whether they can be
// used. A key that is about to go is first reported as gone, so that it can't be promoted
// meanwhile. New keys are reported at once.
func (d *data) replaceKeyset(ctx context.Context, keys *secret.Keyset, fit func() error) error {
	if err := d.reporting.Acquire(ctx, 1); err != nil {
		return err
	}
	defer d.reporting.Release(1)
	ids := keys.IDs()
	gone := func(id uint32) bool { return !slices.Contains(ids, id) }
	if present := d.keyset.IDs(); d.serves && slices.ContainsFunc(present, gone) {
		if _, _, err := d.reportKeys(ctx, slices.DeleteFunc(present, gone)); err != nil {
			return err
		}
	}
	if err := fit(); err != nil {
		return err
	}
	d.keyset.Replace(keys)
	if err := d.keyset.SealUnder(keys.SealingKey()); err != nil || !d.serves {
		return err
	}
	_, _, _ = d.reportKeys(ctx, ids) // the next beat reports them otherwise
	return nil
}
