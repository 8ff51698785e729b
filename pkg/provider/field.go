package provider

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// The kinds of a form field.
const (
	kindSecret     = "secret"
	kindSecretJSON = "secret_json"
	kindText       = "text"
	kindURL        = "url"
)

// field is one setting of a type, as its tags describe it.
type field struct {
	index  int    // in the Go struct
	goName string // in the Go struct

	name        string // on the wire
	label       string
	help        string
	kind        string
	placeholder string

	required  bool
	maxLength int // in characters, or bytes for a secret_json; 0: no bound
	ascii     bool
	pattern   *regexp.Regexp // nil: any
}

// fieldsOf reads the tags of a settings struct whose fields are all of one
// type.
func fieldsOf(t, of reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type != of {
			panic(fmt.Sprintf("provider: field %s of %s is no %s", f.Name, t, of))
		}
		fields = append(fields, fieldOf(i, f))
	}
	return fields
}

func fieldOf(index int, f reflect.StructField) field {
	out := field{
		index: index, goName: f.Name,
		name: f.Tag.Get("json"), label: f.Tag.Get("label"), help: f.Tag.Get("help"),
		kind: f.Tag.Get("kind"), placeholder: f.Tag.Get("placeholder"),
	}
	switch out.kind {
	case kindSecret, kindSecretJSON, kindText, kindURL:
	default:
		panic(fmt.Sprintf("provider: field %s has the unknown kind %q", f.Name, out.kind))
	}
	if expr := f.Tag.Get("pattern"); expr != "" {
		out.pattern = regexp.MustCompile(expr)
	}
	for rule := range strings.SplitSeq(f.Tag.Get("validate"), ",") {
		name, param, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			out.required = true
		case "printascii":
			out.ascii = true
		case "max", "max_bytes":
			n, err := strconv.Atoi(param)
			if err != nil {
				panic(fmt.Sprintf("provider: field %s: %v", f.Name, err))
			}
			out.maxLength = n
		default:
			panic(fmt.Sprintf("provider: field %s has the unknown rule %q", f.Name, rule))
		}
	}
	return out
}
