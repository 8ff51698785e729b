package app

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// ProviderSettings are settings of a provider as a client of the API knows them.
type ProviderSettings struct {
	Credentials map[string]any // as in a request; of a stored provider, only their names
	Config      map[string]string
}

// CheckedSettings are what the service makes of settings that are sent to it.
type CheckedSettings struct {
	Config map[string]string // as it would be stored
	// Moved says that the address is another one, to which the service sends no stored
	// credential.
	Moved   bool
	Removed []string // names of stored credentials that would be removed
}

// ReadProviderSettings checks settings as the service does, so that a client learns what
// is wrong before it sends them. wanted is merged into stored, the settings of a provider
// that exists.
func ReadProviderSettings(typeName string, wanted, stored ProviderSettings) (CheckedSettings, fault.Fields) {
	var faults fault.Fields
	providerType, ok := provider.Lookup(typeName)
	if !ok {
		var names []string
		for _, known := range provider.Types() {
			names = append(names, known.Name())
		}
		faults.Add("type", fault.Invalid, "must be one of %s", strings.Join(names, ", "))
		return CheckedSettings{}, faults
	}
	request := provider.Request{Credentials: asJSON(wanted.Credentials), Config: asJSON(wanted.Config)}
	read, problems := providerType.Read(request, provider.Stored{
		Credentials: slices.Collect(maps.Keys(stored.Credentials)), Config: stored.Config,
	})
	moved := stored.Config != nil && providerType.Origin(read.Config) != providerType.Origin(stored.Config)
	return CheckedSettings{Config: read.Config, Moved: moved, Removed: read.Removed}, append(problems.Malformed, problems.Invalid...)
}

func asJSON[V any](values map[string]V) map[string]json.RawMessage {
	encoded := map[string]json.RawMessage{}
	for name, value := range values {
		encoded[name], _ = json.Marshal(value) // strings, bools and maps of them can always be encoded
	}
	return encoded
}

// FoldName returns the form of a provider's name under which two spellings are the same
// to the service.
func FoldName(name string) string { return registry.Fold(name) }

// StageNames returns the names of the stages that a model can serve.
func StageNames() []string {
	var names []string
	for _, stage := range registry.Stages() {
		names = append(names, string(stage))
	}
	return names
}
