package provider

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/secret"
)

// answering is a transport that answers every request in one way.
type answering struct {
	status      int
	contentType string
	body        string
}

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	return &http.Response{
		StatusCode: a.status, Header: http.Header{"Content-Type": {a.contentType}, "X-Request-Id": {a.body}},
		Body: io.NopCloser(strings.NewReader(a.body)), Request: req, ContentLength: -1,
	}, nil
}

// FuzzOpenAIAnswer feeds whole answers, streams, answers of the Responses API
// and errors to a client: whatever comes is a success or an explained failure.
func FuzzOpenAIAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[{"message":{"content":"Hi!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"model":"m"}`,
		"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
		"event: error\ndata: {\"error\":{\"message\":\"x\"}}\n\n",
		`{"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}],"status":"completed","model":"m"}`,
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[],\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n",
		`{"error":{"message":"This model is only supported in v1/responses","code":null,"param":"model"}}`,
		`{"error":{"message":"Unsupported parameter: 'max_completion_tokens'","param":"max_completion_tokens","code":"unsupported_parameter"}}`,
		`{"choices":[{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"key\":\"fuzzing-secret-0123\"}"}}]}}]}`,
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"fuzzing-\"}}]}}]}\n\ndata: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"secret-0123\"}}]}}]}\n\ndata: [DONE]\n\n",
		`{"error":{"message":"tool_choice, 'strict' and response_format are not supported"}}`, `{"error":{"message":"m does not support tools"}}`,
		`{"choices":[{"message":{"content":[{"text":"a"},5]}}]}`, `{"choices":5}`, `null`, "data: 5\n\n", `<html>`,
	} {
		for _, status := range []int{200, 400, 404} {
			f.Add(seed, status, true, false)
			f.Add(seed, status, false, true)
		}
	}
	addCases(f, "openai azure_openai custom", func(body string, status int, stream bool) { f.Add(body, status, stream, stream) })
	f.Fuzz(func(t *testing.T, body string, status int, stream, asEvents bool) {
		if status < 200 || status > 599 {
			return
		}
		env := environment{http: newHTTPClient(answering{status, mediaType(asEvents), body})}
		up, err := openCustom(customCredentials{APIKey: secret.NewText(fuzzSecret)}, customConfig{BaseURL: "https://api.example"}, env)
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, up, "m", stream)
	})
}

func FuzzModelList(f *testing.F) {
	for _, seed := range []string{`{"data":[{"id":"a"}]}`, `{"models":[{"name":"b"}]}`, `[{"id":"c","display_name":"C"}]`, `{"data":[null,{"id":5},{"capabilities":{"chat_completion":false}}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		models, err := parseModelList(body, nil)
		if err != nil {
			return
		}
		d := tidy(newRedactor(), Discovery{Models: models})
		for i, m := range d.Models {
			if m.ModelID == "" || m.DisplayName == "" || (i > 0 && d.Models[i-1].ModelID >= m.ModelID) {
				t.Errorf("models %+v", d.Models)
			}
		}
	})
}
