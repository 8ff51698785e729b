package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// beatEvery is how often a process says that it lives. One that has not for
// three times as long counts as dead; see [store.Store.Beat].
const beatEvery = 5 * time.Second

// join says that this process lives, and holds its share of the bounds on
// callers. The others learn of it with their next beat: until then the sum of
// the shares may be above a bound.
func (d *data) join(ctx context.Context, log *slog.Logger) error {
	alive, err := d.store.Beat(ctx, d.process)
	if err != nil {
		return fmt.Errorf("the process can't be entered in the database: %w", err)
	}
	d.share(alive, log)
	return nil
}

func (d *data) share(alive int, log *slog.Logger) {
	if alive != d.alive {
		log.Info("each process holds its share of the bounds on callers", slog.Int("processes", alive))
	}
	d.alive = alive
	d.limiter.Share(alive)
}

// stayAlive says so again until ctx is done. While the database is away the last
// count of processes holds, and so it does for the first beat after that, when
// the others have not beaten yet.
func (d *data) stayAlive(ctx context.Context, log *slog.Logger) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for away := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		// A beat that comes late would find others dead that wait like this one.
		beating, cancel := context.WithTimeout(ctx, beatEvery)
		alive, err := d.store.Beat(beating, d.process)
		cancel()
		switch {
		case err != nil && ctx.Err() == nil:
			log.Error("the process could not say that it lives; the last count of processes holds", slog.Any("error", err))
			away = true
		case away:
			away = false
		case err == nil:
			d.share(alive, log)
		}
	}
}
