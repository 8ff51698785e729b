package api

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-playground/validator/v10"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// embedded stands for an embedded struct in the path of a field.
const embedded = "<embedded>"

// rules runs the `validate` tags of request bodies. Beside the rules of
// go-playground/validator it knows:
//
//	text      no control characters
//	model_id  no path segments . and ..
//	stage     a pipeline stage
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		if f.Anonymous {
			return embedded
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	for tag, holds := range map[string]func(string) bool{
		"text":     fault.IsText,
		"model_id": isModelID,
		"stage":    func(s string) bool { return registry.Stage(s).Label() != "" },
	} {
		err := v.RegisterValidation(tag, func(level validator.FieldLevel) bool { return holds(level.Field().String()) })
		if err != nil {
			panic("api: " + err.Error())
		}
	}
	return v
})

// isModelID reports whether no server would resolve a part of the id, which
// enters URLs.
func isModelID(id string) bool {
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// validate returns the fields of a request body that break a rule of their tags.
func validate(body any) fault.Fields {
	var broken validator.ValidationErrors
	var faults fault.Fields
	if !errors.As(rules().Struct(body), &broken) {
		return nil
	}
	for _, b := range broken {
		_, path, _ := strings.Cut(strings.ReplaceAll(b.Namespace(), embedded+".", ""), ".")
		if b.Tag() == "unique" {
			checkStages(&faults, path, b.Value())
			continue
		}
		code, message := explain(b)
		faults.Add(path, code, "%s", message)
	}
	return faults
}

// explain says what is wrong with a field, and what it should be.
func explain(b validator.FieldError) (fault.Code, string) {
	switch tag, param := b.Tag(), b.Param(); {
	case tag == "required" && b.Kind() != reflect.String:
		return fault.Required, "is required"
	case tag == "required", tag == "min" && (b.Kind() == reflect.String || b.Kind() == reflect.Slice):
		return fault.Required, "must not be empty"
	case tag == "max" && b.Kind() == reflect.String:
		return fault.TooLong, fmt.Sprintf("must have at most %s characters", param)
	case tag == "max" && b.Kind() == reflect.Slice:
		return fault.TooMany, fmt.Sprintf("must have at most %s elements", param)
	case tag == "min":
		return fault.Invalid, "must be at least " + param
	case tag == "max":
		return fault.Invalid, "must be at most " + param
	case tag == "stage":
		return fault.Invalid, "must be one of " + strings.Join(names(registry.Stages()), ", ")
	case tag == "model_id":
		return fault.Invalid, "must not contain the path segments . and .."
	}
	return fault.Invalid, "must not contain control characters"
}

// checkStages checks each of a list of stages, where the rules stopped at the
// list since a stage is in it twice.
func checkStages(faults *fault.Fields, path string, list any) {
	seen := map[string]bool{}
	for i := range reflect.ValueOf(list).Len() {
		if faults.Full() {
			return
		}
		name := reflect.ValueOf(list).Index(i).String()
		at := fmt.Sprintf("%s[%d]", path, i)
		var broken validator.ValidationErrors
		switch {
		case errors.As(rules().Var(name, "stage"), &broken):
			code, message := explain(broken[0])
			faults.Add(at, code, "%s", message)
		case seen[name]:
			faults.Add(at, fault.Duplicate, "is a duplicate")
		}
		seen[name] = true
	}
}
