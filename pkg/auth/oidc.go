package auth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"modelproviders/pkg/fault"
)

// maxJWT bounds an access token. One that names two hundred groups by their ids
// has about 12 KiB.
const maxJWT = 16 << 10

// clockSkew is how far the issuer's clock may be ahead of ours.
const clockSkew = time.Minute

// OIDCConfig says whose access tokens are taken, and what their claims mean.
type OIDCConfig struct {
	// Issuer is the issuer exactly as its tokens name it: an https URL, or an
	// http one of a loopback address.
	Issuer string
	// Audience is what tokens for this service name in `aud`.
	Audience string
	// RoleClaim names the claim that holds a role or a list of them; empty: no
	// token has a role. See [OIDC] for how claims are looked up.
	RoleClaim string
	// WorkspaceClaim names the claim that holds the workspace; empty: everyone
	// is in the default one.
	WorkspaceClaim string
	// Roles maps the role claim's values, `group=role,…`; empty: they are roles.
	Roles string

	Logger *slog.Logger
	// Transport carries the calls to the issuer; nil: a direct one.
	Transport http.RoundTripper
	// Now is the clock; nil: the system's.
	Now func() time.Time
}

// OIDC authenticates by JWT access tokens of one OpenID Connect issuer.
//
// The issuer is asked for its keys when the first token comes, never at start,
// so that one that is down delays sign-ins and nothing else.
//
// A claim is looked up by its exact name first, then as a dotted path. What a
// claim does not say, or says in another shape, grants nothing.
//
// RFC 9068, section 4, has access tokens marked by the type `at+jwt`. Many
// issuers write `JWT` or nothing, as in their ID tokens; such a token is taken
// unless it shows that it is not an access token: an ID token travels through
// URLs and logs, and must open nothing.
type OIDC struct {
	verification *oidc.Config
	issuer       string
	keys         *issuerKeys
	claims       claimRules
	now          func() time.Time
}

// NewOIDC checks the configuration; it does not call the issuer.
func NewOIDC(cfg OIDCConfig) (*OIDC, error) {
	if err := checkIssuer(cfg.Issuer); err != nil {
		return nil, err
	}
	if cfg.Audience == "" {
		return nil, errors.New("an issuer needs an audience, or every token it makes for any service would be taken")
	}
	roles, err := parseRoles(cfg.Roles)
	if err != nil {
		return nil, err
	}
	if roles != nil && cfg.RoleClaim == "" {
		return nil, errors.New("roles are mapped, but no role claim is named whose values they are")
	}
	if cfg.RoleClaim == "" {
		cfg.Logger.Warn("no role claim is configured, so whoever signs in through the issuer may do nothing", slog.String("issuer", cfg.Issuer))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &OIDC{
		// Symmetric algorithms and `none` are left out: a public key must never
		// be taken for a shared secret (RFC 8725, section 3.1).
		verification: &oidc.Config{ClientID: cfg.Audience, Now: cfg.Now, SupportedSigningAlgs: []string{
			oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
			oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
		}},
		issuer: cfg.Issuer,
		keys:   newIssuerKeys(cfg),
		claims: claimRules{role: cfg.RoleClaim, roles: roles, workspace: cfg.WorkspaceClaim},
		now:    cfg.Now,
	}, nil
}

// Authenticate implements [Authenticator] for JWTs. It returns unavailable, with
// the time to wait, when the issuer's keys are needed and can't be read.
func (o *OIDC) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if len(bearer) > maxJWT {
		return Principal{}, fault.New(fault.Unauthenticated, "The bearer token is too long: at most %d characters are taken.", maxJWT)
	}
	if !isJWT(bearer) {
		return Principal{}, fault.New(fault.Unauthenticated, "The bearer token is not a signed JWT.")
	}
	claims, err := o.verify(ctx, bearer)
	if err != nil {
		return Principal{}, err
	}
	if !isAccessToken(bearer, claims) {
		return Principal{}, fault.New(fault.Unauthenticated, "The bearer token is not an access token. Send the access token that the issuer gave, not the ID token.")
	}
	return o.claims.principal(claims)
}

// verify returns the claims of a token that the issuer signed for this service
// and that is valid now.
func (o *OIDC) verify(ctx context.Context, bearer string) (claims, error) {
	signature := &signatureCheck{keys: o.keys}
	token, err := oidc.NewVerifier(o.issuer, signature, o.verification).Verify(ctx, bearer)
	if err != nil {
		return nil, refusal(ctx, err, signature.err)
	}
	var c claims
	if err := token.Claims(&c); err != nil {
		return nil, fault.Wrap(fault.Unauthenticated, err, "The bearer token's claims can't be read.")
	}
	// go-oidc lets a token be used five minutes before it is valid.
	if c.notBefore().After(o.now().Add(clockSkew)) {
		return nil, fault.New(fault.Unauthenticated, "The bearer token is not valid yet.")
	}
	return c, nil
}

// signatureCheck is the key set of one verification. It remembers why the
// signature could not be verified, which the verifier makes a plain text of.
type signatureCheck struct {
	keys *issuerKeys
	err  error
}

// VerifySignature implements [oidc.KeySet].
func (s *signatureCheck) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := s.keys.VerifySignature(ctx, jwt)
	s.err = err
	return payload, err
}

// refusal tells the holder of a token why it was not taken. What the verifier
// says stays out of it: it quotes the token.
func refusal(ctx context.Context, err, signature error) error {
	var expired *oidc.TokenExpiredError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case fault.As(signature) != nil:
		return signature
	case signature != nil:
		return fault.New(fault.Unauthenticated, "The bearer token is not signed by a key of the issuer that this service trusts.")
	case errors.As(err, &expired):
		return fault.New(fault.Unauthenticated, "The bearer token has expired. Sign in again.")
	}
	return fault.New(fault.Unauthenticated, "The bearer token is not one for this service: it is malformed, signed by an algorithm that is not taken, of another issuer, for another audience, or not valid yet.")
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the issuer must be a URL such as https://login.example.com, without user, query or fragment")
	}
	if !secureURL(u) {
		return fmt.Errorf("the issuer %q must be an https URL; http is taken for a loopback address only", issuer)
	}
	return nil
}

// secureURL reports whether what comes from a URL can't be changed on its way.
func secureURL(u *url.URL) bool {
	host := u.Hostname()
	addr, err := netip.ParseAddr(host)
	loopback := strings.EqualFold(host, "localhost") || err == nil && addr.Unmap().IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && loopback
}

// parseRoles reads `group=role,…`. A group may hold `=`, a role does not. It
// returns nil for an empty text.
func parseRoles(text string) (map[string]Role, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	roles := map[string]Role{}
	for pair := range strings.SplitSeq(text, ",") {
		at := strings.LastIndex(pair, "=")
		if at < 0 {
			return nil, fmt.Errorf("roles: %q is not group=role", pair)
		}
		group, role := strings.TrimSpace(pair[:at]), Role(strings.TrimSpace(pair[at+1:]))
		if group == "" || role.Scopes() == nil {
			return nil, fmt.Errorf("roles: %q is not group=role with a role of viewer, editor or admin", pair)
		}
		if cmp.Or(roles[group], role) != role {
			return nil, fmt.Errorf("roles: the group %q is given two roles", group)
		}
		roles[group] = role
	}
	return roles, nil
}
