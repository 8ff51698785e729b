package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/client"
)

// exportCommand writes a manifest of what a service has.
type exportCommand struct {
	remoteFlags
	Provider []string `help:"Name of a provider to export; can be repeated. By default, all are exported." sep:"none"`
}

const manifestHead = `# Providers of modelproviders, for modelproviders apply -f FILE.
# Credentials are not exported: apply sends those that are missing, from these environment variables.
`

// Run writes the manifest to stdout when it is complete: apply --prune would delete what
// a part of it lacks.
func (c exportCommand) Run(ctx context.Context, out streams) error {
	service, err := c.client()
	if err != nil {
		return err
	}
	var filters []client.ListProvidersParams
	for _, name := range c.Provider {
		filters = append(filters, client.ListProvidersParams{Name: name})
	}
	if len(filters) == 0 { // all providers
		filters = []client.ListProvidersParams{{Limit: 100}}
	}
	names, entries := variableNames{}, []providerEntry{}
	for _, filter := range filters {
		before := len(entries)
		for provider, err := range service.ListProviders(ctx, filter) {
			if err != nil {
				return err
			}
			entries = append(entries, names.entry(provider))
		}
		if filter.Name != "" && len(entries) == before {
			return fmt.Errorf("there is no provider named %q", filter.Name)
		}
	}
	content, err := yaml.Dump(map[string]any{"providers": entries}, yaml.WithLineWidth(-1))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out.stdout, manifestHead+string(content))
	return err
}

// variableNames has the names of environment variables that a manifest uses, with the
// number of the last one that was derived from the same text.
type variableNames map[string]int

// entry describes a provider in a manifest.
func (v variableNames) entry(p client.Provider) providerEntry {
	entry := providerEntry{Name: p.Name, Type: string(p.Type), Status: statusOf(p), Config: p.Config,
		Credentials: sources{}, Models: []modelEntry{}}
	for _, name := range storedCredentials(p) {
		entry.Credentials[name] = source{Env: v.unique(p.Name + "_" + name)}
	}
	for _, model := range p.Models {
		entry.Models = append(entry.Models, modelEntry{ModelID: model.ModelID, DisplayName: model.DisplayName,
			SupportedStages: model.SupportedStages, Enabled: &model.Enabled})
	}
	return entry
}

// unique derives the name of an environment variable that no other credential has.
func (v variableNames) unique(text string) string {
	name := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' && r < 'A' || r > 'Z' {
			return '_'
		}
		return r
	}, strings.ToUpper(text))
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	unique := name
	for v[unique] > 0 {
		v[name]++
		unique = fmt.Sprintf("%s_%d", name, v[name])
	}
	v[unique]++
	return unique
}

// MarshalYAML writes a model in one line.
func (m modelEntry) MarshalYAML() (any, error) {
	type plain modelEntry
	return inOneLine(plain(m))
}

// MarshalYAML writes the entries of a credential under its name.
func (s sources) MarshalYAML() (any, error) { //nolint:unparam // a yaml.Marshaler
	return client.NestedCredentials(s), nil
}

// MarshalYAML writes a source in one line.
func (s source) MarshalYAML() (any, error) {
	type plain source
	return inOneLine(plain(s))
}

func inOneLine(value any) (any, error) {
	var node yaml.Node
	err := node.Encode(value)
	for _, n := range append(node.Content, &node) {
		n.Style |= yaml.FlowStyle
	}
	return &node, err
}
