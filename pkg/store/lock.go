package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// errNoTransaction says that a lock was asked for that nothing would end.
var errNoTransaction = errors.New("a lock by name outside a transaction")

// lockNamed keeps other transactions that ask for the same name waiting until
// the transaction of the context ends. On SQLite it has the whole file anyway.
func (s *Store) lockNamed(ctx context.Context, name ...string) error {
	_, err := s.takeLock(ctx, true, name)
	return err
}

// tryLock is lockNamed, but reports false at once where another transaction has
// the lock.
func (s *Store) tryLock(ctx context.Context, name ...string) (bool, error) {
	return s.takeLock(ctx, false, name)
}

func (s *Store) takeLock(ctx context.Context, wait bool, name []string) (bool, error) {
	t := s.transaction(ctx)
	if t == nil {
		return false, errNoTransaction
	}
	if s.engine.lock == nil {
		return true, nil
	}
	// Two names that shared the number would wait for each other, no more.
	number := int64(binary.BigEndian.Uint64(digest(name...)))
	locked, err := s.engine.lock(ctx, t.db.Statement.ConnPool, number, wait)
	return locked, s.translate(ctx, err)
}

// digest is the SHA-256 of texts, each with its length before it: a name of one
// size for any texts, also those that not every database keeps.
func digest(texts ...string) []byte {
	h := sha256.New()
	for _, text := range texts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	return h.Sum(nil)
}
