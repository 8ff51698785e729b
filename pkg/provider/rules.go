package provider

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// rule is a row of a table that says what an upstream's error means. A row
// matches when everything that it gives of status, code, param and words matches;
// the first row that matches and has a kind decides. The rows of a type are read
// first, then [commonRules], then [statusRules].
type rule struct {
	status string // HTTP statuses with a space between: `403`, `400 404`, `5xx`
	code   string // words for the error in any of its code, type and status, with | between
	param  string // the parameter of the request that the error is about; * stands for any characters
	words  string // phrases in the message, in lower case, with | between

	// kind is empty in a row that says only whose failure it is.
	kind  FailureKind
	whose whose
	// hint is what a person can do; empty: the hint of the type, or else of
	// [kindHints], for the kind. {model}, {endpoint} and the names of the type's
	// values are replaced in it.
	hint string
}

// whose says what a failure is about.
type whose int

const (
	byKind    whose = iota
	ofAccount       // every call of the account fails
	ofModel         // it is one model's, whatever its kind
	noAPI           // nothing at the address speaks the API
	ofGateway       // by its kind, whatever later rows say
)

// reply is an error that the tables are asked about.
type reply struct {
	status   int
	said     problem
	model    string // the model that was asked; empty: none
	endpoint string // the URL that was called
}

// tables are the rules of a type, and its hints for kinds.
type tables struct {
	rules []rule
	also  []rule // another type's, read after the own ones
	hints map[FailureKind]string
	// values are more names to replace in hints, each followed by its value.
	values func(reply) []string
}

// judge explains an error by the tables.
func (t tables) judge(r reply) *Failure {
	f := &Failure{Message: r.said.message, HTTPStatus: r.status, Code: r.said.name()}
	if f.Message == "" {
		f.Message = "The server answered " + strings.TrimSpace(strconv.Itoa(r.status)+" "+http.StatusText(r.status)) + " without saying why."
	}
	message := strings.ToLower(r.said.message)
	f.rules = t.find(r, message)
	row, owner := f.rules[len(f.rules)-1], f.rules[0].whose
	f.Kind = row.kind
	f.Account, f.OfModel, f.noAPI = owner == ofAccount, owner == ofModel, owner == noAPI
	hint := cmp.Or(row.hint, t.hints[f.Kind], kindHints[f.Kind])
	values := []string{"{model}", "`" + r.model + "`", "{endpoint}", r.endpoint}
	if t.values != nil {
		values = append(values, t.values(r)...)
	}
	if r.model == "" {
		values = append([]string{" {model}", ""}, values...)
	}
	f.Hint = strings.NewReplacer(values...).Replace(hint)
	return f
}

// find returns the row that decides, after the first row that says whose failure
// it is, if that is another.
func (t tables) find(r reply, message string) (found []*rule) {
	away := r.speaksOfAddress(message)
	for _, rows := range [][]rule{t.rules, t.also, commonRules, statusRules} {
		for i := range rows {
			row := &rows[i]
			if row.whose == noAPI && !away || !row.matches(r, message) {
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

func (row *rule) matches(r reply, message string) bool {
	return (row.status == "" || hasStatus(row.status, r.status)) &&
		(row.code == "" || hasCode(row.code, r.said)) &&
		(row.param == "" || matches(row.param, r.said.param)) &&
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

// speaksOfAddress reports whether the message does not mention a model, apart from
// the path that was called: frameworks and gateways quote a path that they do not
// have.
func (r reply) speaksOfAddress(message string) bool {
	if strings.HasPrefix(message, pageMessage) {
		return true
	}
	if hasCode("*model*|*deployment*", r.said) || r.said.param == "model" {
		return false
	}
	end := "/" + path.Base(r.endpoint)
	words := strings.FieldsFunc(message, func(c rune) bool { return strings.ContainsRune(" \"'`()", c) })
	words = slices.DeleteFunc(words, func(word string) bool { return strings.HasSuffix(strings.TrimRight(word, ".,:;"), end) })
	message = strings.Join(words, " ")
	if r.model != "" && strings.Contains(message, strings.ToLower(r.model)) && len(r.model) > 3 {
		return false
	}
	return !hasWords("model|modèle|модел|模型|モデル|모델|deployment", message)
}

// read explains an error of a call. Where the status says success, that in the
// error counts.
func (t tables) read(model string, c *call, said problem) *Failure {
	status := c.status
	if status < 400 && said.http != 0 {
		status = said.http
	}
	return t.judge(reply{status: status, said: said, model: model, endpoint: c.endpoint})
}
