package registry

import (
	"encoding/json"
	"maps"
	"slices"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// Precondition is a condition of an edit. The zero value allows any version, and only
// changes of what is not in use.
type Precondition struct {
	// Match has the versions in If-Match; nil matches any version, an empty list
	// matches none.
	Match []int64
	// Version is the version in the body; nil matches any version.
	Version *int64
	// Force allows to remove and disable models with references, and their provider.
	Force bool
}

// check returns version_mismatch unless the present version matches Match and Version.
func (p Precondition) check(what string, present int64) error {
	if (p.Match == nil || slices.Contains(p.Match, present)) && (p.Version == nil || *p.Version == present) {
		return nil
	}
	return fault.New(fault.VersionMismatch,
		"The %s has changed. Its version is now %d. Read it again and repeat the request.", what, present)
}

// wantedStatus returns whether the status in an edit enables the provider.
func wantedStatus(faults *fault.Fields, p Provider, status *string) (enabled bool) {
	switch {
	case status == nil, Status(*status) == Error && p.Status() == Error:
		return p.Enabled
	case Status(*status) == Error:
		faults.Add("status", fault.Invalid, "must be active or inactive; error is set by the service")
	case Status(*status) != Active && Status(*status) != Inactive:
		faults.Add("status", fault.Invalid, "must be active or inactive")
	}
	return Status(*status) == Active
}

// editProblems are the problems of an edit. Some have a kind of their own.
type editProblems struct {
	fault.Problems
	special []fault.Kind
}

func (p *editProblems) add(kind fault.Kind, field string, code fault.Code, message string) {
	p.Invalid.Add(field, code, "%s", message)
	p.special = append(p.special, kind)
}

// err is [fault.Problems.Err], with the special kind if all fields have the same one.
func (p *editProblems) err(outcome string) error {
	err := p.Err(outcome)
	if f := fault.As(err); f != nil && f.Kind == fault.ValidationFailed && len(p.special) == len(p.Invalid) && len(slices.Compact(p.special)) == 1 {
		f.Kind = p.special[0]
	}
	return err
}

// readEdit reads settings laid over those of a stored provider. Stored
// credentials that would follow a base URL to another address are a problem.
func readEdit(problems *editProblems, p Provider, typ *provider.Type, request provider.Request) provider.Settings {
	stored := slices.Sorted(maps.Keys(p.Credentials))
	settings, more := typ.Read(request, provider.Stored{Credentials: stored, Config: p.Config})
	problems.Add(more)
	if len(more.Malformed)+len(more.Invalid) > 0 || typ.Origin(settings.Config) == typ.Origin(p.Config) {
		return settings
	}
	for _, field := range stored {
		_, replaced := settings.Credentials[field]
		if !replaced && !slices.Contains(settings.Removed, field) {
			problems.add(fault.CredentialsRequired, "credentials."+field, fault.Required,
				"must be entered again, or removed, because base_url changes; a stored credential is never sent to another address")
		}
	}
	return settings
}

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
