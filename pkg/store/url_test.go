package store

import "testing"

func TestIsDatabaseURL(t *testing.T) {
	for address, want := range map[string]bool{
		"postgres://localhost/settings":                                     true,
		"postgres://me:secret@localhost:5432/settings?sslmode=require":      true,
		"postgres://me:a%23b%40c@localhost/settings":                        true,
		"postgres://me:a@b@localhost/settings":                              false,
		"postgres:///settings?host=/var/run/postgresql&user=me@directory":   true,
		"postgres://localhost/settings?sslrootcert=/etc/ssl/ca.pem&user=me": true,
		"postgres://me:a#b@localhost/settings":                              false,
		"postgres://me:1#b@localhost/settings":                              false,
		"postgres://me:1/b@localhost/settings":                              false,
		"postgres://me:1?b@localhost/settings":                              false,
		"postgres://me:1?b=c@localhost/settings":                            false,
		"postgres://me:a%@localhost/settings":                               false,
	} {
		if got := isDatabaseURL(address); got != want {
			t.Errorf("isDatabaseURL(%q) = %v", address, got)
		}
	}
}
