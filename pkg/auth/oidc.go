package auth

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"

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
	issuer   string
	audience string
	keys     *issuerKeys
	claims   claimRules
	now      func() time.Time
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
		issuer: cfg.Issuer, audience: cfg.Audience, keys: newIssuerKeys(cfg), now: cfg.Now,
		claims: claimRules{role: cfg.RoleClaim, roles: roles, workspace: cfg.WorkspaceClaim},
	}, nil
}

// signingAlgorithms are those by which a token may be signed. Symmetric ones and
// `none` are left out: a public key must never be taken for a shared secret (RFC
// 8725, section 3.1).
func signingAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// Authenticate implements [Authenticator] for JWTs. It returns unavailable, with
// the time to wait, when the issuer's keys are needed and can't be read. Why the
// claims of a token are refused is told only after its signature was verified.
func (o *OIDC) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	if len(bearer) > maxJWT {
		return Principal{}, refused("The bearer token is too long: at most %d characters are taken.", maxJWT)
	}
	if !isJWT(bearer) {
		return Principal{}, refused("The bearer token is not a signed JWT.")
	}
	signed, err := jose.ParseSignedCompact(bearer, signingAlgorithms())
	if err != nil {
		return Principal{}, refused("The bearer token is not a JWT that is signed by a public-key algorithm.")
	}
	typ, err := readHeader(bearer)
	if err != nil {
		return Principal{}, err
	}
	payload, err := o.keys.verify(ctx, signed)
	if err != nil {
		return Principal{}, err
	}
	c, err := readClaims(payload)
	if err != nil {
		return Principal{}, err
	}
	if err := c.check(o.issuer, o.audience, o.now()); err != nil {
		return Principal{}, err
	}
	if !c.isAccessToken(typ) {
		return Principal{}, refused("The bearer token is not an access token. Send the access token that the issuer gave, not the ID token.")
	}
	return o.claims.principal(c)
}

func refused(format string, args ...any) error {
	return fault.New(fault.Unauthenticated, format, args...)
}

// readHeader returns the parameter typ of a token's header (RFC 7515, section
// 4.1.9) in lower case, without `application/`; empty when there is none. It
// refuses a header that asks for what is not done here: extensions (`crit`) and
// compression (`zip`).
func readHeader(bearer string) (typ string, err error) {
	encoded, _, _ := strings.Cut(bearer, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	var header map[string]any
	if err != nil || json.Unmarshal(decoded, &header) != nil {
		return "", refused("The header of the bearer token can't be read.")
	}
	for _, name := range []string{"crit", "zip"} {
		if _, ok := header[name]; ok {
			return "", refused("The bearer token has the header parameter %s, which is not supported.", name)
		}
	}
	value, given := header["typ"]
	text, ok := value.(string)
	if given && !ok {
		return "", refused("The header parameter typ of the bearer token is not a text.")
	}
	return strings.TrimPrefix(strings.ToLower(text), "application/"), nil
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
