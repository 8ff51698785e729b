package provider

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestProblemOfEveryShape(t *testing.T) {
	for _, c := range []struct {
		server, body string
		want         problem
	}{
		{"OpenAI", `{"error":{"message":"No.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
			problem{message: "No.", typ: "invalid_request_error", param: "model", code: "model_not_found"}},
		{"OpenAI, nulls", `{"error":{"message":"No.","type":"server_error","param":null,"code":null}}`, problem{message: "No.", typ: "server_error"}},
		{"Ollama", `{"error":"model 'x' not found"}`, problem{message: "model 'x' not found"}},
		{"LiteLLM", `{"error":{"message":"No.","type":"None","param":"None","code":"401"}}`, problem{message: "No.", http: 401}},
		{"vLLM", `{"object":"error","message":"The model x does not exist.","type":"NotFoundError","param":null,"code":404}`,
			problem{message: "The model x does not exist.", typ: "NotFoundError", http: 404}},
		{"llama.cpp", `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, problem{message: "Loading model", typ: "unavailable_error", http: 503}},
		{"OpenRouter", `{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"slow down","provider_name":"X"}},"user_id":"u"}`,
			problem{message: "Provider returned error: slow down", http: 429}},
		{"FastAPI, text", `{"detail":"Not Found"}`, problem{message: "Not Found"}},
		{"FastAPI, object", `{"detail":{"error":"No such key","code":"bad_key"}}`, problem{message: "No such key", code: "bad_key"}},
		{"FastAPI, list", `{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not permitted","input":1},{"type":"missing","loc":["body","messages",0],"msg":"Field required"}]}`,
			problem{message: "body.max_completion_tokens: Extra inputs are not permitted; body.messages.0: Field required", typ: "extra_forbidden", param: "max_completion_tokens"}},
		{"API Management", `{ "statusCode": 401, "message": "Access denied due to missing subscription key." }`,
			problem{message: "Access denied due to missing subscription key.", http: 401}},
		{"Azure, filtered", `{"error":{"message":"Filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			problem{message: "Filtered.", param: "prompt", code: "content_filter", inner: "ResponsibleAIPolicyViolation", http: 400}},
		{"Google", `[{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT"}}]`, problem{message: "Bad.", status: "INVALID_ARGUMENT", http: 400}},
		{"Anthropic", `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, problem{message: "Overloaded", typ: "overloaded_error"}},
		{"OAuth", `{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`, problem{message: "Invalid JWT Signature.", code: "invalid_grant"}},
		{"Entra ID", `{"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret keys for app 'x' are expired.\r\nTrace ID: 7d8f\r\nCorrelation ID: 4ee4\r\nTimestamp: 2026-05-20 23:27:57Z","error_codes":[7000222],"trace_id":"7d8f"}`,
			problem{message: "The provided client secret keys for app 'x' are expired.", code: "AADSTS7000222", typ: "invalid_client"}},
		{"Entra ID, in one line", `{"error":"invalid_request","error_description":"AADSTS90002: Tenant 'x' not found. Check it. Trace ID: 7d8f Correlation ID: 4ee4 Timestamp: 2026-05-20 23:27:57Z"}`,
			problem{message: "Tenant 'x' not found. Check it.", code: "AADSTS90002", typ: "invalid_request"}},
		{"Entra ID, without a trace", `{"error":"invalid_scope","error_description":"AADSTS70011: Bad scope: a.\nAsk for b."}`,
			problem{message: "Bad scope: a.\nAsk for b.", code: "AADSTS70011", typ: "invalid_scope"}},
		{"Spring", `{"timestamp":"t","status":404,"error":"Not Found","message":"No handler","path":"/v1"}`, problem{message: "No handler", http: 404}},
		{"problem document", `{"type":"about:blank","title":"Forbidden","status":403,"detail":"Not yours."}`, problem{message: "Not yours.", typ: "about:blank", http: 403}},
		{"list of errors", `{"errors":[{"message":"One."},{"message":"Two.","code":"b"}]}`, problem{message: "One.; Two.", code: "b"}},
		{"message that is no text", `{"error":{"message":{"a":1}}}`, problem{message: `{"a":1}`}},
		{"bare string", `"No."`, problem{message: "No."}},
		{"plain text", "no healthy upstream\n", problem{message: "no healthy upstream"}},
		{"HTML", "<!DOCTYPE html>\n<html><head><title> 502 Bad\n Gateway</title></head>", problem{message: "The answer was an HTML page (“502 Bad Gateway”)."}},
		{"HTML without a title", "<html><body>x", problem{message: "The answer was an HTML page. x"}},
		{"nothing", "", problem{}},
		{"JSON of nothing", "{}", problem{message: "{}"}},
		{"broken JSON", `{"error":{"mess`, problem{message: `{"error":{"mess`}},
	} {
		got := problemOf([]byte(c.body))
		c.want.structured = got.structured
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(problem{})); diff != "" {
			t.Errorf("%s: %s", c.server, diff)
		}
	}
}

func TestStatusDecidesWhereNothingElseDoes(t *testing.T) {
	for status, want := range map[int]FailureKind{
		400: InvalidRequest, 401: Authentication, 402: QuotaExceeded, 403: Permission, 404: Misconfigured, 405: Misconfigured, 408: Timeout,
		409: InvalidRequest, 413: InvalidRequest, 422: InvalidRequest, 429: RateLimited, 451: InvalidRequest,
		500: UpstreamError, 502: UpstreamError, 503: UpstreamError, 504: UpstreamError, 529: UpstreamError,
	} {
		f := tables{}.classify(&call{status: status}, problem{}, "")
		if f.Kind != want || f.HTTPStatus != status || f.Hint == "" || !strings.Contains(f.Message, http.StatusText(status)) {
			t.Errorf("%d: %+v", status, f)
		}
	}
}

// Whatever a server answers, its words come out as text of bounded length.
func FuzzProblem(f *testing.F) {
	for _, seed := range []string{
		`{"error":{"message":"No.","type":"t","param":"p","code":"c"}}`, `{"error":"x"}`, `{"detail":[{"loc":["a",1],"msg":"m"}]}`, `[{"error":{}}]`,
		`{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"no"}`, `{"Output":{"__type":"ValidationException:http://x/"}}`,
		`[{"error":{"code":404,"message":"no","status":"NOT_FOUND","details":[{"reason":"SERVICE_DISABLED"},5]}}]`,
		`{"error":{"metadata":{"raw":"r"}}}`, `<html><title>x</title>`, `{"errors":[[[{"message":1}]]]}`, `<title`, `<html><TITLE>İ</title>`, `{"code":429}`,
	} {
		f.Add([]byte(seed), 400)
	}
	addCases(f, "openai azure_openai custom anthropic aws_bedrock gcp_vertex_ai", func(body string, status int, _ bool) { f.Add([]byte(body), status) })
	f.Fuzz(func(t *testing.T, body []byte, status int) {
		said := problemOf([]byte(strings.ToValidUTF8(string(body), "\uFFFD")))
		if strings.ContainsAny(awsCode(said.code), "#:") {
			t.Errorf("%q has the code %q", body, said.code)
		}
		vertex, bedrock := vertexUpstream{project: "p", region: "global"}, bedrockUpstream{region: "us-east-1"}
		for _, tables := range []tables{{}, azureTables, customTables, claudeTables, bedrock.in(bedrockTables), bedrock.in(stsTables), vertex.tables(), googleTokenTables, entraTokenTables} {
			failure := tables.classify(&call{status: status}, said, "m")
			if failure.Kind == "" || failure.Message == "" {
				t.Errorf("status %d, %q: %+v", status, body, failure)
			}
		}
		if out := message(newRedactor(), said.message); utf8.RuneCountInString(out) > maxMessage || !utf8.ValidString(out) {
			t.Errorf("message of %d characters", utf8.RuneCountInString(out))
		}
		titleOf(body)
	})
}
