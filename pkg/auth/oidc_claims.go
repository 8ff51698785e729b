package auth

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// Bounds of the names of a principal and of its workspace.
const (
	maxSubject   = 255 // OpenID Connect Core, section 2: sub
	maxWorkspace = 128
)

// maxTime is the end of the year 9999 in Unix seconds.
const maxTime = 253402300799

// clockSkew is how far the issuer's clock may be ahead of ours.
const clockSkew = time.Minute

// claims are the decoded claims, or header parameters, of a token.
type claims map[string]any

// readObject decodes the header or the claims of a token. go-jose's decoder
// refuses duplicate names and matches names exactly, where encoding/json would
// accept `Aud` for `aud` (RFC 7519, section 4; RFC 8725, section 2.6).
func readObject(part string, text []byte) (claims, error) {
	var object claims
	if !utf8.Valid(text) || json.Unmarshal(text, &object) != nil || object == nil {
		return nil, refused("The %s of the bearer token must be a JSON object in UTF-8 without duplicate names.", part)
	}
	return object, nil
}

// readClaims returns the claims of a token whose header parameter `typ` is typ. It
// refuses a token of another issuer or for another audience, a token that is not an
// access token or not valid now, and a token that is bound to a key. It reports the
// first problem.
func (o *OIDC) readClaims(typ string, payload []byte) (claims, error) {
	c, err := readObject("claims", payload)
	if err != nil {
		return nil, err
	}
	times := map[string]time.Time{}
	for _, name := range []string{"exp", "nbf", "iat"} {
		seconds, ok := c[name].(float64)
		if c.hasAny(name) && (!ok || seconds < 0 || seconds > maxTime) {
			return nil, refused("The claim %s of the bearer token is not a time in seconds.", name)
		}
		times[name] = time.Unix(int64(seconds), 0)
	}
	issuer, now := c.text("iss"), o.cfg.Now()
	latest := now.Add(clockSkew)
	switch {
	case issuer != o.cfg.Issuer && sameButSlash(issuer, o.cfg.Issuer):
		return nil, refused("The issuer of the bearer token (claim iss) and the configured %s differ only in a slash at the end. "+
			"Ask the operator of this service to configure the issuer exactly as its tokens name it.", o.cfg.Issuer)
	case issuer != o.cfg.Issuer:
		return nil, refused("The bearer token was not issued by %s (claim iss).", o.cfg.Issuer)
	case !c.isAccessToken(typ):
		return nil, refused("The bearer token is not an access token. Send the issuer's access token, not the ID token.")
	case !c.isFor(o.cfg.Audience):
		return nil, refused("The bearer token is not for this service: its claim aud lacks %s. Request a token for that audience.", o.cfg.Audience)
	case !c.hasAny("exp"):
		return nil, refused("The bearer token has no expiry (claim exp).")
	case !now.Before(times["exp"]):
		return nil, refused("The bearer token has expired. Sign in again.")
	case times["nbf"].After(latest), times["iat"].After(latest):
		return nil, refused("The bearer token is not valid yet (claim nbf or iat). Check the clocks of the issuer and of this service.")
	case c.hasAny("cnf"):
		return nil, refused("The bearer token is bound to a key (claim cnf), which is not supported.")
	}
	return c, nil
}

// sameButSlash reports whether two issuers differ at most in a slash at the end.
func sameButSlash(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

func (c claims) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { _, ok := c[name]; return ok })
}

// text returns a claim that is a string, else "".
func (c claims) text(name string) string {
	text, _ := c[name].(string)
	return text
}

// isFor reports whether `aud` is the audience, or a list of strings that contains it.
func (c claims) isFor(audience string) bool {
	audiences := c.texts("aud")
	list, isList := c["aud"].([]any)
	return slices.Contains(audiences, audience) && (!isList || len(list) == len(audiences))
}

// lookup returns the claim of that name, or the value at the name as a dotted
// path, or nil. The first step of a path may contain dots itself, such as in
// `https://app.example.com/claims.role`.
func (c claims) lookup(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	for i, r := range name {
		if r == '.' {
			if value := walk(c[name[:i]], name[i+1:]); value != nil {
				return value
			}
		}
	}
	return nil
}

func walk(value any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		object, _ := value.(map[string]any)
		value = object[step]
	}
	return value
}

// texts returns the strings of a claim that is a list, or the one string of a claim
// that is a string.
func (c claims) texts(name string) []string {
	if name == "" {
		return nil
	}
	switch value := c.lookup(name).(type) {
	case string:
		return []string{value}
	case []any:
		var texts []string
		for _, item := range value {
			if text, ok := item.(string); ok {
				texts = append(texts, text)
			}
		}
		return texts
	}
	return nil
}

// isAccessToken reports whether a token whose header parameter `typ` is typ may be
// an access token. In RFC 9068, section 2.1, it is `at+jwt` for access tokens. Many
// issuers write `JWT` or nothing, as in their ID tokens, which must not be accepted
// because they travel through URLs and logs. Of these tokens, it refuses:
//   - ID tokens: only they contain hashes of a code or of an access token (OpenID
//     Connect Core, section 3.3.2.11) and a nonce. Keycloak before version 25 puts
//     the nonce into access tokens too, but these have the claim typ: `Bearer`.
//   - security events such as logout tokens (RFC 8417, section 2.2).
func (c claims) isAccessToken(typ string) bool {
	if typ != "jwt" && typ != "" {
		return typ == "at+jwt"
	}
	if c.hasAny("at_hash", "c_hash", "events") || c["typ"] == "ID" {
		return false
	}
	return !c.hasAny("nonce") || c["typ"] == "Bearer"
}

// principal returns the principal of a token. It refuses a token without a
// subject, or without a workspace where one is required.
func (o *OIDC) principal(c claims) (Principal, error) {
	subject := c.text("sub")
	if !isName(subject, maxSubject) {
		return Principal{}, refused("The bearer token does not identify its user: its claim sub must have 1 to %d printable characters.", maxSubject)
	}
	workspace := DefaultWorkspace
	if o.cfg.WorkspaceClaim != "" {
		workspace, _ = c.lookup(o.cfg.WorkspaceClaim).(string)
		if !isName(workspace, maxWorkspace) {
			return Principal{}, refused("The bearer token names no workspace: its claim %s must be a string of 1 to %d printable characters. Ask the administrator of the issuer.", o.cfg.WorkspaceClaim, maxWorkspace)
		}
	}
	role, scopes := o.grants(c)
	return Principal{Subject: subject, Name: c.userName(), Kind: "oidc", Workspace: workspace, Role: role, Scopes: scopes}, nil
}

// userName returns the user's e-mail address or, without one, the preferred user name
// (OpenID Connect Core, section 5.1), or "". Users may choose both at some issuers, so
// it identifies nobody: it is for people who read audit events.
func (c claims) userName() string {
	return cmp.Or(printable(c.text("email")), printable(c.text("preferred_username")))
}

// grants returns the role of a token with the most scopes, and the scopes of all its
// roles.
func (o *OIDC) grants(c claims) (widest Role, scopes []Scope) {
	var granted []Scope
	for _, value := range c.texts(o.cfg.RoleClaim) {
		role := Role(value)
		if o.roles != nil {
			role = o.roles[value]
		}
		if len(role.Scopes()) > len(widest.Scopes()) {
			widest = role
		}
		granted = append(granted, role.Scopes()...)
	}
	return widest, scopesWhere(func(s Scope) bool { return slices.Contains(granted, s) })
}

// printable returns a text without characters that can't be printed, of at most
// maxSubject characters.
func printable(text string) string {
	printed := []rune(strings.TrimSpace(string(slices.DeleteFunc([]rune(text), notPrintable))))
	return string(printed[:min(maxSubject, len(printed))])
}

// isName reports whether a text can name a principal or a workspace in logs and
// audit events.
func isName(text string, limit int) bool {
	n := utf8.RuneCountInString(text)
	return n > 0 && n <= limit && !strings.ContainsFunc(text, notPrintable)
}

func notPrintable(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError } // U+FFFD replaces invalid characters
