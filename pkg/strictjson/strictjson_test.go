package strictjson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/strictjson"
)

type stage string

type base struct {
	Note string `json:"note,omitempty"`
}

type model struct {
	ModelID string  `json:"model_id"`
	Stages  []stage `json:"stages"`
}

type request struct {
	base
	Name        string                     `json:"name"`
	Enabled     *bool                      `json:"enabled"`
	Count       int                        `json:"count"`
	Small       int8                       `json:"small"`
	Positive    *uint16                    `json:"positive"`
	Temperature *float64                   `json:"temperature"`
	Narrow      float32                    `json:"narrow"`
	Models      []model                    `json:"models"`
	Model       *model                     `json:"model"`
	Labels      map[string]string          `json:"labels"`
	Groups      map[string]model           `json:"groups"`
	Title       *string                    `json:"title" strict:"trim"`
	Remark      **string                   `json:"remark" strict:"trim"`
	Credentials map[string]json.RawMessage `json:"credentials"`
	Any         json.RawMessage            `json:"any"`
	CreatedAt   string                     `json:"created_at" strict:"readonly"`
	Hidden      string                     `json:"-"`
}

func decode(t *testing.T, body string) (request, fault.Problems) {
	t.Helper()
	var r request
	problems, err := strictjson.Decode([]byte(body), &r)
	if err != nil {
		t.Fatalf("Decode(%s): %v", body, err)
	}
	return r, problems
}

func TestDecodesWhatEncodingJSONDoes(t *testing.T) {
	for _, body := range []string{
		`{}`,
		" \t\r\n{ } \n",
		`{"name":"a","enabled":false,"count":-0,"small":-128,"positive":65535,"temperature":1e-3,"narrow":2}`,
		`{"name":"\u0041\ud83d\ude00\"\\\/\b\f\n\r\t é","note":"from the embedded struct"}`,
		`{"models":[],"labels":{},"groups":{}}`,
		`{"models":[{"model_id":"m","stages":["planning","tool_call"]},{}],"model":{"model_id":"x"}}`,
		`{"labels":{"":"empty","b":"c"},"groups":{"g":{"stages":[]}}}`,
		`{"credentials": { "api_key" : null, "key":1 } ,"any": [1, {"x":null}] }`,
		`{"any":"text"}`,
		`{"any":null,"title":"t"}`,
	} {
		got, problems := decode(t, body)
		if len(problems.Malformed)+len(problems.Invalid) > 0 {
			t.Errorf("%s: unexpected problems %v", body, problems)
		}
		var want request
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(request{})); diff != "" {
			t.Errorf("%s (-encoding/json +strictjson):\n%s", body, diff)
		}
	}
}

func TestProblemsOfFields(t *testing.T) {
	for _, c := range []struct {
		body      string
		malformed []string
		null      []string
	}{
		{body: `{"colour":1}`, malformed: []string{"colour: unknown: is not a field of this request"}},
		{body: `{"Name":"n"}`, malformed: []string{"Name: unknown: is not a field of this request; did you mean `name`?"}},
		{body: `{"model":{"modelId":"x"}}`, malformed: []string{"model.modelId: unknown: is not a field of this request; did you mean `model_id`?"}},
		{body: `{"Hidden":"x","-":1}`, malformed: []string{
			"Hidden: unknown: is not a field of this request",
			"-: unknown: is not a field of this request",
		}},
		{body: `{"name":"a","name":"b","n\u0061me":"c"}`, malformed: []string{"name: duplicate: is given more than once"}},
		{body: `{"labels":{"a":"1","a":"2"}}`, malformed: []string{"labels.a: duplicate: is given more than once"}},
		{body: `{"name":7}`, malformed: []string{"name: invalid: must be a string, not a number"}},
		{body: `{"name":{"a":[1]}}`, malformed: []string{"name: invalid: must be a string, not an object"}},
		{body: `{"enabled":"true"}`, malformed: []string{"enabled: invalid: must be true or false, not a string"}},
		{body: `{"models":{}}`, malformed: []string{"models: invalid: must be an array, not an object"}},
		{body: `{"model":[]}`, malformed: []string{"model: invalid: must be an object, not an array"}},
		{body: `{"labels":true}`, malformed: []string{"labels: invalid: must be an object, not true or false"}},
		{body: `{"credentials":"sk-1"}`, malformed: []string{"credentials: invalid: must be an object, not a string"}},
		{body: `{"credentials":{"api_key":null,"api_key":1}}`, malformed: []string{"credentials.api_key: duplicate: is given more than once"}},
		{body: `{"models":[{},{"model_id":1},3,{"stages":["a",2]}]}`, malformed: []string{
			"models[1].model_id: invalid: must be a string, not a number",
			"models[2]: invalid: must be an object, not a number",
			"models[3].stages[1]: invalid: must be a string, not a number",
		}},
		{body: `{"name":null,"enabled":null,"models":[null,{"model_id":null}],"labels":{"a":null},"credentials":null,"any":null}`,
			null: []string{
				"name: required: must not be null",
				"enabled: required: must not be null",
				"models[0]: required: must not be null",
				"models[1].model_id: required: must not be null",
				"labels.a: required: must not be null",
				"credentials: required: must not be null",
			}},
		{body: `{"name":1,"x":null,"groups":{"g":{"model_id":false}},"count":null,"note":[]}`,
			malformed: []string{
				"name: invalid: must be a string, not a number",
				"x: unknown: is not a field of this request",
				"groups.g.model_id: invalid: must be a string, not true or false",
				"note: invalid: must be a string, not an array",
			},
			null: []string{"count: required: must not be null"}},
	} {
		_, problems := decode(t, c.body)
		if diff := cmp.Diff(c.malformed, lines(problems.Malformed)); diff != "" {
			t.Errorf("%s: malformed (-want +got):\n%s", c.body, diff)
		}
		if diff := cmp.Diff(c.null, lines(problems.Invalid)); diff != "" {
			t.Errorf("%s: null (-want +got):\n%s", c.body, diff)
		}
	}
}

func lines(fields fault.Fields) []string {
	var out []string
	for _, f := range fields {
		out = append(out, f.Name+": "+string(f.Code)+": "+f.Message)
	}
	return out
}

func TestNumbersThatDoNotFit(t *testing.T) {
	for _, body := range []string{
		`{"count":1.0}`, `{"count":1e2}`, `{"count":9223372036854775808}`, `{"small":128}`,
		`{"positive":-1}`, `{"positive":65536}`, `{"temperature":1e400}`, `{"narrow":1e39}`,
	} {
		r, problems := decode(t, body)
		if len(problems.Malformed) != 1 || problems.Malformed[0].Code != fault.Invalid {
			t.Errorf("%s: problems %v, want one of code invalid", body, problems)
		}
		if r.Count != 0 || r.Small != 0 || r.Narrow != 0 {
			t.Errorf("%s: was decoded to %+v", body, r)
		}
	}
}

func TestIgnoredFieldsAreNotReadAndNotWritten(t *testing.T) {
	for _, value := range []string{`null`, `3`, `"2026-01-01T00:00:00Z"`, `{"a":1,"a":2}`, `[null]`} {
		r, problems := decode(t, `{"created_at":`+value+`}`)
		if r.CreatedAt != "" || len(problems.Malformed)+len(problems.Invalid) > 0 {
			t.Errorf("%s: decoded %q with problems %v", value, r.CreatedAt, problems)
		}
	}
}

func TestProblemsKeepElementsInPlace(t *testing.T) {
	r, _ := decode(t, `{"models":[1,null,{"model_id":"third"}],"labels":{"none":null,"one":"1"}}`)
	if diff := cmp.Diff([]model{{}, {}, {ModelID: "third"}}, r.Models); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"one": "1"}, r.Labels); diff != "" {
		t.Error(diff)
	}
}

func TestFirstOfTwoIsTaken(t *testing.T) {
	r, _ := decode(t, `{"name":"first","name":"second"}`)
	if r.Name != "first" {
		t.Errorf("Name = %q", r.Name)
	}
}

// TestNamesAreToldShort guards against an answer that repeats one long name of
// the body for each of many broken fields below it.
func TestNamesAreToldShort(t *testing.T) {
	body := `{"groups":{"` + strings.Repeat("é", 5000) + `":{"a":1,"b":2}}}`
	_, problems := decode(t, body)
	if len(problems.Malformed) != 2 {
		t.Fatalf("%d problems, want 2", len(problems.Malformed))
	}
	want := "groups." + strings.Repeat("é", 32) + "….a"
	if got := problems.Malformed[0].Name; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
}

func TestMessagesHoldNoValue(t *testing.T) {
	const canary = "sk-canary"
	for _, body := range []string{
		`{"count":"sk-canary","models":["sk-canary"],"enabled":"sk-canary"}`,
		`{"name":"sk-canary\x"}`, `{"name":"sk-canary`, `{"name":sk-canary}`, `{"name":"sk-canary" sk-canary}`,
		`"sk-canary"`, `{"name":"sk-canary\ud800"}`, "{\"name\":\"sk-canary\n\"}", `{} sk-canary`,
	} {
		var r request
		problems, err := strictjson.Decode([]byte(body), &r)
		told := ""
		if err != nil {
			told = err.Error()
		}
		for _, f := range append(problems.Malformed, problems.Invalid...) {
			told += f.Name + f.Message
		}
		if told == "" || strings.Contains(told, canary) {
			t.Errorf("%s: told %q", body, told)
		}
	}
}

// TestFaultsPastTheThousandthAreNotKept: neither told nor written down, so that a
// body full of them costs little.
func TestFaultsPastTheThousandthAreNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		item string
		most float64 // allocations for each
	}{"null": {"null", 2.5}, "malformed": {"1", 4.5}} {
		allocations := func(n int) float64 {
			body := []byte(`{"models":[` + strings.TrimSuffix(strings.Repeat(c.item+",", n), ",") + `]}`)
			return testing.AllocsPerRun(1, func() {
				var r request
				problems, err := strictjson.Decode(body, &r)
				if got := len(problems.Invalid) + len(problems.Malformed); err != nil || got != 1000 {
					t.Errorf("%s: %d of %d faults are kept, %v", name, got, n, err)
				}
			})
		}
		if each := (allocations(11_000) - allocations(1000)) / 10_000; each > c.most {
			t.Errorf("%s: a fault past the thousandth takes %v allocations", name, each)
		}
	}
}

func TestMembersOfAMapAreBounded(t *testing.T) {
	var body strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&body, `,"%d":"x"`, i)
	}
	r, problems := decode(t, `{"labels":{`+body.String()[1:]+`}}`)
	if len(r.Labels) != 1000 || len(problems.Malformed) != 1 || problems.Malformed[0].Name != "labels.1000" || problems.Malformed[0].Code != fault.TooMany {
		t.Errorf("%d members are taken, problems %v", len(r.Labels), problems.Malformed)
	}
}

// TestPointersToPointersTakeNull: they tell null from a field that was left out.
func TestPointersToPointersTakeNull(t *testing.T) {
	for body, want := range map[string]string{`{}`: "left out", `{"remark":null}`: "null", `{"remark":" r "}`: `"r"`} {
		r, problems := decode(t, body)
		got := "left out"
		if r.Remark != nil {
			text, err := json.Marshal(*r.Remark)
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
		if got != want || len(problems.Malformed)+len(problems.Invalid) > 0 {
			t.Errorf("%s: got %s with problems %v, want %s", body, got, problems, want)
		}
	}
	if _, problems := decode(t, `{"remark":7}`); len(problems.Malformed) != 1 {
		t.Errorf("a number is taken: %v", problems)
	}
}
