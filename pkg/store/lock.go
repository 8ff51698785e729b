package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"modelproviders/pkg/audit/chain"
)

// errNoTransaction says that a lock was asked for that nothing would end.
var errNoTransaction = errors.New("a lock by name outside a transaction")

// tryLock takes the lock of a name until the transaction of the context ends. It
// reports false at once where another transaction has it. On SQLite a
// transaction has the whole file anyway.
func (s *Store) tryLock(ctx context.Context, name ...string) (bool, error) {
	t := s.transaction(ctx)
	if t == nil {
		return false, errNoTransaction
	}
	if s.engine.tryLock == nil {
		return true, nil
	}
	// Of two names that shared the number one would be tried again, no more.
	number := int64(binary.BigEndian.Uint64(digest(name...)))
	locked, err := s.engine.tryLock(ctx, t.db.Statement.ConnPool, number)
	return locked, s.translate(ctx, err)
}

// digest is the SHA-256 of texts, each with its length before it: a name of one
// size for any texts, also those that not every database keeps.
func digest(texts ...string) []byte {
	sum := sha256.Sum256(chain.Join(texts...))
	return sum[:]
}
