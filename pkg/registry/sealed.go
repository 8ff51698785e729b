package registry

import (
	"context"
	"encoding/base64"
	"errors"
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

// SealedStore stores values that are encrypted with the keyset, of all workspaces. Its
// methods return unavailable if the database cannot be reached.
type SealedStore interface {
	// ProviderWorkspaces returns the workspaces that have providers, ordered.
	ProviderWorkspaces(ctx context.Context) ([]string, error)
	// SealedProviders returns up to limit providers of a workspace after an id, by id,
	// without models.
	SealedProviders(ctx context.Context, workspace, after string, limit int) ([]SealedProvider, error)
	// Claimed returns the value of a claim. It returns not_found.
	Claimed(ctx context.Context, name string) ([]byte, error)
	// Reseal writes values that were encrypted with a key, except those of rows that were
	// changed since they were read. It returns how many values it wrote. It changes neither
	// versions nor updated_at. All is one transaction, and it returns an error if another
	// key is the sealing key.
	Reseal(ctx context.Context, key uint32, rows ...Resealed) (written int, err error)
}

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
	each func(ctx context.Context, store SealedStore, page int, fn func(sealedRow) error) error
}

// sealedPage bounds the rows in memory while all are read.
const sealedPage = 100

// SealedKinds returns every kind. What lists, checks and reseals keys knows only these:
// whoever stores something else that is encrypted with the keyset must add it here.
func SealedKinds() []SealedKind {
	return []SealedKind{
		{"fingerprint", eachFingerprint},
		{"master key", eachMaster},
		{"credentials", eachCredentials},
	}
}

// sealedRow is a row with values that are encrypted.
type sealedRow struct {
	values []sealedValue
	// resealed returns what to write. The new values are in the order of the values; one
	// that is nil stays.
	resealed func(values [][]byte) Resealed
}

// sealedValue is a stored value that is encrypted.
type sealedValue struct {
	name   string // says which one it is, by its ids
	sealed []byte // the ciphertext
	open   func(*secret.Keyset) (secret.Text, error)
	seal   func(*secret.Keyset, secret.Text) ([]byte, error)
}

// Check decrypts every value of the kind, and returns how many there are. It passes the
// reason why one can't be decrypted to broken, without the value.
func (k SealedKind) Check(ctx context.Context, store SealedStore, keys *secret.Keyset, broken func(error)) (count int, err error) {
	err = k.each(ctx, store, sealedPage, func(row sealedRow) error {
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
func CountSealed(ctx context.Context, store SealedStore) (map[uint32]map[string]int, error) {
	counts := map[uint32]map[string]int{}
	for _, kind := range SealedKinds() {
		err := kind.each(ctx, store, sealedPage, func(row sealedRow) error {
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

func eachFingerprint(ctx context.Context, store SealedStore, _ int, fn func(sealedRow) error) error {
	stored, err := store.Claimed(ctx, KeysetClaim)
	if err != nil {
		return err
	}
	return fn(claimRow(KeysetClaim, stored, sealedValue{
		sealed: stored,
		open: func(keys *secret.Keyset) (secret.Text, error) {
			if !keys.Matches(stored) {
				return secret.Text{}, errors.New("it was changed, or its key is missing in the keyset")
			}
			return secret.Text{}, nil
		},
		seal: func(keys *secret.Keyset, _ secret.Text) ([]byte, error) { return keys.Claim() },
	}))
}

func eachMaster(ctx context.Context, store SealedStore, _ int, fn func(sealedRow) error) error {
	stored, err := store.Claimed(ctx, MasterClaim)
	if err != nil {
		return err
	}
	sealed, _ := base64.RawURLEncoding.DecodeString(string(stored)) // else it does not open
	return fn(claimRow(MasterClaim, stored, sealedValue{
		sealed: sealed,
		open: func(keys *secret.Keyset) (secret.Text, error) {
			plain, err := keys.OpenToken(string(stored), []byte(MasterClaim))
			defer clear(plain)
			if err != nil {
				return secret.Text{}, errors.New("it was changed, or its key is missing in the keyset")
			}
			return secret.NewText(string(plain)), nil
		},
		seal: func(keys *secret.Keyset, plain secret.Text) ([]byte, error) {
			token, err := keys.SealToken(plain.Bytes(), []byte(MasterClaim))
			return []byte(token), err
		},
	}))
}

// claimRow returns the row of a claim, which is one value.
func claimRow(claim string, stored []byte, value sealedValue) sealedRow {
	open := value.open
	value.name = fmt.Sprintf("claim %q", claim)
	value.open = func(keys *secret.Keyset) (secret.Text, error) {
		plain, err := open(keys)
		if err != nil {
			err = fmt.Errorf("the %s can't be decrypted: %w", value.name, err)
		}
		return plain, err
	}
	return sealedRow{
		values:   []sealedValue{value},
		resealed: func(values [][]byte) Resealed { return Resealed{Claim: claim, Old: stored, New: values[0]} },
	}
}

func eachCredentials(ctx context.Context, store SealedStore, limit int, fn func(sealedRow) error) error {
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

// credentialsRow returns the row of a provider.
func credentialsRow(p SealedProvider) (row sealedRow) {
	if p.Err != nil {
		unreadable := func(*secret.Keyset) (secret.Text, error) {
			return secret.Text{}, fmt.Errorf("workspace %q: %w", p.Workspace, p.Err)
		}
		return sealedRow{values: []sealedValue{{name: fmt.Sprintf("credentials of provider %s in workspace %q", p.ID, p.Workspace), open: unreadable}}}
	}
	fields := slices.Sorted(maps.Keys(p.Credentials))
	for _, field := range fields {
		row.values = append(row.values, sealedValue{
			name:   fmt.Sprintf("credential %q of provider %s in workspace %q", field, p.ID, p.Workspace),
			sealed: p.Credentials[field].Sealed,
			open: func(keys *secret.Keyset) (secret.Text, error) {
				r := Registry{keyset: keys}
				return r.open(p.Provider, field)
			},
			seal: func(keys *secret.Keyset, plain secret.Text) ([]byte, error) {
				binding, err := bindingOf(p.Provider, field)
				if err != nil {
					return nil, err
				}
				return keys.Seal(plain, binding)
			},
		})
	}
	row.resealed = func(values [][]byte) Resealed {
		after := p.Provider
		after.Credentials = maps.Clone(p.Credentials)
		for i, field := range fields {
			if values[i] != nil {
				credential := after.Credentials[field]
				credential.Sealed = values[i]
				after.Credentials[field] = credential
			}
		}
		return Resealed{Before: p, After: after}
	}
	return row
}
