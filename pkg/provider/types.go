package provider

import "slices"

// table is every type, in the order of the contract. It is the only list of
// types in the program.
var table = []*Type{
	openAI,
	anthropicAPI,
	azureOpenAI,
	awsBedrock,
	gcpVertexAI,
	custom,
}

// Types returns every provider type, in the order in which they are shown.
func Types() []*Type { return slices.Clone(table) }

// Lookup returns the type with that name.
func Lookup(name string) (*Type, bool) {
	for _, t := range table {
		if t.Name() == name {
			return t, true
		}
	}
	return nil, false
}
