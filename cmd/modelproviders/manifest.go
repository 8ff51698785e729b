package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
)

// A manifest is the file that `export` writes and `apply` reads; docs/apply.md describes
// it. It never contains the value of a credential.

// providerEntry is one provider of a manifest.
type providerEntry struct {
	Name        string            `yaml:"name"`
	Type        string            `yaml:"type"`
	Status      string            `yaml:"status,omitempty"` // empty: stays as it is
	Config      map[string]string `yaml:"config,omitempty"`
	Credentials sources           `yaml:"credentials,omitempty"`
	Models      []modelEntry      `yaml:"models"` // nil: stay as they are

	lines map[string]int // the lines of the fields, and of the entry under ""
}

// sources tell where the values of credentials are, by the names of the credentials; see
// [entryName].
type sources map[string]source

// source tells where the value of a credential is, or that there is none.
type source struct {
	Env     string `yaml:"env,omitempty"`
	File    string `yaml:"file,omitempty"`
	Removed bool   `yaml:"-"` // set: false
}

// modelEntry is one model of a manifest. What is empty stays as it is.
type modelEntry struct {
	ModelID         string             `yaml:"model_id"`
	DisplayName     string             `yaml:"display_name,omitempty"`
	SupportedStages []client.StageName `yaml:"supported_stages,omitempty"`
	Enabled         *bool              `yaml:"enabled,omitempty"`

	line int
}

// Limits of a manifest.
const (
	maxManifest          = 64 << 20
	maxManifestProviders = 100_000
	maxManifestModels    = 1_000_000
	maxModelsOfProvider  = 500
	maxManifestFaults    = 1000
)

// manifestFault is something that is wrong in a manifest.
type manifestFault struct {
	line int
	text string
}

// manifestReader reads a manifest and gathers everything that is wrong in it.
type manifestReader struct {
	providers []providerEntry
	faults    []manifestFault
	names     map[string]int // the lines of the names, case-folded
	models    int
	empty     bool // no document has content
}

// readManifest reads the providers of all documents. Those with faults are returned too,
// so that the rest of them can be checked, but not those without a name or a type. The
// error is one of reading.
func readManifest(file io.Reader) ([]providerEntry, []manifestFault, error) {
	content, err := io.ReadAll(io.LimitReader(file, maxManifest+1))
	if err != nil {
		return nil, nil, err
	}
	if len(content) > maxManifest {
		return nil, nil, fmt.Errorf("the file is larger than %d MiB", maxManifest>>20)
	}
	r := &manifestReader{names: map[string]int{}, empty: true}
	documents := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := documents.Decode(&document)
		switch {
		case errors.Is(err, io.EOF):
			if r.empty {
				r.faults = append(r.faults, manifestFault{text: "providers is required; a file that lists no provider contains providers: []"})
			}
			return r.providers, r.faults, nil
		case err != nil:
			return r.providers, append(r.faults, manifestFault{text: err.Error()}), nil //nolint:nilerr // it is reported with the other faults
		}
		r.document(&document)
	}
}

func (r *manifestReader) document(document *yaml.Node) {
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		return
	}
	r.empty = false
	fields := r.fields(document.Content[0], "", "providers")
	if fields != nil && fields["providers"] == nil {
		r.fault(document.Content[0], "providers", "is required")
	}
	for i, node := range r.list(fields["providers"], "providers") {
		if len(r.providers) >= maxManifestProviders || r.models >= maxManifestModels {
			r.fault(node, "providers", "has more than %d providers or %d models", maxManifestProviders, maxManifestModels)
			return
		}
		entry := r.provider(node, fmt.Sprintf("providers[%d]", i))
		if entry.Name != "" && entry.Type != "" {
			r.providers = append(r.providers, entry)
		}
	}
}

func (r *manifestReader) provider(node *yaml.Node, path string) providerEntry {
	fields := r.fields(node, path, "name", "type", "status", "config", "credentials", "models")
	entry := providerEntry{lines: map[string]int{"": node.Line}, Config: map[string]string{}, Credentials: sources{}}
	for name, field := range fields {
		entry.lines[name] = field.Line
	}
	entry.Name = r.text(fields["name"], node, path+".name", 100)
	entry.Type = r.text(fields["type"], node, path+".type", 100)
	if status := fields["status"]; status != nil {
		entry.Status = r.choice(status, path+".status", statusActive, statusInactive)
	}
	r.unique(r.names, app.FoldName(entry.Name), node, path+".name")
	config := r.fields(fields["config"], path+".config")
	for _, name := range sortedNames(config) {
		entry.lines["config."+name] = config[name].Line
		entry.Config[name] = r.scalar(config[name], path+".config."+name)
	}
	r.credentials(&entry, fields["credentials"], path+".credentials")
	if models := fields["models"]; models != nil {
		entry.Models = r.modelsOf(models, path+".models")
	}
	return entry
}

func (r *manifestReader) modelsOf(list *yaml.Node, path string) []modelEntry {
	models, ids := []modelEntry{}, map[string]int{}
	nodes := r.list(list, path)
	if len(nodes) > maxModelsOfProvider {
		r.fault(list, path, "has more than %d models", maxModelsOfProvider)
		return nil
	}
	for i, node := range nodes {
		model := r.model(node, fmt.Sprintf("%s[%d]", path, i))
		r.unique(ids, model.ModelID, node, fmt.Sprintf("%s[%d].model_id", path, i))
		models = append(models, model)
	}
	r.models += len(models)
	return models
}

func (r *manifestReader) model(node *yaml.Node, path string) modelEntry {
	fields := r.fields(node, path, "model_id", "display_name", "supported_stages", "enabled")
	model := modelEntry{line: node.Line, ModelID: r.text(fields["model_id"], node, path+".model_id", 256)}
	if name := fields["display_name"]; name != nil {
		model.DisplayName = r.text(name, node, path+".display_name", 256)
		if model.DisplayName != model.ModelID && utf8.RuneCountInString(model.DisplayName) > 100 {
			r.fault(name, path+".display_name", "must have at most 100 characters")
		}
	}
	if enabled := fields["enabled"]; enabled != nil {
		on := r.choice(enabled, path+".enabled", "true", "false") == "true"
		model.Enabled = &on
	}
	before, stages := len(r.faults), fields["supported_stages"]
	if stages != nil {
		model.SupportedStages = []client.StageName{}
	}
	for i, stage := range r.list(stages, path+".supported_stages") {
		name := client.StageName(r.choice(stage, fmt.Sprintf("%s.supported_stages[%d]", path, i), app.StageNames()...))
		if slices.Contains(model.SupportedStages, name) {
			r.fault(stage, path+".supported_stages", "has %s twice", name)
		}
		model.SupportedStages = append(model.SupportedStages, name)
	}
	if stages != nil && len(model.SupportedStages) == 0 && len(r.faults) == before {
		r.fault(stages, path+".supported_stages", "must have at least one stage")
	}
	return model
}

// credentials reads where the credentials are. A mapping of mappings is a credential with
// an entry for each name.
func (r *manifestReader) credentials(entry *providerEntry, node *yaml.Node, path string) {
	add := func(name string, node *yaml.Node, path string) {
		entry.lines["credentials."+name] = node.Line
		entry.Credentials[name] = r.source(node, path)
	}
	credentials := r.fields(node, path)
	for _, name := range sortedNames(credentials) {
		path := path + "." + name
		if !hasMappings(credentials[name]) {
			add(name, credentials[name], path)
			continue
		}
		entry.lines["credentials."+name] = credentials[name].Line
		seen, entries := map[string]int{}, r.fields(credentials[name], path)
		for _, key := range sortedNames(entries) {
			r.unique(seen, strings.ToLower(key), entries[key], path+"."+key)
			add(entryName(name, key), entries[key], path+"."+key)
		}
	}
}

// hasMappings reports whether a value of the mapping is a mapping itself.
func hasMappings(node *yaml.Node) bool {
	node = resolve(node)
	return node.Kind == yaml.MappingNode && slices.ContainsFunc(node.Content, func(n *yaml.Node) bool { return resolve(n).Kind == yaml.MappingNode })
}

// variableName is the name of an environment variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)

// source reads where a credential is. The result is empty if there is a fault. Messages
// contain nothing of the file, because that may be a secret.
func (r *manifestReader) source(node *yaml.Node, path string) source {
	if resolve(node).Kind != yaml.MappingNode {
		r.fault(node, path, "must be {env: NAME}, {file: PATH} or {set: false}: the file must not contain the secret itself")
		return source{}
	}
	before := len(r.faults)
	fields := r.fields(node, path, "env", "file", "set")
	var from source
	if env := fields["env"]; env != nil {
		if from.Env = r.scalar(env, path+".env"); !variableName.MatchString(from.Env) {
			r.fault(env, path+".env", "must be the name of an environment variable")
		}
	}
	if file := fields["file"]; file != nil {
		from.File = r.text(file, node, path+".file", 4096)
	}
	if set := fields["set"]; set != nil {
		from.Removed = r.choice(set, path+".set", "false") == "false"
	}
	if len(r.faults) == before && len(fields) != 1 {
		r.fault(node, path, "must have one of env, file and set")
	}
	if len(r.faults) > before {
		return source{}
	}
	return from
}

// manifestError is the error of a manifest with faults, in the order of their lines.
func manifestError(name string, faults []manifestFault) error {
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b manifestFault) int { return a.line - b.line })
	var lines []string
	for _, f := range faults {
		at := name
		if f.line > 0 {
			at = fmt.Sprintf("%s:%d", name, f.line)
		}
		lines = append(lines, at+": "+f.text)
	}
	return errors.New("nothing was changed, because of what is wrong in the file:\n  " + strings.Join(lines, "\n  "))
}

// fault says what is wrong with a field of the provider.
func (e *providerEntry) fault(path, format string, args ...any) manifestFault {
	return manifestFault{e.lineOf(path), fmt.Sprintf("%s: %s %s", e.Name, path, fmt.Sprintf(format, args...))}
}

// lineOf returns the line of a field, or of its nearest parent that has one.
func (e *providerEntry) lineOf(path string) int {
	for {
		if line := e.lines[path]; line > 0 || path == "" {
			return line
		}
		cut := strings.LastIndex(path, ".")
		path = path[:max(cut, 0)]
	}
}

// sortedNames returns the names of a map in order.
func sortedNames[V any](values map[string]V) []string { return slices.Sorted(maps.Keys(values)) }
