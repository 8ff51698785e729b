package provider

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// newValidator makes a validator that reads secrets and knows max_bytes.
func newValidator() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterCustomTypeFunc(func(value reflect.Value) any {
		return value.Interface().(secret.Text).Reveal()
	}, secret.Text{})
	err := v.RegisterValidation("max_bytes", func(level validator.FieldLevel) bool {
		limit, err := strconv.Atoi(level.Param())
		return err == nil && len(level.Field().String()) <= limit
	})
	if err != nil {
		panic("provider: " + err.Error())
	}
	return v
}

// check checks one trimmed value against everything that is said of its field,
// and normalises it. The settings are the struct that holds the value.
func (s *spec[C, F]) check(f field, settings any, value string) (string, *fault.Field) {
	broken := func(code fault.Code, message string) (string, *fault.Field) {
		return "", &fault.Field{Name: f.name, Code: code, Message: f.label + " " + message}
	}
	if f.kind != kindSecretJSON && strings.ContainsFunc(value, unicode.IsControl) {
		return broken(fault.Invalid, "must not contain control characters or line breaks")
	}
	var invalid validator.ValidationErrors
	if errors.As(s.validate.StructPartial(settings, f.goName), &invalid) {
		switch invalid[0].Tag() {
		case "required":
			return broken(fault.Required, "is required")
		case "max":
			return broken(fault.TooLong, "must have at most "+strconv.Itoa(f.maxLength)+" characters")
		case "max_bytes":
			return broken(fault.TooLong, "must have at most "+strconv.Itoa(f.maxLength)+" bytes")
		default:
			return broken(fault.Invalid, "must consist of printable ASCII characters")
		}
	}
	if value == "" {
		return value, nil
	}
	if f.pattern != nil && !f.pattern.MatchString(value) {
		message := "is not of the right form"
		if f.placeholder != "" {
			message += ", such as " + f.placeholder
		}
		return broken(fault.Invalid, message)
	}
	if parse := s.parse[f.name]; parse != nil {
		normal, err := parse(value)
		if err != nil {
			return broken(fault.Invalid, err.Error())
		}
		return normal, nil
	}
	return value, nil
}
