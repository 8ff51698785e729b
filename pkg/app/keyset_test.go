package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// fakeClaims is a database between whose reading and claiming another process
// may have claimed it.
type fakeClaims struct {
	read    []byte // what Claimed returns; nil: not_found
	readErr error
	held    []byte // what Claim returns; nil: the caller's own
	err     error
}

func (c fakeClaims) Claimed(context.Context, string) ([]byte, error) {
	if c.read == nil && c.readErr == nil {
		return nil, fault.New(fault.NotFound, "Nothing has claimed it.")
	}
	return c.read, c.readErr
}

func (c fakeClaims) Claim(_ context.Context, _ string, value []byte) ([]byte, error) {
	if c.held == nil {
		return value, c.err
	}
	return c.held, c.err
}

// claimOfAnother is the claim of a keyset that nobody has.
func claimOfAnother(t *testing.T) []byte {
	t.Helper()
	keys, err := secret.Create(filepath.Join(t.TempDir(), "other.json"))
	if err != nil {
		t.Fatal(err)
	}
	claim, err := keys.Claim()
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

func TestOpenKeyset(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	away := fault.New(fault.Unavailable, "The database is away.")
	tests := map[string]struct {
		db      func(t *testing.T) fakeClaims
		present bool // there is a keyset file before
		opens   bool
		remains bool // there is one after
	}{
		"first start":                  {func(*testing.T) fakeClaims { return fakeClaims{} }, false, true, true},
		"first start, keyset prepared": {func(*testing.T) fakeClaims { return fakeClaims{} }, true, true, true},
		"another was faster":           {func(t *testing.T) fakeClaims { return fakeClaims{held: claimOfAnother(t)} }, false, false, false},
		"another was faster, keyset prepared": {
			func(t *testing.T) fakeClaims { return fakeClaims{held: claimOfAnother(t)} }, true, false, true},
		"claimed by another, keyset missing": {func(t *testing.T) fakeClaims { return fakeClaims{read: claimOfAnother(t)} }, false, false, false},
		"claimed by another":                 {func(t *testing.T) fakeClaims { return fakeClaims{read: claimOfAnother(t)} }, true, false, true},
		"database away":                      {func(*testing.T) fakeClaims { return fakeClaims{readErr: away} }, false, false, false},
		// Whether the claim came through is not known: the keyset may be the
		// one of the database now.
		"database away while it is claimed": {func(*testing.T) fakeClaims { return fakeClaims{err: away} }, false, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keyset.json")
			if test.present {
				if _, err := secret.Create(path); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := openKeyset(t.Context(), test.db(t), path, quiet)
			if opens := err == nil; opens != test.opens || opens != (keys != nil) {
				t.Errorf("got %v, %v", keys, err)
			}
			_, err = os.Stat(path)
			if remains := !errors.Is(err, fs.ErrNotExist); remains != test.remains {
				t.Errorf("there is a keyset file: %t", remains)
			}
		})
	}
}
