package registry

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"modelproviders/pkg/secret"
)

// Names of claims with values that are encrypted with the keyset.
const (
	KeysetClaim = "keyset" // by which a database remembers its keyset; see [secret.Keyset.Claim]
	// MasterClaim is a key from which HMAC keys are derived (RFC 5869). It is encrypted as a
	// token in the context of this name; see [secret.Keyset.SealToken].
	MasterClaim = "hmac_master"
)

// SealedProvider is a provider with its credentials as they are stored.
type SealedProvider struct {
	Provider
	Stored string // the text of the credentials
	Err    error  // why the text can't be read; then there are no credentials
}

// Resealed are new values of a row: the credentials of a provider, or a claim.
type Resealed struct {
	Before   SealedProvider
	After    Provider
	Claim    string // its name, or empty
	Old, New []byte // of the claim
	Values   int    // how many are new
}

// SealedKind is a kind of stored values that are encrypted with the keyset.
type SealedKind struct {
	Name string
	// each calls fn for each row. It reads at most page rows at a time.
	each func(ctx context.Context, store KeyStore, page int, fn func(*sealedRow) error) error
}

// sealedPage bounds the rows in memory while all are read.
const sealedPage = 100

// SealedKinds returns every kind. What lists, checks and reseals keys knows only these:
// whoever stores something else that is encrypted with the keyset must add it here.
func SealedKinds() []SealedKind {
	return []SealedKind{
		{"fingerprint", eachClaim(KeysetClaim, fingerprint)},
		{"master key", eachClaim(MasterClaim, masterKey)},
		{"credentials", eachCredentials},
	}
}

// sealedRow is a row with encrypted values. If some are encrypted again, Resealed is what
// to write.
type sealedRow struct {
	Resealed
	values []sealedValue
}

// sealedValue is a stored value that is encrypted.
type sealedValue struct {
	name   string // says which one it is, by its ids
	sealed []byte // the ciphertext
	open   func(*secret.Keyset) (secret.Text, error)
	seal   func(*secret.Keyset, secret.Text) error // puts the new value into the row
}

// Check decrypts every value of the kind, and returns how many there are. It passes the
// reason why one can't be decrypted to broken, without the value.
func (k SealedKind) Check(ctx context.Context, store KeyStore, keys *secret.Keyset, broken func(error)) (count int, err error) {
	err = k.each(ctx, store, sealedPage, func(row *sealedRow) error {
		for _, value := range row.values {
			count++
			plain, err := value.open(keys)
			if err != nil {
				broken(err)
			}
			plain.Wipe()
		}
		return nil
	})
	return count, err
}

// CountSealed returns how many values of each kind are encrypted with each key.
func CountSealed(ctx context.Context, store KeyStore) (map[uint32]map[string]int, error) {
	counts := map[uint32]map[string]int{}
	for _, kind := range SealedKinds() {
		err := kind.each(ctx, store, sealedPage, func(row *sealedRow) error {
			for _, value := range row.values {
				key, ok := secret.KeyID(value.sealed)
				if !ok {
					continue // damaged: no key decrypts it
				}
				if counts[key] == nil {
					counts[key] = map[string]int{}
				}
				counts[key][kind.Name]++
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// sealedClaim is the value of a claim.
type sealedClaim struct {
	sealed []byte
	open   func(*secret.Keyset) (plain secret.Text, ok bool)
	seal   func(*secret.Keyset, secret.Text) ([]byte, error)
}

func fingerprint(stored []byte) sealedClaim {
	return sealedClaim{
		sealed: stored,
		open:   func(keys *secret.Keyset) (secret.Text, bool) { return secret.Text{}, keys.Matches(stored) },
		seal:   func(keys *secret.Keyset, _ secret.Text) ([]byte, error) { return keys.Claim() },
	}
}

func masterKey(stored []byte) sealedClaim {
	sealed, _ := base64.RawURLEncoding.DecodeString(string(stored)) // else it does not open
	return sealedClaim{
		sealed: sealed,
		open: func(keys *secret.Keyset) (secret.Text, bool) {
			plain, err := keys.OpenToken(string(stored), []byte(MasterClaim))
			defer clear(plain)
			return secret.NewText(string(plain)), err == nil
		},
		seal: func(keys *secret.Keyset, plain secret.Text) ([]byte, error) {
			token, err := keys.SealToken(plain.Bytes(), []byte(MasterClaim))
			return []byte(token), err
		},
	}
}

// eachClaim returns [SealedKind.each] for a claim, which is a row with one value.
func eachClaim(name string, value func(stored []byte) sealedClaim) func(context.Context, KeyStore, int, func(*sealedRow) error) error {
	return func(ctx context.Context, store KeyStore, _ int, fn func(*sealedRow) error) error {
		stored, err := store.Claimed(ctx, name)
		if err != nil {
			return err
		}
		claim := value(stored)
		row := &sealedRow{Resealed: Resealed{Claim: name, Old: stored}}
		row.values = []sealedValue{{
			name:   fmt.Sprintf("claim %q", name),
			sealed: claim.sealed,
			open: func(keys *secret.Keyset) (secret.Text, error) {
				plain, ok := claim.open(keys)
				if !ok {
					return plain, fmt.Errorf("the claim %q can't be decrypted: it was changed, or its key is missing in the keyset", name)
				}
				return plain, nil
			},
			seal: func(keys *secret.Keyset, plain secret.Text) (err error) {
				row.New, err = claim.seal(keys, plain)
				return err
			},
		}}
		return fn(row)
	}
}

func eachCredentials(ctx context.Context, store KeyStore, limit int, fn func(*sealedRow) error) error {
	workspaces, err := store.ProviderWorkspaces(ctx)
	if err != nil {
		return err
	}
	for _, workspace := range workspaces {
		for after, more := uuid.Nil.String(), true; more; {
			page, err := store.SealedProviders(ctx, workspace, after, limit)
			if err != nil {
				return fmt.Errorf("could not read the providers of workspace %q: %w", workspace, err)
			}
			for _, p := range page {
				if err := fn(credentialsRow(p)); err != nil {
					return err
				}
				after = p.ID
			}
			more = len(page) == limit
		}
	}
	return nil
}

func credentialsRow(p SealedProvider) *sealedRow {
	if p.Err != nil {
		return &sealedRow{values: []sealedValue{{
			name: fmt.Sprintf("credentials of provider %s in workspace %q", p.ID, p.Workspace),
			open: func(*secret.Keyset) (secret.Text, error) {
				return secret.Text{}, fmt.Errorf("workspace %q: %w", p.Workspace, p.Err)
			},
		}}}
	}
	after := p.Provider
	after.Credentials = maps.Clone(p.Credentials)
	row := &sealedRow{Resealed: Resealed{Before: p, After: after}}
	for _, field := range slices.Sorted(maps.Keys(p.Credentials)) {
		credential := p.Credentials[field]
		row.values = append(row.values, sealedValue{
			name:   fmt.Sprintf("credential %q of provider %s in workspace %q", field, p.ID, p.Workspace),
			sealed: credential.Sealed,
			open:   func(keys *secret.Keyset) (secret.Text, error) { return openCredential(keys, p.Provider, field) },
			seal: func(keys *secret.Keyset, plain secret.Text) (err error) {
				credential.Sealed, err = sealCredential(keys, p.Provider, field, plain)
				after.Credentials[field] = credential
				return err
			},
		})
	}
	return row
}
