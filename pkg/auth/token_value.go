package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"hash/crc32"
	"math/big"
	"strings"
)

// A token is `mp_`, 32 random bytes in base 62, and a checksum of both, by which
// scanners recognize leaked tokens.
const (
	tokenPrefix    = "mp_"
	secretDigits   = 43 // 62^43 > 2^256
	checksumDigits = 6  // 62^6 > 2^32
)

func newValue() string {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: see its documentation
	body := tokenPrefix + base62(new(big.Int).SetBytes(random), secretDigits)
	return body + checksum(body)
}

// wellFormed reports whether a bearer token has the form of an API token, so that
// others cost no query.
func wellFormed(bearer string) bool {
	n := len(tokenPrefix) + secretDigits
	return len(bearer) == n+checksumDigits && strings.HasPrefix(bearer, tokenPrefix) && checksum(bearer[:n]) == bearer[n:]
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checksumDigits)
}

func base62(n *big.Int, digits int) string {
	s := n.Text(62)
	return strings.Repeat("0", digits-len(s)) + s
}

func hashOf(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}
