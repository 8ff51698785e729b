package strictjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/strictjson"
)

// compared is request without the fields that are passed over unread, which
// encoding/json would write.
type compared struct {
	base
	Name     string                     `json:"name"`
	Enabled  *bool                      `json:"enabled"`
	Small    int8                       `json:"small"`
	Positive *uint16                    `json:"positive"`
	Narrow   float32                    `json:"narrow"`
	Models   []model                    `json:"models"`
	Labels   map[string]string          `json:"labels"`
	Any      json.RawMessage            `json:"any"`
	Raws     map[string]json.RawMessage `json:"raws"`
}

// FuzzDecode holds that what is accepted is JSON and means what encoding/json
// makes of it, and that what encoding/json refuses is refused.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a\u00e9\ud83d\ude00","enabled":true}`, `{"small":-1,"positive":2,"narrow":1.5e3}`,
		`{"models":[{"model_id":"x","stages":["a"]}],"labels":{"a":"b"}}`, `{"any":[1,{"a":null}],"raws":{"x":{}}}`,
		`{"name":null}`, `{"x":1,"name":1}`, `{"name":"a","name":"b"}`, `{"note":"n"} `, `{"a":[[[[]]]]}`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got compared
		problems, err := strictjson.Decode(data, &got)
		if err != nil {
			if !fault.Is(err, fault.MalformedRequest) {
				t.Fatalf("error %v, want a malformed_request", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatal("accepted what is not JSON")
		}
		for _, p := range append(problems.Malformed, problems.Invalid...) {
			if p.Code == "" || p.Message == "" {
				t.Fatalf("problem without code or message: %+v", p)
			}
		}
		if len(problems.Malformed)+len(problems.Invalid) > 0 {
			return
		}
		var want compared
		strict := json.NewDecoder(bytes.NewReader(data))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(compared{})); diff != "" {
			t.Fatalf("-encoding/json +strictjson:\n%s", diff)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, models := range map[string]int{"models=2": 2, "models=500": 500} {
		b.Run(name, func(b *testing.B) {
			body := []byte(`{"name":"Production OpenAI","credentials":{"api_key":"sk-1234567890"},"models":[{}` +
				strings.Repeat(`,{"model_id":"gpt-4-turbo","stages":["planning","tool_call"]}`, models) + `]}`)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				var r request
				if _, err := strictjson.Decode(body, &r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeManyFaults decodes a body of unknown names only.
func BenchmarkDecodeManyFaults(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"name":1`)
	for i := range 110_000 {
		fmt.Fprintf(&body, `,"%06d":1`, i)
	}
	text := []byte(body.String() + "}")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		var r request
		if p, err := strictjson.Decode(text, &r); err != nil || len(p.Malformed) != 1000 {
			b.Fatal(err)
		}
	}
}
