package store

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
)

const noSpace = "The database has no space left. Free space on its disk; the service then continues by itself."

var errFull = errors.New("no space left")

// noteFull remembers that a write failed because the disk is full, if a translated error
// says so. It returns the error.
func (s *Store) noteFull(err error) error {
	if errors.Is(err, errFull) && !s.full.Swap(true) {
		s.log.Error("the database has no space left; models are not tested until there is space", slog.Any("error", err))
	}
	return err
}

// HasSpace returns unavailable from the time when a write failed because there was no
// space left until [Store.TrySpace] succeeds.
func (s *Store) HasSpace() error {
	if s.full.Load() {
		return unavailable(errors.New("a write failed before"), full)
	}
	return nil
}

// The claim that TrySpace writes takes more space than the result of a test, and
// can't be compressed.
const (
	spaceClaim = "space"
	spaceTried = 64 << 10 // bytes
)

// TrySpace finds out whether there is space again after a write failed for want of it.
// It writes some data and removes it.
func (s *Store) TrySpace(ctx context.Context) error {
	if !s.full.Load() {
		return nil
	}
	data := make([]byte, spaceTried)
	_, _ = rand.Read(data) // never fails: see its documentation
	_, err := s.together(ctx, statement{`INSERT INTO claims (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, []any{spaceClaim, data}})
	if err == nil {
		_, err = s.together(ctx, statement{`DELETE FROM claims WHERE name = $1`, []any{spaceClaim}})
	}
	switch {
	case errors.Is(err, errFull):
		return nil
	case err != nil:
		return err
	}
	s.full.Store(false)
	s.log.InfoContext(ctx, "the database has space again")
	return nil
}
