package auth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"modelproviders/pkg/fault"
)

// maxJWT bounds an access token. A token that lists two hundred groups by id has
// about 12 KiB.
const maxJWT = 16 << 10

// OIDCConfig configures sign-in through an OpenID Connect issuer.
//
// A claim is looked up by its exact name first, then as a dotted path. A claim
// that is missing or has an unexpected type grants nothing.
type OIDCConfig struct {
	// Issuer is exactly the `iss` claim of the tokens: an https URL, or http for a
	// loopback address.
	Issuer string
	// Audience is the value that the `aud` claim of a token must contain.
	Audience string
	// RoleClaim is the claim that holds a role or a list of roles; if empty, no
	// token has a role.
	RoleClaim string
	// WorkspaceClaim is the claim that holds the workspace; if empty, everyone is
	// in the default workspace.
	WorkspaceClaim string
	// Roles maps values of the role claim to roles: `group=role,…`. If empty, the
	// values are roles.
	Roles string

	Logger    *slog.Logger
	Transport http.RoundTripper // for calls to the issuer; nil connects directly
	Now       func() time.Time
}

// OIDC authenticates callers by the JWT access tokens of one OpenID Connect issuer. It
// fetches the issuer's keys when the first token arrives, so an issuer that is
// down delays sign-ins only.
type OIDC struct {
	cfg   OIDCConfig
	roles map[string]Role // by value of the role claim; nil: the values are roles
	keys  *issuerKeys
}

// CheckIssuer checks the issuer, which may be empty.
func (c OIDCConfig) CheckIssuer() error {
	if c.Issuer == "" {
		return nil
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the issuer must be a URL such as https://login.example.com, without user, query or fragment")
	}
	return checkSecure(u)
}

// CheckRoles checks the mapping of roles.
func (c OIDCConfig) CheckRoles() error {
	_, err := c.parseRoles()
	return err
}

// NewOIDC checks the configuration. It does not call the issuer.
func NewOIDC(cfg OIDCConfig) (*OIDC, error) {
	if cfg.Issuer == "" || cfg.Audience == "" {
		return nil, errors.New("an issuer and an audience are required")
	}
	roles, err := cfg.parseRoles()
	if err = errors.Join(cfg.CheckIssuer(), err); err != nil {
		return nil, err
	}
	if cfg.RoleClaim == "" {
		cfg.Logger.Warn("no role claim is configured, so users of the OIDC issuer have no permissions", slog.String("issuer", cfg.Issuer))
	}
	return &OIDC{cfg: cfg, roles: roles, keys: newIssuerKeys(cfg)}, nil
}

// checkSecure refuses a URL whose response could be changed on the network.
func checkSecure(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && LoopbackHost(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s must be an https URL; http is allowed for loopback addresses only", u.Redacted())
}

// parseRoles parses Roles, `group=role,…`. A group may contain `=`. It returns nil for a
// blank text.
func (c OIDCConfig) parseRoles() (map[string]Role, error) {
	if strings.TrimSpace(c.Roles) == "" {
		return nil, nil
	}
	roles := map[string]Role{}
	for pair := range strings.SplitSeq(c.Roles, ",") {
		at := max(strings.LastIndex(pair, "="), 0)
		group, role := strings.TrimSpace(pair[:at]), Role(strings.TrimSpace(strings.TrimPrefix(pair[at:], "=")))
		if group == "" || role.Scopes() == nil {
			return nil, fmt.Errorf("roles: %q must be group=role, where the role is viewer, editor or admin", pair)
		}
		if cmp.Or(roles[group], role) != role {
			return nil, fmt.Errorf("roles: the group %q is mapped to two roles", group)
		}
		roles[group] = role
	}
	if c.RoleClaim == "" {
		return nil, errors.New("roles are mapped, but no role claim is configured")
	}
	return roles, nil
}

// signingAlgorithms are the accepted signature algorithms: asymmetric ones only,
// so that a public key is never used as a shared secret (RFC 8725, section 3.1).
func signingAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// Bearers authenticates callers by API tokens, which it recognizes by their prefix,
// or by access tokens of an issuer.
type Bearers struct {
	Tokens Authenticator
	JWTs   Authenticator
}

// Authenticate implements [Authenticator].
func (b Bearers) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if strings.HasPrefix(bearer, tokenPrefix) {
		return b.Tokens.Authenticate(ctx, bearer)
	}
	return b.JWTs.Authenticate(ctx, bearer)
}

// Authenticate implements [Authenticator] for JWTs. It returns unavailable, with
// the time to wait, if the issuer's keys are needed and can't be fetched. Until the
// signature is verified, the message tells only what is wrong with the form of the
// token; what is wrong with its claims is in the cause, for the log.
func (o *OIDC) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if len(bearer) > maxJWT {
		return Principal{}, refused("The bearer token is too long; at most %d characters are allowed.", maxJWT)
	}
	if !isJWT(bearer) {
		return Principal{}, refused("The bearer token is neither an API token nor a JWT. If the issuer gave out an opaque token, request one for the audience %s.", o.cfg.Audience)
	}
	signed, err := jose.ParseSignedCompact(bearer, signingAlgorithms())
	if err != nil {
		return Principal{}, refused("The bearer token is not a JWT signed with a supported public-key algorithm.")
	}
	typ, err := readHeader(bearer)
	if err != nil {
		return Principal{}, err
	}
	payload, err := o.keys.verify(ctx, signed)
	if fault.Is(err, fault.Unauthenticated) {
		_, invalid := o.readClaims(typ, signed.UnsafePayloadWithoutVerification())
		fault.As(err).Err = cmp.Or(invalid, fault.As(err).Err)
	}
	if err != nil {
		return Principal{}, err
	}
	c, err := o.readClaims(typ, payload)
	if err != nil {
		return Principal{}, err
	}
	return o.principal(c)
}

// isJWT reports whether a bearer token has the form of a signed JWT: three parts
// in base64url, joined by dots (RFC 7515, section 7.1). go-jose accepts more.
func isJWT(bearer string) bool {
	const base64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	parts := strings.Split(bearer, ".")
	return len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.Trim(part, base64URL) != ""
	})
}

// TokenEndpoint returns the URL at which clients of the issuer get tokens, as the
// issuer published it with its keys.
func (o *OIDC) TokenEndpoint(ctx context.Context) (string, error) {
	published, _, err := o.keys.current(ctx)
	if err != nil {
		return "", err
	}
	return published.tokenEndpoint, nil
}

func refused(format string, args ...any) error {
	return fault.New(fault.Unauthenticated, format, args...)
}

// readHeader returns a token's header parameter `typ` in lower case and without
// `application/`; empty if there is none (RFC 7515, section 4.1.9). It refuses
// extensions (`crit`) and compression (`zip`), which are not supported here.
func readHeader(bearer string) (typ string, err error) {
	encoded, _, _ := strings.Cut(bearer, ".")
	decoded, _ := base64.RawURLEncoding.DecodeString(encoded) // go-jose has decoded it before
	header, err := readObject("header", decoded)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"crit", "zip"} {
		if header.hasAny(name) {
			return "", refused("The bearer token has the header parameter %s, which is not supported.", name)
		}
	}
	value, given := header["typ"]
	text, ok := value.(string)
	if given && !ok {
		return "", refused("The header parameter typ of the bearer token is not a string.")
	}
	return strings.TrimPrefix(strings.ToLower(text), "application/"), nil
}
