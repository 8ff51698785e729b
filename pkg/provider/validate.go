package provider

import (
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/fault"
)

// newValidator makes a validator that knows max_bytes.
func newValidator() *validator.Validate {
	v := validator.New()
	err := v.RegisterValidation("max_bytes", func(level validator.FieldLevel) bool {
		limit, err := strconv.Atoi(level.Param())
		return err == nil && len(level.Field().String()) <= limit
	})
	if err != nil {
		panic("provider: " + err.Error())
	}
	return v
}

// check checks one trimmed value, which is not empty, against the rules of its field,
// and normalises it.
func (s *spec[C, F]) check(f *input, value string) (string, *fault.Field) {
	broken := func(code fault.Code, message string) (string, *fault.Field) {
		return "", &fault.Field{Name: f.path, Code: code, Message: message}
	}
	if f.Kind != kindSecretJSON && strings.ContainsFunc(value, unicode.IsControl) {
		return broken(fault.Invalid, "must not contain control characters or line breaks")
	}
	var invalid validator.ValidationErrors
	if errors.As(s.validate.Var(value, f.rules), &invalid) {
		switch limit := strconv.Itoa(f.maxLength); invalid[0].Tag() {
		case "max":
			return broken(fault.TooLong, "must have at most "+limit+" characters")
		case "max_bytes":
			return broken(fault.TooLong, "must have at most "+limit+" bytes")
		default:
			return broken(fault.Invalid, "must consist of printable ASCII characters")
		}
	}
	if f.pattern != nil && !f.pattern.MatchString(value) {
		return broken(fault.Invalid, f.message)
	}
	parse := s.parse[f.Name]
	if parse == nil {
		return value, nil
	}
	normal, err := parse(value)
	if err != nil {
		return broken(fault.Invalid, err.Error())
	}
	return normal, nil
}
