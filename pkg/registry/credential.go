package registry

import (
	"context"
	"errors"
	"maps"
	"slices"
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
	if err := r.cfg.Limiter.Reveal(by); err != nil {
		return secret.Text{}, err
	}
	p, err := r.Provider(ctx, by.Workspace, id)
	if err != nil {
		return secret.Text{}, err
	}
	if _, ok := p.Credentials[field]; !ok {
		return secret.Text{}, fault.New(fault.NotFound, "This provider has no credential %q.", field)
	}
	event := succeeded(p.Workspace, audit.CredentialReveal, p.ID, audit.Target{Type: "credential", ID: p.ID + "/" + field, Name: p.Name + "/" + field})
	event.Reason = reason
	_, span := tracing.Start(ctx, "decrypt credentials")
	plain, err := r.openFresh(ctx, p, field)
	span.End(err)
	if err != nil {
		event.Outcome = audit.Failure
		return secret.Text{}, errors.Join(err, r.cfg.Audit.Record(ctx, event))
	}
	if err := r.cfg.Audit.Record(ctx, event); err != nil {
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
		sealed, err := sealCredential(r.cfg.Keyset, *p, field, plain)
		if err != nil {
			return err
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

func sealCredential(keys *secret.Keyset, p Provider, field string, plain secret.Text) ([]byte, error) {
	binding, err := bindingOf(p, field)
	if err != nil {
		return nil, err
	}
	sealed, err := keys.Seal(plain, binding)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The credential %q could not be sealed.", field)
	}
	return sealed, nil
}

func openCredential(keys *secret.Keyset, p Provider, field string) (secret.Text, error) {
	binding, err := bindingOf(p, field)
	if err != nil {
		return secret.Text{}, err
	}
	plain, err := keys.Open(p.Credentials[field].Sealed, binding)
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

// ErrKeyChanged is wrapped by the error of a write whose values were sealed with a key
// that does not seal anymore. Nothing was written.
var ErrKeyChanged = errors.New("another key encrypts new values")

// sealAttempts bounds how often a write is repeated because the key has changed.
const sealAttempts = 5

// sealing runs write, which seals values and stores them. If another key has been
// promoted meanwhile, it runs write again.
func (r *Registry) sealing(ctx context.Context, write func() error) error {
	if err := r.cfg.BeforeSealing(ctx); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := write()
		if !errors.Is(err, ErrKeyChanged) || attempt == sealAttempts {
			return err
		}
		if err := r.followSealingKey(ctx); err != nil {
			return err
		}
	}
}

// followSealingKey makes the keyset seal with the key that seals in the database.
func (r *Registry) followSealingKey(ctx context.Context) error {
	id, err := r.store.SealingKey(ctx)
	if err != nil {
		return err
	}
	if r.cfg.Keyset.SealUnder(id) == nil {
		return nil
	}
	r.cfg.ReloadKeyset(ctx)
	if err := r.cfg.Keyset.SealUnder(id); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The encryption key has changed, and this process does not have the new one yet. Try again in a few seconds.").
			After(5 * time.Second)
	}
	return nil
}

// openFresh is open. If the keyset lacks the key, it reads the file again, and then the
// provider: since p was read, the credential may have been resealed and its key retired.
func (r *Registry) openFresh(ctx context.Context, p Provider, field string) (secret.Text, error) {
	lacksKey := func() bool {
		id, ok := secret.KeyID(p.Credentials[field].Sealed)
		return ok && !slices.Contains(r.cfg.Keyset.IDs(), id)
	}
	plain, err := openCredential(r.cfg.Keyset, p, field)
	if err != nil && lacksKey() {
		r.cfg.ReloadKeyset(ctx)
		plain, err = openCredential(r.cfg.Keyset, p, field)
	}
	if err == nil || !lacksKey() {
		return plain, err
	}
	fresh, readErr := r.store.Provider(ctx, p.Workspace, p.ID)
	if readErr != nil || fresh.Connection != p.Connection { // the caller has other settings than those of the credential
		return plain, err
	}
	return openCredential(r.cfg.Keyset, fresh, field)
}
