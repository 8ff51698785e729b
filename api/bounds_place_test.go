package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"modelproviders/api/apitest"
)

// place leads to a value in JSON: names of fields and indexes of elements.
type place []any

func (p place) field(name string) place { return append(slices.Clone(p), name) }
func (p place) index() place            { return append(slices.Clone(p), 0) }

func (p place) String() string {
	var text strings.Builder
	for _, step := range p {
		if i, ok := step.(int); ok {
			fmt.Fprintf(&text, "[%d]", i)
			continue
		}
		fmt.Fprintf(&text, ".%v", step)
	}
	return strings.TrimPrefix(text.String(), ".")
}

// get returns the value at a place.
func get(in any, at place) (value any, found bool) {
	for _, step := range at {
		switch step := step.(type) {
		case int:
			items, ok := in.([]any)
			if !ok || step >= len(items) {
				return nil, false
			}
			in = items[step]
		case string:
			fields, _ := in.(apitest.Object)
			if in, found = fields[step]; !found {
				return nil, false
			}
		}
	}
	return in, true
}

// set puts a value at a place, whose parent must exist, and returns the whole.
func set(in any, at place, value any) any {
	if len(at) == 0 {
		return value
	}
	last := len(at) - 1
	parent, _ := get(in, at[:last])
	switch step := at[last].(type) {
	case int:
		parent.([]any)[step] = value
	case string:
		parent.(apitest.Object)[step] = value
	}
	return in
}

// drop removes the field at a place and returns the whole. It keeps elements.
func drop(in any, at place) any {
	if len(at) == 0 {
		return nil
	}
	last := len(at) - 1
	parent, _ := get(in, at[:last])
	if fields, ok := parent.(apitest.Object); ok {
		delete(fields, at[last].(string))
	}
	return in
}

// clone copies a JSON value.
func clone(value any) any {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	var copied any
	if err := json.Unmarshal(text, &copied); err != nil {
		panic(err)
	}
	return copied
}
