package registry

import (
	"context"
	"crypto/hmac"
	"maps"
	"slices"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// maxHolders bounds each list of a lookup.
const maxHolders = 1000

// Holder is a credential of a provider.
type Holder struct {
	ProviderID, ProviderName, ProviderType string
	Field                                  string
}

// Found is the outcome of a lookup.
type Found struct {
	Holders []Holder // the credentials with the value
	// Unreadable are credentials without a stored hash that can't be decrypted, so that
	// it is unknown whether they have the value.
	Unreadable []Holder
	Truncated  bool // one of the lists would have more than maxHolders
}

// Lookup finds the credentials in the principal's workspace that have a value, which may
// be pasted as for a new provider. The audit event is stored before it returns. It
// returns rate_limited, and validation_failed for a mask that is not found.
//
// It compares keyed hashes that are stored with the encrypted values. It decrypts the
// values of which the hash is not stored yet, so its answer is always complete.
func (r *Registry) Lookup(ctx context.Context, by auth.Principal, value secret.Text) (found Found, err error) {
	if err := r.cfg.Limiter.Reveal(by); err != nil {
		return found, err
	}
	hash := r.hash(by.Workspace, value)
	err = r.store.ProvidersByHash(ctx, by.Workspace, hash, func(p Provider) error {
		for _, field := range slices.Sorted(maps.Keys(p.Credentials)) {
			stored, err := r.hashOf(ctx, p, field)
			found.add(Holder{ProviderID: p.ID, ProviderName: p.Name, ProviderType: p.Type, Field: field}, hmac.Equal(hash, stored), err != nil)
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

// add adds a credential that has the value, or that can't be decrypted.
func (f *Found) add(h Holder, holds, unreadable bool) {
	switch {
	case unreadable && len(f.Unreadable) < maxHolders:
		f.Unreadable = append(f.Unreadable, h)
	case holds && len(f.Holders) < maxHolders:
		f.Holders = append(f.Holders, h)
	case holds, unreadable:
		f.Truncated = true
	}
}
