package registry

import (
	"context"
	"errors"
	"maps"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/tracing"
)

// Reveal decrypts a credential of a provider in the principal's workspace; reason may
// be empty. The audit event is stored before the value is returned. The caller must
// wipe the value. It returns rate_limited and not_found.
func (r *Registry) Reveal(ctx context.Context, by auth.Principal, id, field, reason string) (secret.Text, error) {
	if err := r.limiter.Reveal(by); err != nil {
		return secret.Text{}, err
	}
	p, err := r.Provider(ctx, by.Workspace, id)
	if err != nil {
		return secret.Text{}, err
	}
	if _, ok := p.Credentials[field]; !ok {
		return secret.Text{}, fault.New(fault.NotFound, "This provider has no credential %q.", field)
	}
	event := audit.Event{Workspace: p.Workspace, Action: audit.CredentialReveal, ProviderID: p.ID, Outcome: audit.Success, Reason: reason,
		Target: audit.Target{Type: "credential", ID: p.ID + "/" + field, Name: p.Name + "/" + field}}
	_, span := tracing.Start(ctx, "decrypt credentials")
	plain, err := r.openFresh(ctx, p, field)
	span.End(err)
	if err != nil {
		event.Outcome = audit.Failure
		return secret.Text{}, errors.Join(err, r.audit.Record(ctx, event))
	}
	if err := r.audit.Record(ctx, event); err != nil {
		plain.Wipe()
		return secret.Text{}, err
	}
	return plain, nil
}

// seal encrypts new credentials and puts them into the provider, without those that are
// removed.
func (r *Registry) seal(p *Provider, settings provider.Settings, now time.Time) error {
	credentials := map[string]Credential{}
	maps.Copy(credentials, p.Credentials)
	for _, field := range settings.Removed {
		delete(credentials, field)
	}
	for field, plain := range settings.Credentials {
		binding, err := bindingOf(*p, field)
		if err != nil {
			return err
		}
		sealed, err := r.keyset.Seal(plain, binding)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "The credential %q could not be sealed.", field)
		}
		key, _ := secret.KeyID(sealed)
		credentials[field] = Credential{Sealed: sealed, UpdatedAt: now, Hash: r.hash(p.Workspace, plain), Key: key}
	}
	p.Credentials = credentials
	return nil
}

// wipe overwrites credentials.
func wipe(credentials map[string]secret.Text) {
	for _, plain := range credentials {
		plain.Wipe()
	}
}

func (r *Registry) open(p Provider, field string) (secret.Text, error) {
	binding, err := bindingOf(p, field)
	if err != nil {
		return secret.Text{}, err
	}
	plain, err := r.keyset.Open(p.Credentials[field].Sealed, binding)
	if err != nil {
		return secret.Text{}, fault.Wrap(fault.Internal, err, "The credential %q of provider %s could not be opened.", field, p.ID)
	}
	return plain, nil
}

// openAll decrypts all credentials of a provider.
func (r *Registry) openAll(ctx context.Context, p Provider) (_ map[string]secret.Text, err error) {
	_, span := tracing.Start(ctx, "decrypt credentials")
	defer func() { span.End(err) }()
	opened := make(map[string]secret.Text, len(p.Credentials))
	for field := range p.Credentials {
		plain, err := r.openFresh(ctx, p, field)
		if err != nil {
			wipe(opened)
			return nil, err
		}
		opened[field] = plain
	}
	return opened, nil
}

// bindingOf returns the binding of a credential: it can be decrypted only with the same one.
func bindingOf(p Provider, field string) (secret.Binding, error) {
	typ, err := lookupType(p)
	if err != nil {
		return secret.Binding{}, err
	}
	return secret.Binding{Workspace: p.Workspace, Provider: p.ID, Field: field, BaseURL: typ.Origin(p.Config)}, nil
}
