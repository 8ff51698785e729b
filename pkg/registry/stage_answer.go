package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"modelproviders/pkg/provider"
)

// This file reads the answers of models to the prompts of stage checks.

// mismatch returns what is wrong with a value of a schema of [objectSchema], or "". path
// is where the value is.
func mismatch(path string, schema map[string]any, value any) string {
	name := cmp.Or(path, "it")
	switch schema["type"] {
	case "object":
		object, ok := value.(map[string]any)
		if !ok {
			return name + " is not an object"
		}
		return objectMismatch(path, schema, object)
	case "array":
		list, ok := value.([]any)
		if !ok {
			return name + " is not a list"
		}
		for i, element := range list {
			if wrong := mismatch(fmt.Sprintf("%s[%d]", path, i), schema["items"].(map[string]any), element); wrong != "" {
				return wrong
			}
		}
	case "string":
		text, ok := value.(string)
		switch {
		case !ok:
			return name + " is not a text"
		case strings.TrimSpace(text) == "":
			return name + " is empty"
		}
	}
	return ""
}

func objectMismatch(path string, schema, object map[string]any) string {
	if path != "" {
		path += "."
	}
	properties := schema["properties"].(map[string]any)
	for _, field := range schema["required"].([]string) {
		value, present := object[field]
		if !present {
			return path + field + " is missing"
		}
		if wrong := mismatch(path+field, properties[field].(map[string]any), value); wrong != "" {
			return wrong
		}
	}
	for field := range object {
		if properties[field] == nil {
			return fmt.Sprintf("%s%q was not asked for", path, excerpt(field))
		}
	}
	return ""
}

// reasoningEnd is the end of reasoning in the text, as servers return it that don't
// separate it from the answer: that of most models, of Mistral's, Moonshot's, Cohere's and
// OpenAI's open ones.
var reasoningEnd = regexp.MustCompile(`(?is)^.*(</(seed:)?(think|thinking|thought|reasoning)>|\[/think\]|◁/think▷|<\|end_thinking\|>|<\|channel\|>final<\|message\|>)`)

// answerText returns the text of an answer without reasoning.
func answerText(r provider.Result) string {
	return strings.TrimSpace(reasoningEnd.ReplaceAllString(r.Response, ""))
}

var codeFence = regexp.MustCompile("(?s)```[a-zA-Z]*\n(.*?)```")

// jsonIn returns the JSON in an answer: all of it, the content of a code fence, or the
// text from the first brace to the last. Models without structured output add such
// words, and the JSON can be used without them.
func jsonIn(text string) (value any, found bool) {
	candidates := []string{text}
	for _, fence := range codeFence.FindAllStringSubmatch(text, -1) {
		candidates = append(candidates, fence[1])
	}
	if first, last := strings.Index(text, "{"), strings.LastIndex(text, "}"); first >= 0 && first < last {
		candidates = append(candidates, text[first:last+1])
	}
	for _, candidate := range candidates {
		if json.Unmarshal([]byte(candidate), &value) == nil {
			return value, true
		}
	}
	return nil, false
}

// excerpt returns the beginning of a text of a model in one line, for a detail.
func excerpt(text string) string { return shortened(strings.Join(strings.Fields(text), " "), 100) }

// shortened returns at most limit characters of a text.
func shortened(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	return string([]rune(text)[:limit-1]) + "…"
}
