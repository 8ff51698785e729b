package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"

	"github.com/google/uuid"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// hash is the hash of a plaintext credential. Each workspace has a key of its own, so
// that hashes do not show that two workspaces have the same credential.
func (r *Registry) hash(workspace string, plain secret.Text) []byte {
	comparable := provider.Comparable(plain)
	defer clear(comparable)
	return macOf(macOf(r.cfg.LookupKey, []byte(workspace)), comparable)
}

func macOf(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	return h.Sum(nil)
}

// hashOf returns the hash of a stored credential.
func (r *Registry) hashOf(ctx context.Context, p Provider, field string) ([]byte, error) {
	if hash := p.Credentials[field].Hash; hash != nil {
		return hash, nil
	}
	plain, err := r.openFresh(ctx, p, field)
	if err != nil {
		return nil, err
	}
	defer plain.Wipe()
	return r.hash(p.Workspace, plain), nil
}

// hashed returns a provider whose credentials have their hashes.
func (r *Registry) hashed(ctx context.Context, p Provider) (Provider, error) {
	p.Credentials = maps.Clone(p.Credentials)
	for field, credential := range p.Credentials {
		var err error
		if credential.Hash, err = r.hashOf(ctx, p, field); err != nil {
			return p, err
		}
		p.Credentials[field] = credential
	}
	return p, nil
}

// hashBatch is how many providers HashCredentials reads and writes at a time.
const hashBatch = 100

// HashCredentials stores the hashes of credentials that were stored without one, by an
// earlier version of the program. It can be interrupted and repeated, and several
// processes can do it at once. It skips credentials that can't be decrypted, and returns
// an error about them at the end.
func (r *Registry) HashCredentials(ctx context.Context) error {
	workspaces, err := r.store.UnhashedWorkspaces(ctx)
	if err != nil {
		return err
	}
	var skipped int
	var cause error
	for _, workspace := range workspaces {
		for after, more := uuid.Nil.String(), true; more; {
			page, err := r.store.Unhashed(ctx, workspace, after, hashBatch)
			if err != nil {
				return err
			}
			more = len(page) == hashBatch
			var hashed []Provider
			for _, p := range page {
				after = p.ID
				if p, err = r.hashed(ctx, p); err != nil {
					skipped, cause = skipped+1, err
					continue
				}
				hashed = append(hashed, p)
			}
			if err := r.store.StoreHashes(ctx, hashed...); err != nil {
				return err
			}
		}
	}
	if skipped > 0 {
		return fmt.Errorf("the credentials of %d providers can't be decrypted: %w", skipped, cause)
	}
	return nil
}
