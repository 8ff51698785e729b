package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

// boundsService is a service to send probes to, with what only it knows.
type boundsService struct {
	server   *apitest.Server
	types    []string                  // of providers, and their authentication methods; see [apitest.Settings]
	titles   map[string][]string       // of the schemas of credentials and config, by type
	settings map[string]apitest.Object // valid credentials and config, by type
}

func newBoundsService(t *testing.T, wrap apitest.Wrap) *boundsService {
	t.Helper()
	s := &boundsService{
		server: apitest.Start(t, wrap, "SQLite", func(cfg *app.Config) {
			// Calls to upstreams fail at once.
			cfg.EgressProxy, cfg.TestTimeout = "http://127.0.0.1:9", 20*time.Millisecond
		}),
		titles: map[string][]string{}, settings: apitest.Settings(t),
	}
	var list struct{ Data []apitest.Object }
	s.server.Admin(t).Get("/provider-types").Is(http.StatusOK).Into(&list)
	for _, typ := range list.Data {
		methods := typ["auth_methods"].([]any)
		for i := range max(1, len(methods)) {
			name := typ["type"].(string)
			if i > 0 {
				name += " " + methods[i].(apitest.Object)["name"].(string)
			}
			s.types = append(s.types, name)
			for _, schema := range []string{"credentials_schema", "config_schema"} {
				s.titles[name] = append(s.titles[name], titleOf(typ[schema].(apitest.Object), i))
			}
		}
	}
	return s
}

// titleOf returns the title of a schema, or of its choice for an authentication method.
func titleOf(schema apitest.Object, method int) string {
	if choices, ok := schema["oneOf"].([]any); ok {
		schema = choices[method].(apitest.Object)
	}
	title, _ := schema["title"].(string)
	return title
}

// typesFor returns the provider types to probe a bound with: for a bound of a
// setting those that have it, and for any other bound one type.
func (s *boundsService) typesFor(b bound) []string {
	types := slices.DeleteFunc(slices.Clone(s.types), func(typ string) bool {
		return b.op.typ != "" && b.op.typ != typeName(typ)
	})
	if b.in != "body" || !b.ofSettings() {
		return types[:1]
	}
	return slices.DeleteFunc(types, func(typ string) bool {
		_, has := get(any(s.settings[typ]), b.at[:min(2, len(b.at))])
		return !has || b.title != "" && !slices.Contains(s.titles[typ], b.title)
	})
}

// typeName returns the name of a type without an authentication method.
func typeName(typ string) string {
	name, _, _ := strings.Cut(typ, " ")
	return name
}

// sample returns a valid body to probe a bound in: the example of openapi.yaml with
// what only the service knows. It is nil if the operation takes no body.
func (s *boundsService) sample(op describedOperation, b bound, typ string, p apitest.Provider) any {
	if op.body == nil {
		return nil
	}
	body := op.example(b)
	for name := range op.body.Properties {
		if value, ok := s.settings[typ][name]; ok {
			body = set(body, place{name}, clone(value))
		}
	}
	if _, ok := op.body.Properties["model_ids"]; ok {
		body = set(body, place{"model_ids"}, list{"gpt-4"}) // the model of the provider
	}
	body = op.withFormats(body, map[string]string{
		"date-time": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339),
		"uuid":      modelID(p),
	})
	if b.in == "body" && len(b.at) > 0 {
		body = drop(body, place{exclusive[fmt.Sprint(op.id, " ", b.at[:1])]})
	}
	for _, prepare := range b.prepare {
		body = prepare(body)
	}
	return body
}

func modelID(p apitest.Provider) string {
	if len(p.Models) == 0 {
		return unknownID
	}
	return p.Models[0].ID
}

// send sends an attempt in a workspace of its own and returns it with its answer.
func (s *boundsService) send(t *testing.T, a attempt) attempt {
	t.Helper()
	b, typ, probe := a.bound, a.typ, a.probe
	c := s.server.Workspace(t)
	if name, ok := probe.value.(string); ok && b.field() == "type" && s.settings[name] != nil {
		typ = name // the settings have to be those of the type
	}
	var p apitest.Provider
	if strings.Contains(b.op.path, "{id}") {
		p = c.CreateProvider(object{
			"name": apitest.UniqueName("p"), "type": typeName(typ), "models": list{apitest.GPT("gpt-4", object{"supported_stages": allStages()})},
			"credentials": s.settings[typ]["credentials"], "config": s.settings[typ]["config"],
		})
	}
	body := s.sample(b.op, b, typ, p)
	path := s.path(t, b, typ, p, probe)
	var edits []apitest.Edit
	switch b.in {
	case "query":
		if probe.value != leftOut {
			path += "?" + url.Values{b.field(): {fmt.Sprint(probe.value)}}.Encode()
		}
	case "header":
		if probe.value != leftOut {
			edits = append(edits, func(r *http.Request) {
				r.Header[http.CanonicalHeaderKey(b.field())] = []string{fmt.Sprint(probe.value)}
			})
		}
	case "body":
		switch probe.value {
		case present:
		case leftOut:
			body = drop(body, b.at)
		default:
			body = set(body, b.at, probe.value)
		}
	}
	a.answer = c.Do(b.op.method, path, body, edits...)
	return a
}

// path fills in the parameters of a path.
func (s *boundsService) path(t *testing.T, b bound, typ string, p apitest.Provider, probe probe) string {
	t.Helper()
	segments := strings.Split(b.op.path, "/")
	for i, segment := range segments {
		segment, suffix, _ := strings.Cut(segment, "}")
		name, isParameter := strings.CutPrefix(segment, "{")
		switch {
		case !isParameter:
		case b.in == "path" && b.field() == name:
			segments[i] = url.PathEscape(fmt.Sprint(probe.value)) + suffix
		case segments[i-1] == "provider-types":
			segments[i] = typeName(typ)
		case segments[i-1] == "providers":
			segments[i] = p.ID
		case segments[i-1] == "models":
			segments[i] = modelID(p)
		case segments[i-1] == "credentials":
			segments[i] = p.Stored()[0]
		case segments[i-1] == "references":
			segments[i] = "rule"
		default:
			t.Fatalf("%s: this test knows no value of {%s}", b.op.path, name)
		}
	}
	return strings.Join(segments, "/")
}
