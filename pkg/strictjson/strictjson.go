// Package strictjson decodes a JSON object from outside into a Go struct, and
// reports everything that is wrong with it.
//
// encoding/json accepts unknown and duplicate fields, matches names without
// regard to case, reads null as nothing, repairs broken Unicode, and stops at
// the first value of a wrong type. Here a name matches exactly or is unknown,
// and every broken field is reported under the name the client wrote. A body
// that is accepted is decoded as encoding/json would decode it.
//
// A struct is described by its `json` tags; embedded structs are flattened.
// Fields may be strings, bools, integers, floats, structs, [json.RawMessage],
// and pointers to, slices of and string-keyed maps of these. Decode panics when
// it meets another type. The tag `strict` adds:
//
//	strict:"readonly" any value is accepted, null too: a field that only the
//	                  server sets, sent back by the client. A json.RawMessage
//	                  keeps the value, other types stay zero.
//	strict:"trim"     white space around a string is removed
//
// A json.RawMessage takes any value, null too; whoever decodes it checks it. A
// pointer to a pointer takes null: it is nil if the field was left out, and points
// to nil if the field was null.
package strictjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"modelproviders/pkg/fault"
)

// Decode decodes data, one JSON object in UTF-8, into dst, a pointer to a
// struct. A [json.RawMessage] in it is a part of data. Unknown, duplicate and
// wrongly typed fields are malformed; if a field is given twice, the first value is
// used. Fields and array elements that are null are invalid (`required`); they
// stay zero, and a map gets no entry for them. If there are problems, dst may
// be partly filled; an element of an array that has a problem keeps its index.
// Messages never contain a value.
//
// The error is a fault of kind malformed_request: data is not one JSON object,
// is nested deeper than 32, or contains text that is not Unicode. It says where.
func Decode(data []byte, dst any) (fault.Problems, error) {
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("strictjson: cannot decode into %T: not a pointer to a struct", dst))
	}
	if len(data) > large {
		atOnce <- struct{}{}
		defer func() { <-atOnce }()
	}
	if err := check(data); err != nil {
		return fault.Problems{}, err
	}
	d := decoder{Decoder: newDecoder(data), data: data, fields: map[reflect.Type]map[string]field{}}
	if kind := d.PeekKind(); kind != object {
		return fault.Problems{}, fault.New(fault.MalformedRequest, "Request body must be a JSON object, not %s.", kindNames[kind])
	}
	d.structure(v.Elem())
	return d.problems, nil
}

// Data of more than large bytes can have so many faults that decoding it takes
// many times its memory: a process decodes a few at a time.
const large = 64 << 10

var atOnce = make(chan struct{}, 8)

func newDecoder(data []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(data), jsontext.AllowDuplicateNames(true))
}

// decoder decodes JSON that [check] found to be valid.
type decoder struct {
	*jsontext.Decoder
	data     []byte
	problems fault.Problems
	fields   map[reflect.Type]map[string]field // by struct type
}

// value decodes the next value into v.
func (d *decoder) value(v reflect.Value) {
	if v.Type() == rawMessage {
		v.SetBytes(d.raw())
		return
	}
	want, got := kindOf(v.Type()), d.PeekKind()
	switch {
	case got == null && v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Pointer:
		d.raw()
		v.Set(reflect.New(v.Type().Elem()))
		return
	case got == null:
		d.raw()
		d.add(&d.problems.Invalid, fault.Required, "must not be null")
		return
	case got != want:
		d.raw()
		d.malformed(fault.Invalid, "must be %s, not %s", kindNames[want], kindNames[got])
		return
	}
	for v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(v)
	case reflect.Map:
		d.mapping(v)
	case reflect.Slice:
		d.slice(v)
	default:
		d.scalar(v)
	}
}

// structure decodes the next value, an object, into a struct.
func (d *decoder) structure(v reflect.Value) {
	fields, known := d.fields[v.Type()]
	if !known {
		fields = fieldsOf(v.Type())
		d.fields[v.Type()] = fields
	}
	d.object(func(name string) {
		f, known := fields[name]
		switch {
		case !known:
			d.unknown(fields, name)
			d.raw()
		case f.readOnly && v.FieldByIndex(f.index).Type() != rawMessage:
			d.raw()
		default:
			member := v.FieldByIndex(f.index)
			d.value(member)
			if f.trimmed {
				trim(member)
			}
		}
	})
}

// unknown adds the problem that the name read last is not a field.
func (d *decoder) unknown(fields map[string]field, name string) {
	if d.problems.Malformed.Full() {
		return
	}
	var known []string
	for name, f := range fields {
		if !f.readOnly {
			known = append(known, name)
		}
	}
	d.malformed(fault.Unknown, "%s", Unknown(name, known).Message)
}

// maxMembers bounds the members of a map: each takes far more memory than its text.
const maxMembers = 1000

// mapping decodes the next value, an object, into a map.
func (d *decoder) mapping(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	d.object(func(name string) {
		if v.Len() == maxMembers {
			d.malformed(fault.TooMany, "is one field too many; an object can have at most %d", maxMembers)
			d.raw()
			return
		}
		item := reflect.New(v.Type().Elem()).Elem()
		isNull := d.PeekKind() == null && item.Type() != rawMessage
		d.value(item)
		if !isNull {
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
		}
	})
}

// slice decodes the next value, an array, into a slice.
func (d *decoder) slice(v reflect.Value) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	d.token()
	for i := 0; d.PeekKind() != ']'; i++ {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(v.Index(i))
	}
	d.token()
}

// scalar decodes the next value, a string, number or bool, into v of that kind.
func (d *decoder) scalar(v reflect.Value) {
	if json.Unmarshal(d.raw(), v.Addr().Interface()) == nil {
		return
	}
	if v.CanFloat() {
		d.malformed(fault.Invalid, "is out of range")
		return
	}
	d.malformed(fault.Invalid, "must be a whole number of at most %d bits, without a fraction or an exponent", v.Type().Bits())
}

// object reads the next value, an object; member reads the value of each name.
// The value of a name that was given before is skipped.
func (d *decoder) object(member func(name string)) {
	d.token()
	seen := map[string]int{}
	for d.PeekKind() != '}' {
		name := d.token().String()
		seen[name]++
		if seen[name] == 2 {
			d.malformed(fault.Duplicate, "is given more than once")
		}
		if seen[name] > 1 {
			d.raw()
		} else {
			member(name)
		}
	}
	d.token()
}

func (d *decoder) token() jsontext.Token {
	token, err := d.ReadToken()
	if err != nil {
		panic("strictjson: " + err.Error())
	}
	return token
}

// raw returns the next value as a part of the data.
func (d *decoder) raw() []byte {
	value, err := d.ReadValue()
	if err != nil {
		panic("strictjson: " + err.Error())
	}
	end := d.InputOffset()
	return d.data[end-int64(len(value)) : end : end]
}

// Duplicates finds the names that are given more than once in an object that
// [Decode] returned as a [json.RawMessage], and in what is nested in it.
func Duplicates(object []byte) fault.Fields {
	d := decoder{Decoder: newDecoder(object), data: object}
	d.walk()
	return d.problems.Malformed
}

// walk reads the next value and each one within it.
func (d *decoder) walk() {
	switch d.PeekKind() {
	case object:
		d.object(func(string) { d.walk() })
	case array:
		d.token()
		for d.PeekKind() != ']' {
			d.walk()
		}
		d.token()
	default:
		d.raw()
	}
}

// malformed adds a problem of the value or name that was read last.
func (d *decoder) malformed(code fault.Code, format string, args ...any) {
	d.add(&d.problems.Malformed, code, format, args...)
}

// add does not even make the path of a problem that would be dropped.
func (d *decoder) add(faults *fault.Fields, code fault.Code, format string, args ...any) {
	if !faults.Full() {
		faults.Add(d.path(), code, format, args...)
	}
}

// path returns the path of the value or name that was read last, as in
// `models[3].model_id`.
func (d *decoder) path() string {
	path, level := "", 0
	for token := range d.StackPointer().Tokens() {
		level++
		if kind, _ := d.StackIndex(level); kind == array {
			path += "[" + token + "]"
		} else {
			path += "." + Shorten(token)
		}
	}
	return strings.TrimPrefix(path, ".")
}

// maxName bounds a field's name, in bytes, as it is reported. Without it a long
// name above many broken fields would make an answer far larger than the request.
const maxName = 64

// Shorten returns the beginning of a long name, as it is reported.
func Shorten(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "…"
}
