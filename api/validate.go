package api

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strconv"
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
//	page_url  an absolute URL of http or https without user and password
//	distinct  after dive: no earlier element of the list is equal
//
// unique, which would stop at the list, only describes what distinct checks.
var rules = sync.OnceValue(func() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		if f.Anonymous {
			return embedded
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	own := map[string]validator.Func{"distinct": isDistinct, "unique": func(validator.FieldLevel) bool { return true }}
	for tag, rule := range textRules {
		own[tag] = func(level validator.FieldLevel) bool { return rule.holds(level.Field().String()) }
	}
	for tag, rule := range own {
		if err := v.RegisterValidation(tag, rule); err != nil {
			panic("api: " + err.Error())
		}
	}
	return v
})

// textRules are the rules for texts, each with what a text that breaks it must do.
var textRules = map[string]struct {
	holds func(string) bool
	must  string
}{
	"text":     {fault.IsText, "must not contain control characters"},
	"model_id": {isModelID, "must not contain the path segments . and .."},
	"page_url": {isPageURL, "must be an absolute URL of http or https without user and password"},
	"stage": {
		func(s string) bool { return registry.Stage(s).Label() != "" },
		"must be one of " + strings.Join(names(registry.Stages()), ", "),
	},
}

// isDistinct reports whether an element of a list differs from those before it.
func isDistinct(level validator.FieldLevel) bool {
	list, index, _ := strings.Cut(level.StructFieldName(), "[")
	i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
	if err != nil {
		panic("api: the rule distinct is for elements of lists, not for " + level.StructFieldName())
	}
	elements := reflect.Indirect(level.Parent().FieldByName(list))
	for before := range i {
		if elements.Index(before).Equal(level.Field()) {
			return false
		}
	}
	return true
}

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

func isPageURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil
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
		code, message := explain(b)
		faults.Add(path, code, "%s", message)
	}
	return faults
}

// explain says what is wrong with a field, and what it should be.
func explain(b validator.FieldError) (fault.Code, string) {
	switch tag, param := b.Tag(), b.Param(); {
	case tag == "required":
		return fault.Required, "is required"
	case tag == "min" && (b.Kind() == reflect.String || b.Kind() == reflect.Slice):
		return fault.Required, "must not be empty"
	case tag == "max" && b.Kind() == reflect.String:
		return fault.TooLong, fmt.Sprintf("must have at most %s characters", param)
	case tag == "max" && b.Kind() == reflect.Slice:
		return fault.TooMany, fmt.Sprintf("must have at most %s elements", param)
	case tag == "min":
		return fault.Invalid, "must be at least " + param
	case tag == "max":
		return fault.Invalid, "must be at most " + param
	case tag == "distinct":
		return fault.Duplicate, "is the same as an earlier element"
	}
	return fault.Invalid, textRules[b.Tag()].must
}
