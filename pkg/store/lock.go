package store

import (
	"crypto/sha256"
	"encoding/binary"

	"modelproviders/pkg/audit/chain"
)

// lockNumber is the number of the lock of a name. Two names with the same number
// would only keep each other waiting.
func lockNumber(name ...string) int64 { return int64(binary.BigEndian.Uint64(digest(name...))) }

// digest is a SHA-256 that stands for texts in a column of one size. They may hold
// what PostgreSQL does not store as text.
func digest(texts ...string) []byte {
	sum := sha256.Sum256(chain.Join(texts...))
	return sum[:]
}
