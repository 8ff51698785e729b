package provider

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// rule is a row of a table that says what an upstream's error means. A row matches if
// all of status, code, param and words that it sets match. The first row that matches
// and has a kind decides. The rows of a type are read first, then
// [commonRules], then [statusRules].
type rule struct {
	status string // HTTP statuses with a space between: `403`, `400 404`, `5xx`
	code   string // words for the error in any of its code, type and status, with | between
	param  string // the parameter of the request that the error is about; * stands for any characters
	words  string // phrases in the message, in lower case, with | between

	// kind is empty in a row that sets only the scope.
	kind  FailureKind
	scope scope
	// hint is what a person can do; empty: the hint of the type, or else of
	// [kindHints], for the kind. {model}, {endpoint} and the names of the type's
	// values are replaced in it.
	hint string
}

// scope is what a failure concerns.
type scope int

const (
	byKind    scope = iota
	ofAccount       // every call of the account fails
	ofModel         // only the model, whatever the kind
	noAPI           // nothing at the address speaks the API
	ofGateway       // decided by the kind, even if later rows set another scope
	ofTools         // only what the prompt asks of the model: to call a tool, or to write JSON
)

// tables are the rules of a type, and its hints for kinds.
type tables struct {
	rules []rule
	also  []rule // the rules of another type, which are read afterwards
	hints map[FailureKind]string
	// values are more names to replace in hints, each followed by its value.
	values func(model string, said problem) []string
}

// classify explains an error by the tables. If the status of the call is a success,
// the status of the error counts.
func (t tables) classify(c *call, said problem, model string) *Failure {
	status := c.status
	if status < 400 {
		status = cmp.Or(said.http, statusOfCode(said), status)
	}
	f := &Failure{Message: said.message, HTTPStatus: status, Code: said.name()}
	if f.Message == "" {
		f.Message = "The server answered " + strings.TrimSpace(strconv.Itoa(status)+" "+http.StatusText(status)) + " without saying why."
	}
	f.rules = t.find(status, said, said.mentionsModel(model, c.endpoint))
	row := f.rules[len(f.rules)-1]
	f.Kind, f.scope, f.Unsupported = row.kind, f.rules[0].scope, row.scope == ofTools
	values := []string{"{model}", "`" + model + "`", "{endpoint}", c.endpoint}
	if t.values != nil {
		values = append(values, t.values(model, said)...)
	}
	if model == "" {
		values = append([]string{" {model}", ""}, values...)
	}
	f.Hint = strings.NewReplacer(values...).Replace(cmp.Or(row.hint, t.hints[f.Kind], kindHints[f.Kind]))
	return f
}

// statusOfCode is the HTTP status that an error has outside of streams, if its code
// says so; 0: unknown. Sources: Anthropic API reference, "Errors"; Amazon Bedrock API
// reference, "ConverseStream".
func statusOfCode(said problem) int {
	switch {
	case hasCode("invalid_request_error|validationexception", said):
		return http.StatusBadRequest
	case hasCode("billing_error", said):
		return http.StatusPaymentRequired
	case hasCode("permission_error", said):
		return http.StatusForbidden
	}
	return 0
}

// find returns the row that decides. If another row before it sets the scope, find
// returns that row first.
func (t tables) find(status int, said problem, aboutModel bool) (found []*rule) {
	message := strings.ToLower(said.message)
	for _, rows := range [][]rule{t.rules, t.also, commonRules, statusRules} {
		for i := range rows {
			row := &rows[i]
			if row.scope == noAPI && aboutModel || !row.matches(status, said, message) {
				continue
			}
			if row.kind != "" {
				return append(found, row)
			}
			if found == nil {
				found = append(found, row)
			}
		}
	}
	panic("provider: the rules of statuses match everything")
}

// matches compares the row with an error, whose message is given again in lower case.
func (row *rule) matches(status int, said problem, message string) bool {
	return (row.status == "" || hasStatus(row.status, status)) &&
		(row.code == "" || hasCode(row.code, said)) &&
		(row.param == "" || matches(row.param, said.param)) &&
		(row.words == "" || hasWords(row.words, message))
}

func hasStatus(list string, status int) bool {
	text := strconv.Itoa(status)
	for s := range strings.FieldsSeq(list) {
		if s == text || strings.HasSuffix(s, "xx") && s[0] == text[0] {
			return true
		}
	}
	return false
}

// hasCode reports whether one of the codes, in which * stands for any characters,
// is a word for the problem.
func hasCode(list string, p problem) bool {
	for code := range strings.SplitSeq(list, "|") {
		for _, word := range []string{p.inner, p.code, p.typ, p.status} {
			if word != "" && matches(code, strings.ToLower(word)) {
				return true
			}
		}
	}
	return false
}

// matches reports whether the text is the pattern, in which * stands for any
// characters.
func matches(pattern, text string) bool {
	ok, err := path.Match(pattern, text)
	return ok && err == nil
}

// hasWords reports whether the text contains one of the phrases, in which * stands
// for any characters.
func hasWords(phrases, text string) bool {
next:
	for phrase := range strings.SplitSeq(phrases, "|") {
		rest := text
		for part := range strings.SplitSeq(phrase, "*") {
			_, behind, found := strings.Cut(rest, part)
			if !found {
				continue next
			}
			rest = behind
		}
		return true
	}
	return false
}

// mentionsModel reports whether the error is about a model, and not only about the
// path that was called: frameworks and gateways quote a path that they do not have.
func (p problem) mentionsModel(model, endpoint string) bool {
	message := strings.ToLower(p.message)
	if strings.HasPrefix(message, pageMessage) {
		return false
	}
	if hasCode("*model*|*deployment*", p) || p.param == "model" {
		return true
	}
	end := "/" + path.Base(endpoint)
	words := strings.FieldsFunc(message, func(c rune) bool { return strings.ContainsRune(" \"'`()", c) })
	words = slices.DeleteFunc(words, func(word string) bool { return strings.HasSuffix(strings.TrimRight(word, ".,:;"), end) })
	message = strings.Join(words, " ")
	return len(model) > 3 && strings.Contains(message, strings.ToLower(model)) ||
		hasWords("model|modèle|модел|模型|モデル|모델|deployment", message)
}
