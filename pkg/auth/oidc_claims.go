package auth

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// Bounds of what names a principal and its workspace.
const (
	maxSubject   = 255 // OpenID Connect Core, section 2: sub
	maxWorkspace = 128
)

// maxTime is the last second of the year 9999 since 1970.
const maxTime = 253402300799

// claims are the claims of a verified token, as encoding/json decodes them.
type claims map[string]any

// readClaims decodes the payload of a token. go-jose's decoder refuses a name
// that stands twice in an object, and matches names exactly: encoding/json would
// take `Aud` for `aud` (RFC 7519, section 4; RFC 8725, section 2.6).
func readClaims(payload []byte) (claims, error) {
	var c claims
	if !utf8.Valid(payload) || json.Unmarshal(payload, &c) != nil || c == nil {
		return nil, refused("The claims of the bearer token can't be read: they must be a JSON object in UTF-8 in which no name stands twice.")
	}
	return c, nil
}

// check refuses a token that is not one of the issuer for the audience, or is
// not valid now. Of several causes the first is told.
func (c claims) check(issuer, audience string, now time.Time) error {
	times := map[string]time.Time{}
	for _, name := range []string{"exp", "nbf", "iat"} {
		value, given := c[name]
		seconds, ok := value.(float64)
		if given && (!ok || seconds < 0 || seconds > maxTime) {
			return refused("The claim %s of the bearer token is not a time in seconds.", name)
		}
		if given {
			times[name] = time.Unix(int64(seconds), 0)
		}
	}
	expires, expiring := times["exp"]
	_, bound := c["cnf"]
	audiences, _ := c["aud"].([]any)
	ahead := now.Add(clockSkew)
	switch {
	case c["iss"] != issuer:
		return refused("The bearer token is of another issuer than %s; its claim iss must be just that.", issuer)
	case !slices.Contains(c.texts("aud"), audience), audiences != nil && len(audiences) != len(c.texts("aud")):
		return refused("The bearer token is not for this service: its claim aud lacks %s. Ask the issuer for a token of that audience.", audience)
	case !expiring:
		return refused("The bearer token never expires: it has no claim exp.")
	case !now.Before(expires):
		return refused("The bearer token has expired. Sign in again.")
	case times["nbf"].After(ahead), times["iat"].After(ahead):
		return refused("The bearer token is not valid yet: the clock of the issuer, or of this service, is wrong.")
	case bound:
		return refused("The bearer token is bound to a key (claim cnf), which is not supported. Ask the issuer for one that is not.")
	}
	return nil
}

// lookup returns the claim of that name, else what the name leads to as a dotted
// path, else nil. The first step of a path may hold dots itself, as claims named
// by a URL do: `https://app.example.com/claims.role`.
func (c claims) lookup(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	for i, r := range name {
		if r != '.' {
			continue
		}
		if value := walk(c[name[:i]], name[i+1:]); value != nil {
			return value
		}
	}
	return nil
}

func walk(value any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[step]
	}
	return value
}

// texts returns a claim that is a string, or the strings of one that is a list.
// No claim has an empty name.
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

// claimRules say what the claims of a token grant.
type claimRules struct {
	role      string          // name of the claim; empty: none
	roles     map[string]Role // nil: the claim's values are roles
	workspace string          // name of the claim; empty: everyone is in the default workspace
}

// principal makes a principal of a token's claims. It returns unauthenticated
// for a token that names nobody, or no workspace where it should.
func (r claimRules) principal(c claims) (Principal, error) {
	subject, _ := c["sub"].(string)
	if !isName(subject, maxSubject) {
		return Principal{}, refused("The bearer token does not say who its holder is: its claim sub must have 1 to %d printable characters.", maxSubject)
	}
	workspace := DefaultWorkspace
	if r.workspace != "" {
		workspace, _ = c.lookup(r.workspace).(string)
		if !isName(workspace, maxWorkspace) {
			return Principal{}, refused("The bearer token names no workspace: its claim %s must be one text of 1 to %d printable characters. Ask whoever administers the sign-in.", r.workspace, maxWorkspace)
		}
	}
	role, scopes := r.grants(c)
	return Principal{Subject: subject, Kind: "oidc", Workspace: workspace, Role: role, Scopes: scopes}, nil
}

// grants returns the widest role that a token has, and the scopes of all its
// roles together.
func (r claimRules) grants(c claims) (Role, []Scope) {
	var widest Role
	var held []Scope
	for _, value := range c.texts(r.role) {
		role := Role(value)
		if r.roles != nil {
			role = r.roles[value]
		}
		if len(role.Scopes()) > len(widest.Scopes()) {
			widest = role
		}
		held = append(held, role.Scopes()...)
	}
	scopes := Scopes()
	return widest, slices.DeleteFunc(scopes, func(s Scope) bool { return !slices.Contains(held, s) })
}

// isName reports whether a text can name somebody in logs and audit events.
func isName(text string, most int) bool {
	// U+FFFD stands for halves of characters, of which there are many.
	notPrintable := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	n := utf8.RuneCountInString(text)
	return n > 0 && n <= most && !strings.ContainsFunc(text, notPrintable)
}

// isAccessToken reports whether a verified token of that type may be an access
// token. One that is typed as such (RFC 9068, section 2.1) is; one of another
// type, such as `logout+jwt`, is not. Those typed `JWT` or not at all are told
// from
//   - ID tokens, which alone have hashes of what they were issued with (OpenID
//     Connect Core, section 3.3.2.11) and, of what a client sent, the nonce.
//     Keycloak, before 25, writes the nonce to access tokens as well, but says
//     in the claim typ which is which: `ID` or `Bearer`.
//   - security events such as logout tokens (RFC 8417, section 2.2).
func (c claims) isAccessToken(typ string) bool {
	switch typ {
	case "at+jwt":
		return true
	case "jwt", "":
	default:
		return false
	}
	for _, name := range []string{"at_hash", "c_hash", "events"} {
		if _, ok := c[name]; ok {
			return false
		}
	}
	_, nonce := c["nonce"]
	return c["typ"] != "ID" && (!nonce || c["typ"] == "Bearer")
}
