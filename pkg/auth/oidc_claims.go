package auth

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"modelproviders/pkg/fault"
)

// Bounds of what names a principal and its workspace.
const (
	maxSubject   = 255 // OpenID Connect Core, section 2: sub
	maxWorkspace = 128
)

// claims are the claims of a verified token, as encoding/json decodes them.
type claims map[string]any

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

// notBefore is when the token becomes valid; the zero time when it does not say.
func (c claims) notBefore() time.Time {
	seconds, ok := c["nbf"].(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
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
		return Principal{}, fault.New(fault.Unauthenticated, "The bearer token does not say who its holder is: its claim sub must have 1 to %d printable characters.", maxSubject)
	}
	workspace := DefaultWorkspace
	if r.workspace != "" {
		workspace, _ = c.lookup(r.workspace).(string)
		if !isName(workspace, maxWorkspace) {
			return Principal{}, fault.New(fault.Unauthenticated, "The bearer token names no workspace: its claim %s must be one text of 1 to %d printable characters. Ask whoever administers the sign-in.", r.workspace, maxWorkspace)
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
	notPrintable := func(r rune) bool { return !unicode.IsPrint(r) }
	n := utf8.RuneCountInString(text)
	return n > 0 && n <= most && !strings.ContainsFunc(text, notPrintable)
}

// isAccessToken reports whether a verified token may be an access token. One
// that is typed as such (RFC 9068, section 2.1) is; one of another type, such as
// `logout+jwt`, is not. Those typed `JWT` or not at all are told from
//   - ID tokens, which alone have hashes of what they were issued with (OpenID
//     Connect Core, section 3.3.2.11) and, of what a client sent, the nonce.
//     Keycloak, before 25, writes the nonce to access tokens as well, but says
//     in the claim typ which is which: `ID` or `Bearer`.
//   - security events such as logout tokens (RFC 8417, section 2.2).
func isAccessToken(bearer string, c claims) bool {
	switch tokenType(bearer) {
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

// tokenType returns the header parameter typ (RFC 7515, section 4.1.9) in lower
// case, without `application/`; empty when there is none.
func tokenType(bearer string) string {
	encoded, _, _ := strings.Cut(bearer, ".")
	header := map[string]any{}
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(decoded, &header) != nil {
		return "unreadable"
	}
	value, ok := header["typ"]
	if !ok {
		return ""
	}
	text, ok := value.(string)
	if !ok {
		return "unreadable"
	}
	return strings.TrimPrefix(strings.ToLower(text), "application/")
}
