package client

import (
	"encoding/json"
	"strings"
)

// CredentialStates are the states of a provider's credentials, by the names that
// [Client.RevealCredential] takes: `api_key`, and `headers.x-team` for the header X-Team.
type CredentialStates map[string]CredentialState

// UnmarshalJSON implements [json.Unmarshaler].
func (s *CredentialStates) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return err
	}
	*s = CredentialStates{}
	for name, field := range fields {
		var entries map[string]CredentialState
		if json.Unmarshal(field, &entries) == nil { // a state has a field that is no object
			for entry, state := range entries {
				(*s)[name+"."+entry] = state
			}
			continue
		}
		var state CredentialState
		if err := json.Unmarshal(field, &state); err != nil {
			return err
		}
		(*s)[name] = state
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (s CredentialStates) MarshalJSON() ([]byte, error) { return json.Marshal(NestedCredentials(s)) }

// NestedCredentials returns credentials in the form of requests, in which `headers.x-team`
// is the entry `x-team` of the object `headers`.
func NestedCredentials[V any](credentials map[string]V) map[string]any {
	nested := map[string]any{}
	for name, value := range credentials {
		field, entry, isEntry := strings.Cut(name, ".")
		if !isEntry {
			nested[name] = value
			continue
		}
		entries, _ := nested[field].(map[string]V)
		if entries == nil {
			entries = map[string]V{}
			nested[field] = entries
		}
		entries[entry] = value
	}
	return nested
}
