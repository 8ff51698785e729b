package main

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/fault"
)

// fault notes what is wrong at a node.
func (r *manifestReader) fault(node *yaml.Node, path, format string, args ...any) {
	if len(r.faults) < maxManifestFaults {
		r.faults = append(r.faults, manifestFault{node.Line, strings.TrimSpace(path + " " + fmt.Sprintf(format, args...))})
	}
}

// unique notes a fault if a value has been seen before.
func (r *manifestReader) unique(seen map[string]int, value string, node *yaml.Node, path string) {
	if line, twice := seen[value]; twice && value != "" {
		r.fault(node, path, "is the same as in line %d", line)
		return
	}
	seen[value] = node.Line
}

// fields returns the fields of a mapping by their names, and nothing if there is no
// mapping. If names are known, others are faults.
func (r *manifestReader) fields(node *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	if node == nil {
		return nil
	}
	node = resolve(node)
	if node.Kind != yaml.MappingNode && len(known) == 0 {
		r.fault(node, path, "must be a mapping; leave it out if it has no fields")
		return nil
	}
	if node.Kind != yaml.MappingNode {
		r.fault(node, path, "must be a mapping with the fields %s", strings.Join(known, ", "))
		return nil
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name := node.Content[i]
		at := strings.TrimPrefix(path+"."+name.Value, ".")
		switch {
		case len(known) > 0 && !slices.Contains(known, name.Value):
			r.fault(name, at, "is unknown; the fields are %s", strings.Join(known, ", "))
		case fields[name.Value] != nil:
			r.fault(name, at, "is there twice")
		}
		fields[name.Value] = node.Content[i+1]
	}
	return fields
}

func (r *manifestReader) list(node *yaml.Node, path string) []*yaml.Node {
	if node == nil {
		return nil
	}
	node = resolve(node)
	if node.Kind != yaml.SequenceNode {
		r.fault(node, path, "must be a list")
		return nil
	}
	return node.Content
}

// scalar returns a value as it is written: an unquoted 2024-10-21 is a text too.
func (r *manifestReader) scalar(node *yaml.Node, path string) string {
	node = resolve(node)
	if node.Kind != yaml.ScalarNode || node.Tag == "!!null" {
		r.fault(node, path, "must be a text")
		return ""
	}
	return strings.TrimSpace(node.Value)
}

// text returns a required text. parent is where a missing one is reported.
func (r *manifestReader) text(node, parent *yaml.Node, path string, limit int) string {
	if node == nil {
		if resolve(parent).Kind == yaml.MappingNode {
			r.fault(parent, path, "is required")
		}
		return ""
	}
	before := len(r.faults)
	value := r.scalar(node, path)
	var invalid fault.Fields
	invalid.Text(path, value, limit)
	for _, f := range invalid {
		if len(r.faults) == before {
			r.fault(node, path, "%s", f.Message)
		}
	}
	return value
}

func (r *manifestReader) choice(node *yaml.Node, path string, choices ...string) string {
	value := resolve(node).Value
	if resolve(node).Kind != yaml.ScalarNode || !slices.Contains(choices, value) {
		r.fault(node, path, "must be one of %s", strings.Join(choices, ", "))
		return ""
	}
	return value
}

// resolve follows aliases.
func resolve(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}
