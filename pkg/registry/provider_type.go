package registry

import (
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// lookupType returns the type of a stored provider.
func lookupType(p Provider) (provider.Type, error) {
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

// stored is what a provider's type needs to know of what is kept.
func stored(p Provider) provider.Stored {
	return provider.Stored{Credentials: slices.Sorted(maps.Keys(p.Credentials)), Config: p.Config}
}

func typeNames() string {
	var names []string
	for _, t := range provider.Types() {
		names = append(names, t.Name())
	}
	return strings.Join(names, ", ")
}

// readEdit reads settings laid over those of a stored provider. Stored
// credentials that would follow a base URL to another address are a fault.
func readEdit(problems *editProblems, p Provider, request provider.Request) (provider.Settings, error) {
	typ, err := lookupType(p)
	if err != nil {
		return provider.Settings{}, err
	}
	settings, more := typ.Read(request, stored(p))
	problems.Add(more)
	if len(more.Malformed)+len(more.Invalid) > 0 || typ.Origin(settings.Config) == typ.Origin(p.Config) {
		return settings, nil
	}
	for _, field := range typ.CredentialFields() {
		if _, replaced := settings.Credentials[field]; !replaced {
			problems.add(fault.CredentialsRequired, "credentials."+field, fault.Required,
				"must be given anew, because base_url now leads somewhere else: a stored credential is never sent to another address")
		}
	}
	return settings, nil
}

func noType(name string) error {
	return fault.New(fault.NotFound, "There is no provider type %q; the types are %s.", name, typeNames())
}
