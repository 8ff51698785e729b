package registry

import (
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// lookupType returns the type of a stored provider.
func lookupType(p Provider) (*provider.Type, error) {
	typ, ok := provider.Lookup(p.Type)
	if !ok {
		return nil, fault.New(fault.Internal, "Provider %s is of the type %q, which this version does not know.", p.ID, p.Type)
	}
	return typ, nil
}

// readNewSettings reads the settings of a provider that is not stored yet.
func readNewSettings(problems *fault.Problems, typeName string, request provider.Request) provider.Settings {
	typ, ok := provider.Lookup(typeName)
	if !ok {
		problems.Invalid.Add("type", fault.Invalid, "must be one of %s", typeNames())
		return provider.Settings{}
	}
	settings, more := typ.Read(request, provider.Stored{})
	problems.Add(more)
	return settings
}

func typeNames() string {
	var names []string
	for _, t := range provider.Types() {
		names = append(names, t.Name())
	}
	return strings.Join(names, ", ")
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
