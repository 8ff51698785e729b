// Package strictjson decodes a JSON object from outside into a Go struct, and
// says everything that is wrong with it.
//
// encoding/json is forgiving where an API should not be: it takes unknown and
// duplicate fields, matches names without regard to case, reads null as
// nothing, mends broken Unicode, and stops at the first value of a wrong type.
// Here a name matches exactly or is unknown, and every broken field comes back,
// named as the client wrote it. What is accepted means exactly what
// encoding/json makes of it.
//
// A struct is described by its `json` tags; embedded structs are flattened.
// Fields may be strings, bools, integers, floats, structs, [json.RawMessage],
// and pointers to, slices of and string-keyed maps of these; another type is a
// fault of the program, and panics when it is met. The tag `strict` adds:
//
//	strict:"ignore"   any value is passed over unread, null too: a field that
//	                  only the server sets, sent back in a round trip
//	strict:"object"   on a json.RawMessage: the value must be a JSON object
//
// Nothing inside a json.RawMessage is checked but its syntax; whoever decodes
// it checks the rest.
package strictjson

import (
	"encoding/json"
	"fmt"
	"reflect"

	"modelproviders/pkg/fault"
)

// maxDepth bounds how deep objects and arrays may be nested.
const maxDepth = 32

// Problems is what is wrong with the fields of a body that is JSON. Messages
// never hold a value.
type Problems struct {
	// Malformed are the unknown, duplicate and wrongly typed fields, in the
	// order of the body. Of a field given twice the first value is taken.
	Malformed fault.Fields
	// Null are the fields and array elements that are null (`required`), in
	// the order of the body. They stay zero in what is decoded; a map gets no
	// entry for them.
	Null fault.Fields
}

// Decode decodes data, one JSON object in UTF-8, into dst, a pointer to a
// struct; a [json.RawMessage] in it is a part of data. Where there are problems
// dst may be partly filled; an element of an array that has one keeps its place.
//
// The error is a fault of kind malformed_request: data is not one JSON object,
// is nested deeper than 32, or holds text that is not Unicode. Its message says
// where.
func Decode(data []byte, dst any) (Problems, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("strictjson: cannot decode into %T: not a pointer to a struct", dst))
	}
	if len(data) > large {
		atOnce <- struct{}{}
		defer func() { <-atOnce }()
	}
	d := decoder{parser: parser{data: data}, fields: map[reflect.Type]map[string]field{}}
	if err := d.body(v.Elem()); err != nil {
		return Problems{}, err
	}
	return d.problems, nil
}

// Data of more than large bytes can hold so many things that are wrong that
// decoding it takes many times its memory: a process decodes a few at a time.
const large = 64 << 10

var atOnce = make(chan struct{}, 8)

// decoder binds what the parser meets to Go values.
type decoder struct {
	parser
	problems Problems
	fields   map[reflect.Type]map[string]field // by struct type, as met so far
}

func (d *decoder) body(v reflect.Value) error {
	if err := d.checkText(); err != nil {
		return err
	}
	kind, err := d.peek()
	if err != nil {
		return err
	}
	if kind != object {
		if err := d.skip(); err != nil {
			return err
		}
		return fault.New(fault.MalformedRequest, "The body must be a JSON object, not %s.", kind)
	}
	if err := d.structure(v, nil); err != nil {
		return err
	}
	return d.end()
}

// value binds the next value to v.
func (d *decoder) value(v reflect.Value, at *path) error {
	kind, err := d.peek()
	if err != nil {
		return err
	}
	if kind == null {
		if !d.problems.Null.Full() {
			d.problems.Null.Add(at.String(), fault.Required, "must not be null")
		}
		return d.skip()
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if v.Type() == rawMessage {
		raw, err := d.raw()
		v.SetBytes(raw[:len(raw):len(raw)])
		return err
	}
	want := kindOf(v.Type())
	if kind != want {
		return d.wrong(at, want, kind)
	}
	switch want {
	case object:
		if v.Kind() == reflect.Map {
			return d.mapping(v, at)
		}
		return d.structure(v, at)
	case array:
		return d.slice(v, at)
	default:
		return d.scalar(v, at)
	}
}

// malformed notes what is wrong at a place, unless enough is known to be.
func (d *decoder) malformed(at *path, code fault.Code, format string, args ...any) {
	if !d.problems.Malformed.Full() {
		d.problems.Malformed.Add(at.String(), code, format, args...)
	}
}

// wrong notes a value of the wrong type and passes over it.
func (d *decoder) wrong(at *path, want, got kind) error {
	d.malformed(at, fault.Invalid, "must be %s, not %s", want, got)
	return d.skip()
}

// structure binds the next value, an object, to a struct.
func (d *decoder) structure(v reflect.Value, at *path) error {
	fields, known := d.fields[v.Type()]
	if !known {
		fields = fieldsOf(v.Type())
		d.fields[v.Type()] = fields
	}
	seen := names{}
	return d.object(func(name string) error {
		at := member(at, name)
		if d.repeated(seen, name, at) {
			return d.skip()
		}
		f, known := fields[name]
		if !known {
			if !d.problems.Malformed.Full() {
				d.malformed(at, fault.Unknown, "is not a field of this request%s", suggestion(fields, name))
			}
			return d.skip()
		}
		if f.ignored {
			return d.skip()
		}
		if f.object {
			if kind, err := d.peek(); err == nil && kind != object && kind != null {
				return d.wrong(at, object, kind)
			}
		}
		return d.value(v.FieldByIndex(f.index), at)
	})
}

// mapping binds the next value, an object, to a map.
func (d *decoder) mapping(v reflect.Value, at *path) error {
	v.Set(reflect.MakeMap(v.Type()))
	seen := names{}
	return d.object(func(name string) error {
		at := member(at, name)
		if d.repeated(seen, name, at) {
			return d.skip()
		}
		kind, _ := d.peek()
		item := reflect.New(v.Type().Elem()).Elem()
		err := d.value(item, at)
		if kind != null {
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
		}
		return err
	})
}

// slice binds the next value, an array, to a slice.
func (d *decoder) slice(v reflect.Value, at *path) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	return d.array(func(i int) error {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		return d.value(v.Index(i), element(at, i))
	})
}

// scalar binds the next value, a string, number or bool, to v of that kind.
func (d *decoder) scalar(v reflect.Value, at *path) error {
	raw, err := d.raw()
	if err != nil {
		return err
	}
	if json.Unmarshal(raw, v.Addr().Interface()) == nil {
		return nil
	}
	// The syntax and the kind are right: only a number can be no such number.
	message := "is a number out of range"
	if v.CanInt() || v.CanUint() {
		message = fmt.Sprintf("must be a whole number of at most %d bits, without a fraction or an exponent", v.Type().Bits())
		if v.CanUint() {
			message += ", and not negative"
		}
	}
	d.malformed(at, fault.Invalid, "%s", message)
	return nil
}

// names are the names seen in an object, and how often.
type names map[string]int

// repeated counts a name, and notes it the second time it is seen.
func (d *decoder) repeated(seen names, name string, at *path) bool {
	seen[name]++
	if seen[name] == 2 {
		d.malformed(at, fault.Duplicate, "is given more than once")
	}
	return seen[name] > 1
}
