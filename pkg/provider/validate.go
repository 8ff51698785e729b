package provider

import (
	"errors"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/fault"
)

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
