package provider

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/strictjson"
)

// input is a field of a request, and what is stored of it.
type input struct {
	field
	path      string // the name in problems
	problem   *fault.Field
	malformed fault.Fields

	stored  bool   // a value is stored
	given   bool   // the request has another value, valid or not
	set     bool   // the field has a value after the request
	removed bool   // the request removes the stored value
	value   string // the new value of a credential, or the wanted one of a config field
}

// refuse sets the problem of the input, unless it has one.
func (in *input) refuse(code fault.Code, format string, args ...any) {
	if in.problem == nil && len(in.malformed) == 0 {
		in.problem = &fault.Field{Name: in.path, Code: code, Message: fmt.Sprintf(format, args...)}
	}
}

// Read merges the settings of a request into the stored ones, and trims,
// normalises and validates them. It returns all problems at once, named
// `credentials.…` and `config.…`. The Settings are valid only if there is none.
// Fields of another [AuthMethod] than the stored one replace all of its fields.
func (t *Type) Read(request Request, stored Stored) (Settings, fault.Problems) {
	problems := fault.Problems{Malformed: slices.Concat(
		unknownFields(t.credentialFields, request.Credentials).Under("credentials"),
		unknownFields(t.configFields, request.Config).Under("config"),
	)}
	var credentials, config []*input
	for _, f := range t.credentialFields {
		raw := request.Credentials[f.Name]
		if f.Kind == KindSecretMap {
			credentials = append(credentials, f.readMap(raw, stored.Credentials)...)
			continue
		}
		credentials = append(credentials, f.readCredential("credentials."+f.Name, raw, slices.Contains(stored.Credentials, f.Name)))
	}
	for _, f := range t.configFields {
		raw, given := request.Config[f.Name]
		config = append(config, f.readConfig(raw, given, stored.Config[f.Name]))
	}
	inputs := slices.Concat(credentials, config)
	method := t.form.chooseMethod(inputs)
	t.form.checkTogether(inputs, method)

	settings := Settings{Credentials: map[string]secret.Text{}, Config: map[string]string{}}
	for _, in := range inputs {
		problems.Malformed = append(problems.Malformed, in.malformed...)
		if in.problem != nil {
			problems.Invalid = append(problems.Invalid, *in.problem)
		}
	}
	for _, in := range credentials {
		switch {
		case in.stored && (in.removed || !in.isFor(method)):
			settings.Removed = append(settings.Removed, in.Name)
		case in.value != "":
			settings.Credentials[in.Name] = secret.NewText(in.value)
		}
	}
	for _, in := range config {
		if in.value != "" && in.isFor(method) {
			settings.Config[in.Name] = in.value
		}
	}
	slices.Sort(settings.Removed)
	return settings, problems
}

// readCredential reads a credential. It is a string, or the object in a response with a
// provider, which keeps the stored value, or removes it if it says that none is set. A
// secret_json can also be the JSON object itself.
func (f field) readCredential(path string, raw json.RawMessage, stored bool) *input {
	in := &input{field: f, path: path, stored: stored}
	value, removed, malformed := f.credential(path, raw)
	switch {
	case len(malformed) > 0:
		in.given, in.malformed = true, malformed
	case removed:
		in.removed = true
	case value == secret.Mask && !stored:
		in.refuse(fault.Required, "is required; there is no stored value that a mask could keep")
	case value == "" || value == secret.Mask:
		in.set = in.stored
	case isMask(f.Kind, value):
		in.given = true
		in.refuse(fault.Invalid, "must be the secret itself, not a mask; leave the field out to keep the stored secret")
	default:
		in.given, in.set = true, true
		in.value, in.problem = in.check(value)
	}
	return in
}

// credential reads the value of a credential, and whether the stored one is removed, or
// says what is malformed.
func (f field) credential(path string, raw json.RawMessage) (value string, removed bool, malformed fault.Fields) {
	if len(raw) > 0 && raw[0] == '{' {
		switch set, ok := answered(raw); {
		case ok && set:
			return secret.Mask, false, nil
		case ok:
			return "", true, nil
		}
		if f.Kind == kindSecretJSON {
			value, malformed = object(path, raw)
			return value, false, malformed
		}
	}
	value, ok := stringOf(raw)
	if !ok {
		malformed.Add(path, fault.Invalid, "must be a string")
	}
	if f.Kind == kindSecret { // quotes and Bearer may belong to the value of a header
		value = bareKey(value)
	}
	return value, false, malformed
}

// object returns the compact text of a JSON object that has no name twice.
func object(path string, raw json.RawMessage) (value string, malformed fault.Fields) {
	if malformed := strictjson.Duplicates(raw); len(malformed) > 0 {
		return "", malformed.Under(path)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		malformed.Add(path, fault.Invalid, "must be a JSON object")
	}
	defer clear(compact.Bytes())
	return compact.String(), malformed
}

// stringOf reads a JSON string without the white space around it; null and an
// absent one are empty.
func stringOf(raw json.RawMessage) (value string, ok bool) {
	if len(raw) == 0 {
		return "", true
	}
	err := json.Unmarshal(raw, &value)
	return strings.TrimSpace(value), err == nil
}

func unknownFields(fields []field, request map[string]json.RawMessage) fault.Fields {
	known := make([]string, len(fields))
	for i, f := range fields {
		known[i] = f.Name
	}
	var unknown fault.Fields
	for _, name := range slices.Sorted(maps.Keys(request)) {
		if !slices.Contains(known, name) && !unknown.Full() {
			unknown = append(unknown, strictjson.Unknown(name, known))
		}
	}
	return unknown
}

// maxAnswered bounds, in bytes, the objects that [answered] decodes, so that it does
// not copy a key file.
const maxAnswered = 1024

// answered reads a credential of a response with a provider:
// {"set":…,"masked":…,"updated_at":…}. ok is false for any other object.
func answered(raw json.RawMessage) (set, ok bool) {
	var members map[string]json.RawMessage
	if len(raw) > maxAnswered || json.Unmarshal(raw, &members) != nil || json.Unmarshal(members["set"], &set) != nil {
		return false, false
	}
	for name := range members {
		if name != "set" && name != "masked" && name != "updated_at" {
			return false, false
		}
	}
	return set, true
}

// bareKey is a pasted key without quotes and without the scheme of an Authorization
// header.
func bareKey(value string) string {
	value = unquoted(value)
	if scheme, key, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
		return unquoted(strings.TrimSpace(key))
	}
	return value
}

// unquoted is the value without one pair of quotes around it.
func unquoted(value string) string {
	for _, quote := range []string{`"`, "'", "`"} {
		if inner, ok := strings.CutPrefix(value, quote); ok {
			if inner, ok = strings.CutSuffix(inner, quote); ok {
				return strings.TrimSpace(inner)
			}
		}
	}
	return value
}

// maxAbbreviated is more than the length of a secret that is abbreviated with three
// dots. A client secret of Microsoft Entra ID, which is longer, may contain them.
const maxAbbreviated = 32

// isMask reports whether the value is a mask that this or another system shows instead
// of a secret.
func isMask(kind, value string) bool {
	return strings.Contains(value, "•") || strings.Trim(value, "*") == "" ||
		kind == kindSecret && (strings.Contains(value, "***") || strings.Contains(value, "…") || strings.Contains(value, "...") && len(value) < maxAbbreviated)
}

// readConfig reads a config field: the value of the request, or else the stored one.
func (f field) readConfig(raw json.RawMessage, given bool, stored string) *input {
	in := &input{field: f, path: "config." + f.Name, stored: stored != ""}
	value, ok := stringOf(raw)
	switch {
	case !given:
		value = stored
	case string(raw) == "null" && f.Required:
		in.refuse(fault.Required, "must not be null")
	case string(raw) == "null":
		in.refuse(fault.Required, "must not be null; an empty string removes the value")
	case !ok:
		in.malformed = fault.Fields{{Name: in.path, Code: fault.Invalid, Message: "must be a string"}}
	}
	if in.set = value != ""; in.set {
		in.value, in.problem = in.check(value)
	}
	in.given = given && in.set && in.value != stored
	return in
}

// validate knows max_bytes, too.
var validate = func() *validator.Validate {
	v := validator.New()
	err := v.RegisterValidation("max_bytes", func(level validator.FieldLevel) bool {
		limit, err := strconv.Atoi(level.Param())
		return err == nil && len(level.Field().String()) <= limit
	})
	if err != nil {
		panic("provider: " + err.Error())
	}
	return v
}()

// check checks one trimmed value, which is not empty, against the rules of its field,
// and normalises it.
func (in *input) check(value string) (string, *fault.Field) {
	broken := func(code fault.Code, message string) (string, *fault.Field) {
		return "", &fault.Field{Name: in.path, Code: code, Message: message}
	}
	if in.Kind != kindSecretJSON && strings.ContainsFunc(value, unicode.IsControl) {
		return broken(fault.Invalid, "must not contain control characters or line breaks")
	}
	var invalid validator.ValidationErrors
	if errors.As(validate.Var(value, in.rules), &invalid) {
		switch limit := strconv.Itoa(in.maxLength); invalid[0].Tag() {
		case "max":
			return broken(fault.TooLong, "must have at most "+limit+" characters")
		case "max_bytes":
			return broken(fault.TooLong, "must have at most "+limit+" bytes")
		default:
			return broken(fault.Invalid, "must consist of printable ASCII characters")
		}
	}
	if in.pattern != nil && !in.pattern.MatchString(value) {
		return broken(fault.Invalid, in.message)
	}
	if in.parse == nil || in.Kind == KindSecretMap {
		return value, nil
	}
	normal, err := in.parse(value)
	if err != nil {
		return broken(fault.Invalid, err.Error())
	}
	return normal, nil
}
