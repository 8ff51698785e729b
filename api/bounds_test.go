package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// untried lists the probes that can't have the outcome that openapi.yaml asks for,
// with the reason. A probe is named by its operation, field, rule and value. A
// name without an operation is for all of them, and `*` is any setting.
var untried = map[string]string{
	"cursor maxLength 5000":                                "cursors are made by the service, and none is that long",
	"listChanges after maxLength 2048":                     "cursors are made by the service, and none is that long",
	"listChanges wait maxLength 2048":                      "it is a duration",
	"display_name maxLength 256":                           longName,
	"models[0].display_name maxLength 256":                 longName,
	"updateProvider status enum error":                     "an error is observed, not set: it is accepted only as the present status",
	"config.api_version maxLength 64":                      "its pattern matches no text that long",
	"updateProvider config.region maxLength 64":            regions,
	"testProvider config.region maxLength 64":              regions,
	"checkProvider config.region maxLength 64":             regions,
	"listAvailableModelsOfEdit config.region maxLength 64": regions,
	"testModels model_ids maxItems 50":                     "the provider has only one model",
	"testModels model_ids[0] maxLength 256":                "the provider has no model with such an id",
	"config.api_version minLength 1":                       tooShort,
	"config.base_url minLength 1":                          tooShort,
	"config.client_id minLength 1":                         tooShort,
	"config.tenant_id minLength 1":                         tooShort,
	"config.tenant_id maxLength 253":                       "a sample of one part can't be made that long",
	"edit config.project maxLength 256 x gcp_vertex_ai":    projects,
	"edit config.project maxLength 256 😀 gcp_vertex_ai":    projects,
	"edit config.project maxLength 256 😀 openai":           projects,
	"putReference url minLength 1":                         tooShort,
	"config.project minLength 1":                           tooShort,
	"config.region minLength 1":                            tooShort,
	"credentials.service_account_json minLength 1":         tooShort,
	"credentials.*.masked maxLength 9":                     asAnswered,
	"credentials.headers.X-Gateway-Key.masked maxLength 9": asAnswered,
}

const (
	longName   = "a display name of more than 100 characters is accepted only if it is the model_id"
	regions    = "each type has its own pattern for regions, and the schema of an edit is for all types"
	projects   = "each type has its own rules for projects, and the schema of an edit is for all types"
	tooShort   = "its pattern or format needs more characters"
	asAnswered = "an object with `set` keeps the stored credential, whatever else is in it"
)

// exclusive lists fields that can't be sent together with another field, which is
// left out while they are probed.
var exclusive = map[string]string{
	"createToken scopes": "role",
}

// TestBounds probes every bound that openapi.yaml sets on requests: a value at the
// bound must be accepted, and the next one beyond it refused with the field named.
// The bounds and the requests to send are read from the file, so new fields and
// routes are probed too. It needs SQLite only and takes seconds, so it also runs
// with -short.
func TestBounds(t *testing.T) {
	t.Parallel()
	strict := newBoundsService(t, checker.RoundTripper)
	// The probes on the list may break the description, so nothing checks them.
	lax := newBoundsService(t, func(base http.RoundTripper, _ string) http.RoundTripper { return base })
	used := map[string]bool{}
	for _, op := range describedOperations(t) {
		if unknown := op.unknownRules(); len(unknown) > 0 {
			t.Errorf("%s: this test does not know the rules %v", op.id, unknown)
		}
		var attempts []attempt
		for _, b := range op.bounds() {
			types := strict.typesFor(b)
			if len(types) == 0 {
				t.Errorf("%s: no provider type has this field", b)
			}
			for _, typ := range types {
				for _, probe := range b.probes(strict.sample(op, b, typ, apitest.Provider{})) {
					a := attempt{bound: b, typ: typ, probe: probe}
					used[a.listed()] = true
					attempts = append(attempts, a)
				}
			}
		}
		t.Run(op.id, func(t *testing.T) {
			t.Parallel()
			for _, a := range attempts {
				t.Run(fmt.Sprintf("%s %s %s %s", a.bound, a.probe.name, a.probe.of, a.typ), func(t *testing.T) {
					name := a.listed()
					switch {
					case name == "" && a.probe.value == unreachable:
						t.Error("no value found to send: extend candidates, or add the probe to untried with the reason")
					case name == "":
						strict.send(t, a).check(t)
					case a.probe.value != unreachable && lax.send(t, a).asDescribed():
						t.Errorf("%q is listed in untried, but has the outcome that openapi.yaml asks for", name)
					}
				})
			}
		})
	}
	for name := range untried {
		if !used[name] {
			t.Errorf("%q is listed in untried, but openapi.yaml has no such bound", name)
		}
	}
}

// attempt is a probe of a bound with a provider of one type, and its answer.
type attempt struct {
	bound  bound
	typ    string
	probe  probe
	answer *apitest.Answer
}

// listed returns the name under which untried lists the probe, or "".
func (a attempt) listed() string {
	b, probe := a.bound, a.probe
	name := fmt.Sprintf("%s %s %s", b.field(), b.rule, probe.name)
	names := []string{b.op.id + " " + name, name}
	if b.ofSettings() {
		anySetting := slices.Clone(b.at)
		anySetting[min(1, len(b.at)-1)] = "*"
		names = append(names, fmt.Sprintf("%s %s %s", anySetting, b.rule, probe.name))
		if b.title == "" && b.op.typ == "" {
			names = append(names, fmt.Sprintf("edit %s %s %s", name, probe.of, a.typ))
		}
	}
	for _, name := range names {
		if untried[name] != "" {
			return name
		}
	}
	return ""
}

// asDescribed reports whether the answer is what openapi.yaml promises.
func (a attempt) asDescribed() bool {
	status := a.answer.Status
	if a.probe.accepted {
		return status < 300 || status == http.StatusBadGateway // the upstream can't be called
	}
	if a.bound.in == "path" && status == http.StatusNotFound {
		return true
	}
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return false
	}
	return len(a.bound.at) == 0 || slices.ContainsFunc(a.refused(), a.names)
}

// names reports whether an error of an answer is about the field, a part of it, or
// the value that has the field only in one of several forms. A required field of an
// authentication method may be named by the message about those of another method.
func (a attempt) names(field [3]string) bool {
	if field[1] == "required" && strings.Contains(field[2], a.bound.field()) {
		return true
	}
	if a.bound.whole != nil && field[0] == a.bound.whole.String() {
		return true
	}
	rest, ok := strings.CutPrefix(field[0], a.bound.field())
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && (a.probe.code == "" || a.probe.code == field[1] || a.bound.in == "header")
}

// refused returns field, code and message of each error of an answer.
func (a attempt) refused() (fields [][3]string) {
	errors, _ := a.answer.Object()["errors"].([]any)
	for _, e := range errors {
		field, _ := e.(apitest.Object)["field"].(string)
		code, _ := e.(apitest.Object)["code"].(string)
		message, _ := e.(apitest.Object)["message"].(string)
		fields = append(fields, [3]string{field, code, message})
	}
	return fields
}

func (a attempt) check(t *testing.T) {
	t.Helper()
	if a.asDescribed() {
		return
	}
	want := "accepted"
	if !a.probe.accepted {
		want = strings.TrimSpace("refused with " + a.bound.field() + " " + a.probe.code)
	}
	t.Errorf("%s %s: answered with %d %v, not %s", a.bound, a.probe.name, a.answer.Status, a.refused(), want)
}
