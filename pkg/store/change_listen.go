package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// listenAlive is how long a connection may be silent until it is checked.
const listenAlive = 10 * time.Second

// ListenForChanges implements [registry.ChangeStore]. It uses a connection of its own.
func (s *Store) ListenForChanges(ctx context.Context, listening func(), fn func(workspace string)) error {
	if s.engine.listen == nil {
		return errors.ErrUnsupported
	}
	conn, err := pgx.ConnectConfig(ctx, s.engine.listen.Copy())
	if err != nil {
		return s.translate(ctx, err)
	}
	defer func() {
		ended, cancel := bounded(context.WithoutCancel(ctx))
		defer cancel()
		_ = conn.Close(ended)
	}()
	if _, err = conn.Exec(ctx, "LISTEN "+changesChannel); err == nil {
		listening()
		err = notifications(ctx, conn, fn)
	}
	return s.translate(ctx, err)
}

// notifications calls fn with the payload of each notification until the connection is lost.
func notifications(ctx context.Context, conn *pgx.Conn, fn func(payload string)) error {
	for {
		wait, cancel := context.WithTimeout(ctx, listenAlive)
		notification, err := conn.WaitForNotification(wait)
		silent := wait.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case err == nil:
			fn(notification.Payload)
			continue
		case silent:
			alive, cancel := context.WithTimeout(ctx, listenAlive)
			err = conn.Ping(alive)
			cancel()
		}
		if err != nil {
			return err
		}
	}
}
