package strictjson

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"modelproviders/pkg/fault"
)

var (
	rawMessage = reflect.TypeFor[json.RawMessage]()
	jsonNumber = reflect.TypeFor[json.Number]()

	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// The kinds of JSON values; the kind of true stands for false too.
const (
	object  = jsontext.Kind('{')
	array   = jsontext.Kind('[')
	text    = jsontext.Kind('"')
	number  = jsontext.Kind('0')
	boolean = jsontext.Kind('t')
	null    = jsontext.Kind('n')
)

var kindNames = map[jsontext.Kind]string{
	object: "an object", array: "an array", text: "a string", number: "a number", boolean: "true or false", null: "null",
}

// PeekKind returns the kind of the next value.
func (d *decoder) PeekKind() jsontext.Kind {
	kind := d.Decoder.PeekKind()
	if kind == 'f' {
		return boolean
	}
	return kind
}

// field is one JSON field of a struct.
type field struct {
	index    []int
	readOnly bool
	trimmed  bool
}

// fieldsOf returns the JSON fields of a struct by name. As in encoding/json an
// outer field hides one of the same name in an embedded struct.
func fieldsOf(t reflect.Type) map[string]field {
	fields := make(map[string]field, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct: // its fields follow
			continue
		case f.Anonymous, strings.Contains(options, "string"):
			panic(fmt.Sprintf("strictjson: field %s of %s is embedded or tagged in a way that is not supported", f.Name, t))
		case tag == "-" || !f.IsExported():
			continue
		case name == "":
			name = f.Name
		}
		if other, twice := fields[name]; twice && len(other.index) == len(f.Index) {
			panic(fmt.Sprintf("strictjson: two fields of %s are named %q", t, name))
		} else if twice && len(other.index) < len(f.Index) {
			continue
		}
		strict := f.Tag.Get("strict")
		fields[name] = field{index: f.Index, readOnly: strict == "readonly", trimmed: strict == "trim"}
	}
	return fields
}

// kindOf returns the kind of JSON value that is decoded into a Go type.
func kindOf(t reflect.Type) jsontext.Kind {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	p := reflect.PointerTo(t)
	if t != jsonNumber && !p.Implements(unmarshaler) && !p.Implements(textUnmarshaler) {
		switch t.Kind() {
		case reflect.String:
			return text
		case reflect.Bool:
			return boolean
		case reflect.Struct:
			return object
		case reflect.Map:
			if t.Key().Kind() == reflect.String {
				return object
			}
		case reflect.Slice:
			if t.Elem().Kind() != reflect.Uint8 { // encoding/json reads base64 there
				return array
			}
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
			reflect.Float32, reflect.Float64:
			return number
		}
	}
	panic(fmt.Sprintf("strictjson: values of type %s are not supported", t))
}

// trim removes the white space around a string; nil stays nil.
func trim(v reflect.Value) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.IsValid() {
		v.SetString(strings.TrimSpace(v.String()))
	}
}

// Unknown returns the fault of a name that is not one of the known names. It suggests
// one that differs only in case, `_` and `-`.
func Unknown(name string, known []string) fault.Field {
	f := fault.Field{Name: Shorten(name), Code: fault.Unknown, Message: "is not a field of this request"}
	for _, other := range known {
		if len(name) <= maxName && plain(other) == plain(name) {
			f.Message += "; did you mean `" + other + "`?"
		}
	}
	return f
}

// plain removes from a name what people mix up: case, `_` and `-`.
func plain(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(name, "_", ""), "-", ""))
}
