package strictjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/strictjson"
)

func TestRefusesWhatIsNotOneJSONObject(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{"", "Request body is empty. Send a JSON object."},
		{" \n", "Request body is empty. Send a JSON object."},
		{`[]`, "Request body must be a JSON object, not an array."},
		{`"a"`, "Request body must be a JSON object, not a string."},
		{`3`, "Request body must be a JSON object, not a number."},
		{`null`, "Request body must be a JSON object, not null."},
		{`true`, "Request body must be a JSON object, not true or false."},
		{`name=x`, "line 1, column 2: unexpected character."},
		{`{`, "line 1, column 2: unexpected end of the body."},
		{`{"name"`, "line 1, column 8: unexpected end of the body."},
		{`{"name":`, "line 1, column 9: unexpected end of the body."},
		{`{"name":"é"`, "line 1, column 12: unexpected end of the body."},
		{`{"name":"é`, "line 1, column 11: unexpected end of the body."},
		{"{\n  \"name\": \"x\",\n}", "line 2, column 14: unexpected character."},
		{`{'name':1}`, "line 1, column 2: unexpected character."},
		{`{name:1}`, "line 1, column 3: unexpected character."},
		{`{"name" 1}`, "line 1, column 9: unexpected character; expected ':'."},
		{`{"a":1 "b":2}`, "line 1, column 8: unexpected character; expected ',' or '}'."},
		{`{"a":[1 2]}`, "line 1, column 9: unexpected character; expected ',' or ']'."},
		{`{"a":[1,]}`, "line 1, column 8: unexpected character."},
		{`{"a":[`, "line 1, column 7: unexpected end of the body."},
		{`{"a":nul}`, "line 1, column 9: unexpected character."},
		{`{"a":truE}`, "line 1, column 9: unexpected character."},
		{`{"a":NaN}`, "line 1, column 6: unexpected character."},
		{`{"a":01}`, "line 1, column 7: unexpected character; expected ',' or '}'."},
		{`{"a":-}`, "line 1, column 7: unexpected character; expected digit."},
		{`{"a":1.}`, "line 1, column 8: unexpected character; expected digit."},
		{`{"a":1e+}`, "line 1, column 9: unexpected character; expected digit."},
		{`{"a":+1}`, "line 1, column 6: unexpected character."},
		{`{"a":0x1}`, "line 1, column 7: unexpected character; expected ',' or '}'."},
		{"{\"a\":\"x\ty\"}", "line 1, column 8: a control character in a string must be escaped."},
		{`{"a":"\x"}`, "line 1, column 7: invalid escape sequence."},
		{`{"a":"\u12g4"}`, "line 1, column 7: invalid escape sequence."},
		{`{"a":"\u12`, "line 1, column 7: unexpected end of the body."},
		{`{"a":"\`, "line 1, column 7: unexpected end of the body."},
		{`{"a":"\ud800"}`, "line 1, column 7: an escaped surrogate has no partner."},
		{`{"a":"\udc00"}`, "line 1, column 7: an escaped surrogate has no partner."},
		{`{"a":"\ud800\u0041"}`, "line 1, column 7: an escaped surrogate has no partner."},
		{`{"a":"\ud800\ndc00"}`, "line 1, column 7: an escaped surrogate has no partner."},
		{`{"\ud800":1}`, "line 1, column 3: an escaped surrogate has no partner."},
		{"{\"a\":\"\xff\"}", "line 1, column 7: the text is not valid UTF-8."},
		{"{\"a\":\"\xed\xa0\x80\"}", "line 1, column 7: the text is not valid UTF-8."},
		{"\uFEFF{}", "line 1, column 1: a byte order mark is not allowed."},
		{`{}{}`, "line 1, column 3: unexpected text after the JSON object."},
		{"{}\n x", "line 2, column 2: unexpected text after the JSON object."},
		{`{"a":1}]`, "line 1, column 8: unexpected text after the JSON object."},
		{"{}\x00", "line 1, column 3: unexpected text after the JSON object."},
	} {
		var r request
		_, err := strictjson.Decode([]byte(c.body), &r)
		f := fault.As(err)
		if f == nil || f.Kind != fault.MalformedRequest {
			t.Errorf("%q: error %v, want a malformed_request", c.body, err)
			continue
		}
		if want := strings.TrimPrefix(c.want, "line"); !strings.HasSuffix(f.Message, want) {
			t.Errorf("%q: told %q, want %q", c.body, f.Message, c.want)
		}
	}
}

func TestSyntaxIsCheckedEverywhere(t *testing.T) {
	for _, field := range []string{"name", "unknown", "created_at", "any", "credentials", "models"} {
		for _, value := range []string{`{"a":}`, `[1,`, `"\ud800"`, `{"a":[tru]}`, `-`} {
			var r request
			if _, err := strictjson.Decode([]byte(`{"`+field+`":`+value+`}`), &r); !fault.Is(err, fault.MalformedRequest) {
				t.Errorf("%s: %s: error %v, want a malformed_request", field, value, err)
			}
		}
	}
}

func TestDepthIsBounded(t *testing.T) {
	nested := func(n int) []byte {
		return []byte(`{"any":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	var r request
	if _, err := strictjson.Decode(nested(31), &r); err != nil {
		t.Errorf("32 deep: %v", err)
	}
	for _, n := range []int{32, 1 << 19} {
		if _, err := strictjson.Decode(nested(n), &r); !fault.Is(err, fault.MalformedRequest) || !strings.Contains(err.Error(), "more than 32 levels") {
			t.Errorf("%d deep: error %v", n+1, err)
		}
	}
	wide := []byte(`{"any":[` + strings.Repeat("[],", 100) + `{}]}`)
	if _, err := strictjson.Decode(wide, &r); err != nil {
		t.Errorf("many arrays side by side: %v", err)
	}
}

func TestPanicsOnTypesItWouldReadWrongly(t *testing.T) {
	for name, dst := range map[string]any{
		"not a pointer": request{},
		"nil":           (*request)(nil),
		"not a struct":  new(int),
		"interface":     &struct{ A any }{},
		"bytes":         &struct{ A []byte }{},
		"array":         &struct{ A [2]int }{},
		"number":        &struct{ A json.Number }{},
		"unmarshaler":   &struct{ A timeLike }{},
		"string option": &struct {
			A int `json:",string"`
		}{},
		"embedded pointer": &struct{ *base }{},
		"two of one name": &struct {
			A string `json:"B"`
			B string
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = strictjson.Decode([]byte(`{"A":1}`), dst)
		})
	}
}

type timeLike struct{}

func (*timeLike) UnmarshalJSON([]byte) error { return nil }

func TestOuterFieldHidesEmbeddedOne(t *testing.T) {
	var got struct {
		base
		Note int `json:"note"`
	}
	problems, err := strictjson.Decode([]byte(`{"note":3}`), &got)
	if err != nil || len(problems.Malformed) > 0 || got.Note != 3 {
		t.Errorf("got %+v, %v, %v", got, problems, err)
	}
}
