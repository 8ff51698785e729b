package registry

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"slices"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// maxHolders bounds the answer of a lookup.
const maxHolders = 1000

// Holder is a credential of a provider.
type Holder struct {
	ProviderID, ProviderName, ProviderType string
	Field                                  string
}

// Found is the outcome of a lookup.
type Found struct {
	Holders   []Holder // the credentials with the value
	Truncated bool     // there are more than maxHolders
}

// Lookup finds the credentials in the principal's workspace that have a value, which may
// be pasted as for a new provider. The audit event is stored before it returns. It
// returns rate_limited, and validation_failed for a mask that is not found.
//
// It compares keyed hashes that are stored with the encrypted values, and decrypts nothing.
func (r *Registry) Lookup(ctx context.Context, by auth.Principal, value secret.Text) (found Found, err error) {
	if err := r.cfg.Limiter.Reveal(by); err != nil {
		return found, err
	}
	hash := r.hash(by.Workspace, value)
	err = r.store.ProvidersByHash(ctx, by.Workspace, hash, func(p Provider) error {
		for _, field := range slices.Sorted(maps.Keys(p.Credentials)) {
			switch {
			case !hmac.Equal(hash, p.Credentials[field].Hash):
			case len(found.Holders) == maxHolders:
				found.Truncated = true
			default:
				found.Holders = append(found.Holders, Holder{ProviderID: p.ID, ProviderName: p.Name, ProviderType: p.Type, Field: field})
			}
		}
		return nil
	})
	if err != nil {
		return Found{}, err
	}
	ids := []string{}
	for _, h := range found.Holders {
		ids = append(ids, h.ProviderID)
	}
	event := audit.Event{Workspace: by.Workspace, Action: audit.CredentialLookup, Outcome: audit.Success, Target: audit.Target{Type: "credential"}}
	if err := r.cfg.Audit.Record(ctx, event.Changed(nil, audit.Fields{"provider_ids": slices.Compact(ids)})); err != nil {
		return Found{}, err
	}
	if len(found.Holders) == 0 && provider.IsMask(value) { // the value of a header may look like a mask
		return Found{}, fault.Fields{{Name: "value", Code: fault.Invalid, Message: "must be the secret itself, not a mask"}}.
			Invalid("Credential not looked up")
	}
	return found, nil
}

// hash is the hash of a plaintext credential. Each workspace has a key of its own, so
// that hashes do not show that two workspaces have the same credential.
func (r *Registry) hash(workspace string, plain secret.Text) []byte {
	comparable := provider.Comparable(plain)
	defer clear(comparable)
	return macOf(macOf(r.cfg.LookupKey, []byte(workspace)), comparable)
}

// macOf is the keyed hash of the parts of a message.
func macOf(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
