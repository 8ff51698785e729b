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
		var isState struct{ Set *bool } // of an entry with this name, it is an object
		if json.Unmarshal(field, &isState) == nil && isState.Set != nil {
			var state CredentialState
			if err := json.Unmarshal(field, &state); err != nil {
				return err
			}
			(*s)[name] = state
			continue
		}
		var entries map[string]CredentialState
		if err := json.Unmarshal(field, &entries); err != nil {
			return err
		}
		for entry, state := range entries {
			(*s)[name+"."+entry] = state
		}
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (s CredentialStates) MarshalJSON() ([]byte, error) {
	fields := map[string]any{}
	for name, state := range s {
		field, entry, isEntry := strings.Cut(name, ".")
		if !isEntry {
			fields[name] = state
			continue
		}
		entries, _ := fields[field].(map[string]CredentialState)
		if entries == nil {
			entries = map[string]CredentialState{}
			fields[field] = entries
		}
		entries[entry] = state
	}
	return json.Marshal(fields)
}
