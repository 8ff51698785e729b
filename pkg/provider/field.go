package provider

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// KindSecretMap is the kind of a credential that is an object of named secrets. The value
// of each entry is stored as a credential by itself.
const KindSecretMap = "secret_map"

// The other kinds of a form field.
const (
	kindSecret     = "secret"
	kindSecretJSON = "secret_json"
	kindText       = "text"
	kindURL        = "url"
)

// field is one setting of a type, as its tags describe it.
type field struct {
	FormField
	index     int                                // in the Go struct
	parse     func(value string) (string, error) // see [Type]; nil: none
	rules     string                             // of the validator, without required
	maxLength int                                // in characters, or bytes for a secret_json; 0: no bound
	ascii     bool
	pattern   *regexp.Regexp // nil: any
	message   string         // about a value that does not match the pattern

	excludes   string // a field that must have no value if this one has
	maxEntries int    // of a secret_map
}

// fieldsOf reads the tags of a settings struct whose fields have some types.
func fieldsOf(t reflect.Type, types ...reflect.Type) []field {
	fields := make([]field, t.NumField())
	for i := range fields {
		f := t.Field(i)
		fields[i] = fieldOf(i, f.Tag)
		isMap := f.Type == reflect.TypeFor[secretMap]()
		if !slices.Contains(types, f.Type) || isMap != (fields[i].Kind == KindSecretMap) {
			panic(fmt.Sprintf("provider: field %s of %s has the wrong type %s", f.Name, t, f.Type))
		}
	}
	return fields
}

func fieldOf(index int, tag reflect.StructTag) field {
	f := field{
		FormField: FormField{
			Name: tag.Get("json"), Label: tag.Get("label"), Help: tag.Get("help"),
			Kind: tag.Get("kind"), Placeholder: tag.Get("placeholder"), Pattern: tag.Get("pattern"),
			Suggestions: strings.Fields(tag.Get("suggestions")),
			AuthMethod:  tag.Get("auth_method"), Needs: tag.Get("needs"),
		},
		index:    index,
		message:  tag.Get("message"),
		excludes: tag.Get("excludes"),
	}
	f.maxEntries, _ = strconv.Atoi(tag.Get("max_entries"))
	f.Group.Name, f.Group.Label, _ = strings.Cut(tag.Get("group"), ",")
	if !slices.Contains([]string{kindSecret, kindSecretJSON, KindSecretMap, kindText, kindURL}, f.Kind) {
		panic(fmt.Sprintf("provider: field %s has the unknown kind %q", f.Name, f.Kind))
	}
	if f.Pattern != "" {
		f.pattern = regexp.MustCompile(f.Pattern)
	}
	rules, required := strings.CutPrefix(tag.Get("validate"), "required,")
	f.rules, f.Required = rules, required
	for rule := range strings.SplitSeq(rules, ",") {
		name, param, _ := strings.Cut(rule, "=")
		switch name {
		case "printascii":
			f.ascii = true
		case "max", "max_bytes":
			n, err := strconv.Atoi(param)
			if err != nil {
				panic(fmt.Sprintf("provider: field %s: %v", f.Name, err))
			}
			f.maxLength = n
		default:
			panic(fmt.Sprintf("provider: field %s has the unknown rule %q", f.Name, rule))
		}
	}
	return f
}

// isFor reports whether the field belongs to a method, or to all.
func (f field) isFor(method string) bool { return f.AuthMethod == "" || f.AuthMethod == method }
