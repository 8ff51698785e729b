package provider

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/strictjson"
)

// decoded is what a settings object of a request says.
type decoded struct {
	values    map[string]string // the strings, as they were sent
	null      []string          // the fields that are null
	whole     bool              // false: the object itself is null
	malformed fault.Fields      // named without the object
}

// itself names the object among its malformed fields.
const itself = ""

// broken reports whether the field, or the object, is malformed.
func (d *decoded) broken(f field) bool {
	return slices.ContainsFunc(d.malformed, func(m fault.Field) bool {
		return m.Name == itself || m.Name == f.name || strings.HasPrefix(m.Name, f.name+".")
	})
}

// under names fields of an object, and the object itself, from outside.
func under(object string, faults fault.Fields) fault.Fields {
	out := faults.Under(object)
	for i, f := range faults {
		if f.Name == itself {
			out[i].Name = object
		}
	}
	return out
}

// decodeConfig decodes a config object, whose values are strings.
func decodeConfig(fields []field, object json.RawMessage) decoded {
	return decodeObject(fields, object, func(f field, raw json.RawMessage, d *decoded) {
		d.text(f, raw)
	})
}

// decodeCredentials decodes a credentials object. Beside strings it takes the
// object that a provider is answered with, which says nothing, and for a
// secret_json the JSON object itself, of which the compact text is the value.
func decodeCredentials(fields []field, object json.RawMessage) decoded {
	return decodeObject(fields, object, func(f field, raw json.RawMessage, d *decoded) {
		switch {
		case raw[0] != '{':
			d.text(f, raw)
		case isAnswered(raw):
		case f.kind == kindSecretJSON:
			d.object(f, raw)
		default:
			d.malformed.Add(f.name, fault.Invalid, "must be a string")
		}
	})
}

func decodeObject(fields []field, object json.RawMessage, value func(field, json.RawMessage, *decoded)) decoded {
	d := decoded{values: map[string]string{}, whole: true}
	if trimmed := bytes.TrimSpace(object); len(trimmed) == 0 || string(trimmed) == "null" {
		d.whole = len(trimmed) == 0
		return d
	}
	raw := reflect.New(rawStruct(fields))
	problems, err := strictjson.Decode(object, raw.Interface())
	if err != nil {
		d.malformed = fault.Fields{{Name: itself, Code: fault.Invalid, Message: "must be a JSON object"}}
		return d
	}
	d.malformed = problems.Malformed
	for _, f := range problems.Null {
		d.null = append(d.null, f.Name)
	}
	for i, f := range fields {
		if v := raw.Elem().Field(i).Bytes(); len(v) > 0 {
			value(f, v, &d)
		}
	}
	return d
}

// rawStruct is a struct of one json.RawMessage a field, for strictjson.
func rawStruct(fields []field) reflect.Type {
	members := make([]reflect.StructField, len(fields))
	for i, f := range fields {
		members[i] = reflect.StructField{
			Name: f.goName, Type: reflect.TypeFor[json.RawMessage](),
			Tag: reflect.StructTag(`json:"` + f.name + `"`),
		}
	}
	return reflect.StructOf(members)
}

// text takes a JSON string.
func (d *decoded) text(f field, raw json.RawMessage) {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		d.malformed.Add(f.name, fault.Invalid, "must be a string")
		return
	}
	d.values[f.name] = s
}

// object takes a JSON object as its compact text.
func (d *decoded) object(f field, raw json.RawMessage) {
	var members struct {
		Object map[string]json.RawMessage `json:"o"`
	}
	wrapped := slices.Concat([]byte(`{"o":`), raw, []byte(`}`))
	defer clear(wrapped)
	problems, err := strictjson.Decode(wrapped, &members)
	var compact bytes.Buffer
	if err != nil || json.Compact(&compact, raw) != nil {
		d.malformed.Add(f.name, fault.Invalid, "must be a JSON object")
		return
	}
	for _, p := range problems.Malformed {
		p.Name = f.name + strings.TrimPrefix(p.Name, "o")
		d.malformed = append(d.malformed, p)
	}
	d.values[f.name] = compact.String()
}

// isAnswered reports whether the object is a credential as a provider is
// answered with: {"set":…,"masked":…,"updated_at":…}.
func isAnswered(raw json.RawMessage) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members["set"] == nil {
		return false
	}
	for name := range members {
		if name != "set" && name != "masked" && name != "updated_at" {
			return false
		}
	}
	return true
}

// readCredentials returns the credentials that the request replaces.
func (s *spec[C, F]) readCredentials(object json.RawMessage, stored []string) (map[string]secret.Text, fault.Fields) {
	d := decodeCredentials(s.credentialFields, object)
	faults := d.malformed
	values := map[string]secret.Text{}
	for _, f := range s.credentialFields {
		value := strings.TrimSpace(d.values[f.name])
		if f.kind == kindSecret {
			value = bareKey(value)
		}
		switch {
		case d.broken(f):
		case value == "" || value == secret.Mask:
			if f.required && !slices.Contains(stored, f.name) {
				faults.Add(f.name, fault.Required, "%s is required", f.label)
			}
		case isMask(f, value):
			faults.Add(f.name, fault.Invalid, "%s looks like a mask, not like a secret: paste the secret itself, or leave the field out to keep the stored one", f.label)
		default:
			values[f.name] = secret.NewText(value)
		}
	}
	faults = append(faults, s.checkCredentials(values)...)
	return values, under("credentials", faults)
}

// bareKey is a key without what is pasted along with it: quotes, and the scheme
// of the Authorization header.
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

// isMask reports whether the value is what a system shows in the place of a
// secret: this one's dots, or the stars and dots of others.
func isMask(f field, value string) bool {
	return strings.Contains(value, "•") || strings.Trim(value, "*") == "" ||
		f.kind == kindSecret && (strings.Contains(value, "***") || strings.Contains(value, "...") || strings.Contains(value, "…"))
}

// checkCredentials checks values, and normalises them in place.
func (s *spec[C, F]) checkCredentials(values map[string]secret.Text) fault.Fields {
	var faults fault.Fields
	credentials := fillCredentials[C](s.credentialFields, values)
	for _, f := range s.credentialFields {
		value, given := values[f.name]
		if !given {
			continue
		}
		normal, problem := s.check(f, credentials, value.Reveal())
		if problem != nil {
			faults = append(faults, *problem)
		}
		if normal != string(value.Bytes()) {
			value.Wipe()
			values[f.name] = secret.NewText(normal)
		}
	}
	return faults
}

// readConfig returns the whole wanted config: the request's over the stored.
func (s *spec[C, F]) readConfig(object json.RawMessage, stored map[string]string) (map[string]string, fault.Fields) {
	d := decodeConfig(s.configFields, object)
	if !d.whole {
		return nil, fault.Fields{{Name: "config", Code: fault.Required, Message: "must not be null"}}
	}
	faults := d.malformed
	values := make(map[string]string, len(s.configFields))
	for _, f := range s.configFields {
		if value, kept := stored[f.name]; kept {
			values[f.name] = value
		}
	}
	for name, value := range d.values {
		values[name] = strings.TrimSpace(value)
	}
	for _, name := range d.null {
		values[name] = ""
	}
	config := fillConfig[F](s.configFields, values)
	for _, f := range s.configFields {
		if d.broken(f) {
			continue
		}
		if slices.Contains(d.null, f.name) {
			faults.Add(f.name, fault.Required, "%s must not be null", f.label)
			continue
		}
		normal, problem := s.check(f, config, values[f.name])
		if problem != nil {
			faults = append(faults, *problem)
			continue
		}
		values[f.name] = normal
		if normal == "" {
			delete(values, f.name)
		}
	}
	return values, under("config", faults)
}
