package provider

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/strictjson"
)

// readCredentials returns the credentials that the request replaces. A credential is
// a string, or the object in a response with a provider, which keeps the stored value.
// A secret_json can also be the JSON object itself.
func (s *spec[C, F]) readCredentials(request map[string]json.RawMessage, stored []string) (map[string]secret.Text, fault.Problems) {
	problems := fault.Problems{Malformed: unknownFields(s.credentialFields, request)}
	values := map[string]secret.Text{}
	for _, f := range s.credentialFields {
		value, malformed := f.credential(request[f.Name])
		switch {
		case len(malformed) > 0:
			problems.Malformed = append(problems.Malformed, malformed...)
		case value == "" || value == secret.Mask:
			if f.Required && !slices.Contains(stored, f.Name) {
				problems.Invalid.Add(f.Name, fault.Required, "is required")
			}
		case isMask(f, value):
			problems.Invalid.Add(f.Name, fault.Invalid, "must be the secret itself, not a mask; leave the field out to keep the stored secret")
		default:
			normal, problem := s.check(f, value)
			if problem != nil {
				problems.Invalid = append(problems.Invalid, *problem)
				continue
			}
			values[f.Name] = secret.NewText(normal)
		}
	}
	return values, problems.Under("credentials")
}

// credential reads the value of a credential, or says what is malformed.
func (f field) credential(raw json.RawMessage) (value string, malformed fault.Fields) {
	isObject := len(raw) > 0 && raw[0] == '{'
	switch {
	case isObject && isAnswered(raw):
		return "", nil
	case isObject && f.Kind == kindSecretJSON:
		return f.object(raw)
	}
	value, ok := stringOf(raw)
	if !ok {
		malformed.Add(f.Name, fault.Invalid, "must be a string")
	}
	if f.Kind == kindSecret {
		value = bareKey(value)
	}
	return value, malformed
}

// object returns the compact text of a JSON object that has no name twice.
func (f field) object(raw json.RawMessage) (value string, malformed fault.Fields) {
	if malformed := strictjson.Duplicates(raw); len(malformed) > 0 {
		return "", malformed.Under(f.Name)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		malformed.Add(f.Name, fault.Invalid, "must be a JSON object")
	}
	defer clear(compact.Bytes())
	return compact.String(), malformed
}

// stringOf reads a JSON string without the white space around it; null and an
// absent one are empty.
func stringOf(raw json.RawMessage) (value string, ok bool) {
	if len(raw) == 0 {
		return "", true
	}
	err := json.Unmarshal(raw, &value)
	return strings.TrimSpace(value), err == nil
}

// unknownFields finds the fields of a request that a type does not have.
func unknownFields(fields []field, request map[string]json.RawMessage) fault.Fields {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.Name
	}
	var unknown fault.Fields
	for _, name := range slices.Sorted(maps.Keys(request)) {
		if !slices.Contains(known, name) && !unknown.Full() {
			unknown = append(unknown, strictjson.Unknown(name, known))
		}
	}
	return unknown
}

// maxAnswered bounds, in bytes, the objects that [isAnswered] decodes, so that it does
// not copy a key file.
const maxAnswered = 1024

// isAnswered reports whether the object is a credential of a response with a
// provider: {"set":…,"masked":…,"updated_at":…}.
func isAnswered(raw json.RawMessage) bool {
	var members map[string]json.RawMessage
	if len(raw) > maxAnswered || json.Unmarshal(raw, &members) != nil || members["set"] == nil {
		return false
	}
	for name := range members {
		if name != "set" && name != "masked" && name != "updated_at" {
			return false
		}
	}
	return true
}

// bareKey is a pasted key without quotes and without the scheme of an Authorization
// header.
func bareKey(value string) string {
	value = unquoted(value)
	if scheme, key, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
		return unquoted(strings.TrimSpace(key))
	}
	return value
}

// unquoted is the value without one pair of quotes around it.
func unquoted(value string) string {
	for _, quote := range []string{`"`, "'", "`"} {
		if inner, ok := strings.CutPrefix(value, quote); ok {
			if inner, ok = strings.CutSuffix(inner, quote); ok {
				return strings.TrimSpace(inner)
			}
		}
	}
	return value
}

// isMask reports whether the value is a mask that this or another system shows instead
// of a secret.
func isMask(f field, value string) bool {
	return strings.Contains(value, "•") || strings.Trim(value, "*") == "" ||
		f.Kind == kindSecret && (strings.Contains(value, "***") || strings.Contains(value, "...") || strings.Contains(value, "…"))
}

// readConfig returns the whole wanted config: the request's over the stored.
func (s *spec[C, F]) readConfig(request map[string]json.RawMessage, stored map[string]string) (map[string]string, fault.Problems) {
	problems := fault.Problems{Malformed: unknownFields(s.configFields, request)}
	values := make(map[string]string, len(s.configFields))
	for _, f := range s.configFields {
		raw, given := request[f.Name]
		value, ok := stringOf(raw)
		switch {
		case !given:
			value = stored[f.Name]
		case string(raw) == "null":
			problems.Invalid.Add(f.Name, fault.Required, "must not be null")
			continue
		case !ok:
			problems.Malformed.Add(f.Name, fault.Invalid, "must be a string")
			continue
		}
		normal, problem := s.check(f, value)
		switch {
		case problem != nil:
			problems.Invalid = append(problems.Invalid, *problem)
		case normal != "":
			values[f.Name] = normal
		}
	}
	return values, problems.Under("config")
}
