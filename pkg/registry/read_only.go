package registry

import (
	"encoding/json"
	"maps"
	"slices"

	"modelproviders/pkg/fault"
)

// ReadOnly are the fields of an edit that only the server sets, as JSON by name;
// nil means that the field was left out. An edit may send them back as they were
// answered, so that clients can edit what they received.
type ReadOnly map[string]json.RawMessage

// readOnly are the values that an edit may send back for a field, and what to say
// about others.
type readOnly struct {
	values  []any
	message string
}

// check adds a fault for each value that differs from the present one: the client
// would believe that it was stored. prefix is put before the names of fields.
func (sent ReadOnly) check(present map[string]readOnly, prefix string, faults *fault.Fields) {
	for _, name := range slices.Sorted(maps.Keys(sent)) {
		var value any
		if sent[name] == nil || json.Unmarshal(sent[name], &value) == nil && slices.Contains(present[name].values, value) {
			continue
		}
		faults.Add(prefix+name, fault.Invalid, "%s", present[name].message)
	}
}

func (p Provider) readOnly() map[string]readOnly {
	label := p.Type
	if typ, err := lookupType(p); err == nil {
		label = typ.Form().Label
	}
	return map[string]readOnly{
		"id":         {[]any{p.ID}, "can't be changed"},
		"type_label": {[]any{label}, "is read-only; it is the label of the type"},
		"enabled":    {[]any{p.Enabled}, `is read-only; set status to "active" or "inactive"`},
	}
}

// readOnly of a model of p. A provider's status changes between active and error by
// itself, so either is accepted.
func (m Model) readOnly(p Provider) map[string]readOnly {
	status := []any{string(Inactive)}
	if p.Enabled {
		status = []any{string(Active), string(Error)}
	}
	return map[string]readOnly{
		"id":               {[]any{m.ID}, "can't be changed"},
		"provider_id":      {[]any{p.ID}, "can't be changed; add the model to the other provider"},
		"provider_name":    {[]any{p.Name}, "is read-only; set the name of the provider"},
		"provider_type":    {[]any{p.Type}, "is read-only; the type of a provider can't be changed"},
		"provider_status":  {status, "is read-only; set the status of the provider"},
		"provider_enabled": {[]any{p.Enabled}, "is read-only; set the status of the provider"},
	}
}
