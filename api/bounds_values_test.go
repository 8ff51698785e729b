package api_test

import (
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"modelproviders/api/apitest"
)

// probe is a value to send for a bound, with the outcome that it must have.
type probe struct {
	name     string
	of       string // the character that a text is filled with
	value    any    // or one of the markers
	accepted bool
	code     string // of the error when it is refused; empty: any
}

const (
	present     = marker("present")     // the field is sent as it is in the sample
	leftOut     = marker("left out")    // the field is not sent
	unreachable = marker("unreachable") // there should be a value, but none was found
)

type marker string

// boundRules are the keywords of JSON Schema that are probed. Each function returns
// the probes of a schema, given a valid value.
var boundRules = map[string]func(s *openapi3.Schema, valid any) []probe{
	"minLength": func(s *openapi3.Schema, valid any) []probe {
		n := int(s.MinLength)
		return append(textsOf(s, valid, n, true, ""), textsOf(s, valid, n-1, false, "")...)
	},
	"maxLength": func(s *openapi3.Schema, valid any) []probe {
		n := int(*s.MaxLength)
		return append(textsOf(s, valid, n, true, ""), textsOf(s, valid, n+1, false, "too_long")...)
	},
	"minItems": func(s *openapi3.Schema, valid any) []probe {
		n := int(s.MinItems)
		return []probe{
			{fmt.Sprint(n), "", itemsOf(s, valid, n), true, ""},
			{fmt.Sprint(n - 1), "", itemsOf(s, valid, n-1), false, ""},
		}
	},
	"maxItems": func(s *openapi3.Schema, valid any) []probe {
		n := int(*s.MaxItems)
		return []probe{
			{fmt.Sprint(n), "", itemsOf(s, valid, n), true, ""},
			{fmt.Sprint(n + 1), "", itemsOf(s, valid, n+1), false, ""},
		}
	},
	"uniqueItems": func(_ *openapi3.Schema, valid any) []probe {
		first := valid.([]any)[0]
		return []probe{{"repeated", "", []any{first, first}, false, "duplicate"}}
	},
	"maxProperties": func(s *openapi3.Schema, valid any) []probe {
		n := int(*s.MaxProps)
		return []probe{
			{fmt.Sprint(n), "", entriesOf(valid, n), true, ""},
			{fmt.Sprint(n + 1), "", entriesOf(valid, n+1), false, "too_many"},
		}
	},
	"dependentRequired": func(s *openapi3.Schema, valid any) []probe {
		var probes []probe
		for field, needed := range s.DependentRequired {
			if _, has := valid.(apitest.Object)[field]; has {
				without := clone(valid).(apitest.Object)
				delete(without, needed[0])
				probes = append(probes, probe{field, "", without, false, "required"})
			}
		}
		return probes
	},
	"propertyNames": func(s *openapi3.Schema, valid any) []probe {
		names := s.PropertyNames.Value
		longest := int(*names.MaxLength)
		probes := append(nearPattern(names, "X-Team"), textsOf(names, "X-Team", longest, true, "")...)
		probes = append(probes, textsOf(names, "X-Team", longest+1, false, "invalid")...)
		for i, p := range probes {
			for _, value := range valid.(apitest.Object) {
				probes[i].value = apitest.Object{fmt.Sprint(p.value): value}
			}
		}
		return probes
	},
	"minimum": func(s *openapi3.Schema, _ any) []probe {
		return numbersOf(*s.Min, *s.Min-step(s))
	},
	"maximum": func(s *openapi3.Schema, _ any) []probe {
		return numbersOf(*s.Max, *s.Max+step(s))
	},
	"enum": func(s *openapi3.Schema, _ any) []probe {
		var probes []probe
		for _, value := range s.Enum {
			probes = append(probes, probe{fmt.Sprint(value), "", value, true, ""})
		}
		return append(probes, probe{"another", "", fmt.Sprint(s.Enum[0]) + "x", false, ""})
	},
	"pattern": func(s *openapi3.Schema, valid any) []probe {
		return nearPattern(s, fmt.Sprint(valid))
	},
	"required": func(_ *openapi3.Schema, _ any) []probe {
		return []probe{{"present", "", present, true, ""}, {"left out", "", leftOut, false, ""}}
	},
}

// step is the distance to the next number.
func step(s *openapi3.Schema) float64 {
	if s.Type.Is("integer") {
		return 1
	}
	return 0.001
}

func numbersOf(at, past float64) []probe {
	return []probe{{fmt.Sprint(at), "", number(at), true, ""}, {fmt.Sprint(past), "", number(past), false, ""}}
}

func number(f float64) any { return json.Number(strings.TrimSuffix(fmt.Sprintf("%.3f", f), ".000")) }

// textsOf returns probes with texts of n characters: one with characters of one
// byte, and one with characters of four bytes if the schema allows them.
func textsOf(s *openapi3.Schema, valid any, n int, accepted bool, code string) []probe {
	text, _ := valid.(string)
	var probes []probe
	for _, fill := range []string{"x", "😀"} {
		value, ok := stretched(s, text, n, fill)
		switch {
		case ok:
			probes = append(probes, probe{fmt.Sprint(n), fill, value, accepted, code})
		case fill == "x" && accepted:
			probes = append(probes, probe{fmt.Sprint(n), fill, unreachable, accepted, ""})
		case fill == "x":
			probes = append(probes, probe{fmt.Sprint(n), fill, strings.Repeat(fill, n), accepted, ""})
		}
	}
	if n == 0 {
		probes = probes[:1]
	}
	return probes
}

// stretched makes a text of n characters from a valid one. It reports whether there
// is one that matches the schema's pattern and format.
func stretched(s *openapi3.Schema, valid string, n int, fill string) (string, bool) {
	for text := range candidates(valid, n, fill) {
		if utf8.RuneCountInString(text) == n && fits(s, text) && (n == 0 || fill == "x" || strings.Contains(text, fill)) {
			return text, true
		}
	}
	return "", false
}

// candidates returns texts of about n characters that may match what a valid one
// matches: a part of the valid one, or the valid one with more inserted.
func candidates(valid string, n int, fill string) iter.Seq[string] {
	return func(yield func(string) bool) {
		more := n - utf8.RuneCountInString(valid)
		if strings.HasPrefix(valid, "{") && more > 0 { // JSON
			yield("{" + strings.Repeat(" ", more) + valid[1:])
			return
		}
		if !yield(strings.Repeat(fill, n)) {
			return
		}
		if more <= 0 {
			_ = yield(valid[:n]) && yield(valid[len(valid)-n:])
			return
		}
		filling := strings.Repeat(fill, more-1)
		if !yield(valid+fill+filling) || !yield(valid+"/"+filling) || !yield(filling+":"+valid) {
			return
		}
		for i := range valid {
			if !yield(valid[:i] + strings.Repeat(valid[i:i+1], more) + valid[i:]) {
				return
			}
		}
	}
}

// fits reports whether a text matches the pattern and the format of a schema.
func fits(s *openapi3.Schema, text string) bool {
	if s.Format == "uri" {
		u, err := url.Parse(text)
		return err == nil && strings.HasPrefix(u.Scheme, "http") && u.Host != "" && len(u.Host) <= 64 && text == u.String()
	}
	return s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(text)
}

// nearPattern returns probes with texts that differ in one character from a valid
// one, some that match the pattern and some that don't.
func nearPattern(s *openapi3.Schema, valid string) []probe {
	texts := []string{valid}
	for i := range valid {
		texts = append(texts, valid[:i]+valid[i+1:])
	}
	for _, other := range []string{"-", "0", "A", "é"} {
		texts = append(texts, other+valid, valid+other, valid[:1]+other+valid[1:])
	}
	const each = 4
	matching, other := []probe{}, []probe{}
	for _, text := range texts {
		length := utf8.RuneCountInString(text)
		if length < int(s.MinLength) || s.MaxLength != nil && length > int(*s.MaxLength) {
			continue
		}
		if fits(s, text) {
			matching = append(matching, probe{text, "", text, true, ""})
		} else {
			other = append(other, probe{text, "", text, false, ""})
		}
	}
	return slices.Concat(matching[:min(each, len(matching))], other[:min(each, len(other))])
}

// itemsOf makes a list of n elements from a valid one. They differ unless the schema
// has too few values.
func itemsOf(s *openapi3.Schema, valid any, n int) any {
	items := []any{}
	for i := range n {
		if _, isText := valid.([]any)[0].(string); isText && i == 0 {
			items = append(items, valid.([]any)[0])
			continue
		}
		if enum := s.Items.Value.Enum; len(enum) > 0 {
			items = append(items, enum[i%len(enum)])
			continue
		}
		items = append(items, another(s.Items.Value, valid.([]any)[0], i))
	}
	return items
}

// entriesOf makes an object of n fields from a valid one.
func entriesOf(valid any, n int) any {
	entries := apitest.Object{}
	for name, value := range valid.(apitest.Object) {
		for i := range n {
			entries[fmt.Sprint(name, "-", i)] = value
		}
	}
	return entries
}

// another makes an element with its own texts and without ids, which only the
// service assigns.
func another(s *openapi3.Schema, element any, i int) any {
	fields, ok := clone(element).(apitest.Object)
	if !ok {
		return fmt.Sprint(element, i)
	}
	for name, property := range s.Properties {
		text, isText := fields[name].(string)
		switch {
		case property.Value.Format == "uuid":
			delete(fields, name)
		case isText && len(property.Value.Enum) == 0:
			fields[name] = fmt.Sprint(text, " ", i)
		}
	}
	return fields
}
