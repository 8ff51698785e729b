package provider

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/strictjson"
)

// secretMap is a credential of kind secret_map: a secret for each name.
type secretMap = map[string]secret.Text

// minSecretInMap is the minimum length, in characters, of a value of a secret_map that
// is redacted. Shorter values are often no secrets, such as the name of a team.
const minSecretInMap = 16

// maxEntryName bounds the name of an entry, in characters.
const maxEntryName = 100

// isEntry reports whether a stored credential is an entry of the field.
func (f field) isEntry(credential string) bool {
	return f.Kind == KindSecretMap && strings.HasPrefix(credential, f.Name+".")
}

// entriesOf returns the entries of a secret_map, by their names.
func entriesOf[V any](f field, credentials map[string]V) map[string]V {
	entries := map[string]V{}
	for name, value := range credentials {
		if f.isEntry(name) {
			entries[strings.TrimPrefix(name, f.Name+".")] = value
		}
	}
	return entries
}

// readMap reads a secret_map. An object in the request is the whole wanted map, in which
// a value that says nothing new keeps the stored one. readMap returns an input for the
// map itself, and one for each entry that is wanted or stored.
func (f field) readMap(raw json.RawMessage, stored []string) []*input {
	whole := &input{field: f, path: "credentials." + f.Name}
	given := len(raw) > 0 && string(raw) != "null"
	var entries []*input
	if given {
		entries = f.readEntries(whole, raw, stored)
	}
	for _, name := range stored {
		if f.isEntry(name) && !slices.ContainsFunc(entries, func(in *input) bool { return in.Name == name }) {
			entry := f
			entry.Name = name
			entries = append(entries, &input{field: entry, path: "credentials." + name, stored: true, set: !given, removed: given})
		}
	}
	return append(entries, whole)
}

// readEntries reads the object of a secret_map in a request.
func (f field) readEntries(whole *input, raw json.RawMessage, stored []string) []*input {
	var request struct {
		Credentials map[string]map[string]json.RawMessage `json:"credentials"`
	}
	data := slices.Concat([]byte(`{"credentials":{"`+f.Name+`":`), raw, []byte("}}"))
	defer clear(data)
	problems, err := strictjson.Decode(data, &request)
	if err != nil {
		problems.Malformed.Add(whole.path, fault.Invalid, "must be an object")
	}
	whole.malformed = problems.Malformed
	wanted := request.Credentials[f.Name]
	if len(wanted) > f.maxEntries {
		whole.refuse(fault.TooMany, "must have at most %d entries", f.maxEntries)
		return nil
	}
	var entries []*input
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		in := f.readEntry(name, wanted[name], stored)
		if slices.ContainsFunc(entries, func(other *input) bool { return other.Name == in.Name }) {
			in.refuse(fault.Duplicate, "is the same name as another one, except for upper and lower case")
		}
		entries = append(entries, in)
	}
	return entries
}

// readEntry reads one entry of a secret_map in a request.
func (f field) readEntry(name string, raw json.RawMessage, stored []string) *input {
	path := "credentials." + f.Name + "." + name
	if len(name) > maxEntryName {
		path = "credentials." + f.Name + "." + strictjson.Shorten(name)
	}
	normal, err := f.parse(name)
	f.Name += "." + normal
	in := f.readCredential(path, raw, slices.Contains(stored, f.Name))
	switch {
	case err != nil:
		in.problem = &fault.Field{Name: path, Code: fault.Invalid, Message: err.Error()}
	case !in.set && !in.removed:
		in.refuse(fault.Required, "is required; there is no stored value that could be kept")
	}
	return in
}

// mapSchema is the JSON Schema of a secret_map.
func (f field) mapSchema() map[string]any {
	value := f
	value.Kind, value.Label, value.Help, value.Required = kindSecret, "Value", "", true
	return map[string]any{
		"type": "object", "title": f.Label, "description": f.Help,
		"maxProperties":        f.maxEntries,
		"propertyNames":        map[string]any{"pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "maxLength": maxEntryName},
		"additionalProperties": value.schema(),
	}
}
