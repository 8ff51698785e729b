package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"modelproviders/pkg/fault"
)

// class is what an error of a database driver means.
type class int

const (
	unknown   class = iota
	away            // the database cannot be reached, or cannot work
	busy            // a lock or connection was not free in time
	crowded         // the server has no free connection; nothing was sent
	collision       // two transactions blocked each other; one can be repeated
	duplicate       // a unique index already has such a row
	full            // there is no space left for what was to be written
	damaged         // what is stored can't be read
)

// errTimeout is the cause of a context that ended at callTimeout.
var errTimeout = errors.New("the database did not answer in time")

// bounded returns a context that ends at callTimeout at the latest.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callTimeout, errTimeout)
}

// translate turns an error of a driver into a fault: unavailable, conflict for a
// duplicate, or internal. It does not translate the end of the caller's context.
func (s *Store) translate(ctx context.Context, err error) error {
	return s.noteFull(translation(ctx, s.engine.classify, err))
}

func translation(ctx context.Context, classify func(error) class, err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), errTimeout) {
		return unavailable(fmt.Errorf("%w: %w", errTimeout, err), busy)
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w: %w", ended, err)
	}
	switch class := classify(err); class {
	case away, busy, crowded, collision, full:
		return unavailable(err, class)
	case duplicate:
		return fault.Wrap(fault.Conflict, err, "An entry with the same values already exists.")
	default:
		return fault.Wrap(fault.Internal, err, "Something went wrong while the data was read or stored.")
	}
}

// closed reports whether an error says that the pool was closed. [database/sql] does
// not export that error.
func closed(err error) bool {
	return errors.Is(err, sql.ErrConnDone) || err != nil && strings.HasSuffix(err.Error(), "sql: database is closed")
}

func unavailable(err error, class class) error {
	switch class {
	case away:
		return retryable(err, 2*time.Second, "The database can't be reached. Try again in a few seconds.")
	case full:
		return retryable(fmt.Errorf("%w: %w", errFull, err), 5*time.Second, noSpace)
	}
	return retryable(err, time.Second, "The database is busy. Try again in a second.")
}

func retryable(err error, after time.Duration, message string) error {
	return fault.Wrap(fault.Unavailable, err, "%s", message).After(after)
}

func notFound(what, id string) error {
	return fault.New(fault.NotFound, "There is no %s with the id %q.", what, id)
}
