package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"modelproviders/pkg/fault"
)

// cutBefore is how long before the end of a stop the requests that still run are
// ended, so that each is answered and recorded. Recording may take 3 seconds, and on
// SQLite a statement may wait for a lock for 5 more.
const cutBefore = 10 * time.Second

// Run serves until ctx ends or serving fails, and then closes the service. When ctx
// ends, the service is not ready any more, but it serves for another
// [Config.ShutdownDelay]. The error says why serving failed. What a stop could not
// finish is logged.
func (a *App) Run(ctx context.Context) error {
	select {
	case err := <-a.served:
		return errors.Join(fmt.Errorf("could not serve: %w", err), a.Close())
	case <-ctx.Done():
	}
	a.cfg.Logger.Info("stopping", slog.Duration("delay", a.cfg.ShutdownDelay))
	a.stop()
	select {
	case err := <-a.served:
		a.cfg.Logger.Error("could not serve", slog.Any("error", err))
	case <-time.After(a.cfg.ShutdownDelay):
	}
	if err := a.Close(); err != nil {
		a.cfg.Logger.Error("could not finish everything before the end", slog.Any("error", err))
	}
	a.cfg.Logger.Info("stopped")
	return nil
}

// Close stops serving and closes what was opened, within [Config.StopTimeout]. Requests
// in flight may finish; shortly before the end, those that still run are answered
// with 503. The error says what could not be finished.
func (a *App) Close() error {
	a.stop()
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.StopTimeout)
	defer cancel()
	return a.release(ctx)
}

// endRequests closes the listener and waits for requests in flight. It leaves time
// for the rest of the stop.
func (a *App) endRequests(ctx context.Context) error {
	end, _ := ctx.Deadline()
	left := min(cutBefore, a.cfg.StopTimeout/3)
	ctx, cancel := context.WithDeadline(ctx, end.Add(-left/10))
	defer cancel()
	timer := time.AfterFunc(time.Until(end.Add(-left)), func() {
		a.cfg.Logger.Warn("requests did not finish in time; they are answered with 503")
		a.cut(errStopping())
	})
	defer timer.Stop()
	settle(ctx, a.listener, &a.unread)
	err := a.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		a.cfg.Logger.Warn("some requests did not finish in time and were cut off")
		err = a.server.Close()
	}
	return err
}

// errStopping ends requests. Another process, or the next one, answers them.
func errStopping() error {
	return fault.New(fault.Unavailable, "The service is stopping. Try again in a few seconds.").After(5 * time.Second)
}

// onClose adds what closes a part of the service.
func (a *App) onClose(closer func(context.Context) error) { a.closers = append(a.closers, closer) }

// release closes what has been opened.
func (a *App) release(ctx context.Context) (err error) {
	for _, closer := range slices.Backward(a.closers) {
		err = errors.Join(err, closer(ctx))
	}
	return err
}

// finishJobs leaves time to close the database.
func (a *App) finishJobs(ctx context.Context, finish func(context.Context) error) error {
	end, _ := ctx.Deadline()
	last, cancel := context.WithDeadline(ctx, end.Add(-a.cfg.StopTimeout/25))
	defer cancel()
	return within(ctx, "the work of the last requests could not be stored in time", func() error { return finish(last) })
}

// within returns the error of fn, or one with that text if fn does not return before
// ctx ends. A database that hangs can delay a call beyond its context.
func within(ctx context.Context, late string, fn func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- fn() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return errors.New(late)
	}
}

// ready returns unavailable if the service can't serve requests, or soon won't.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Err() != nil {
		return fault.New(fault.Unavailable, "the service is stopping")
	}
	return a.data.ready(ctx)
}
