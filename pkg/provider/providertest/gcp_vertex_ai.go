package providertest

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	vertexProject = "my-project"
	vertexRegion  = "us-central1"
	vertexPath    = "/v1/projects/" + vertexProject + "/locations/" + vertexRegion
	vertexToken   = "ya29.c.Fake-Access_Token-0123456789abcdef......"
	geminiModel   = "gemini-2.5-flash"
)

var _ = register(GCPVertexAI)

// GCPVertexAI is a fake of aiplatform.googleapis.com and of Google's token
// endpoint, with a Gemini model. It verifies the service account's signature.
// Source of its errors: Vertex AI, "API errors", and answers of the service.
func GCPVertexAI() Fake {
	return vertexFake(geminiModel, checkGemini, geminiTool, answerGemini)
}

// GCPVertexAIClaude is GCPVertexAI with a Claude model.
func GCPVertexAIClaude() Fake {
	return vertexFake(vertexClaude, checkVertexClaude, messagesTool, answerVertexClaude)
}

// GCPVertexAIOpen is GCPVertexAI with an open model.
func GCPVertexAIOpen() Fake {
	return vertexFake(vertexOpenModel, checkVertexOpen, chatTool, answerVertexOpen)
}

func vertexFake(model string, check func(*Request) error, tool func(*Request) string, answer func(*Request, Mode) (Answer, bool)) Fake {
	account := sync.OnceValue(newServiceAccount)
	return Fake{
		Type:    "gcp_vertex_ai",
		ModelID: model,
		Settings: func(string) (credentials, config map[string]any) {
			return map[string]any{"service_account_json": account().file}, map[string]any{"project": vertexProject, "region": vertexRegion}
		},
		Endpoints: func(url string) string { return "gcp_vertex_ai=" + url + ",google_token=" + url + "/token" },
		Check: func(r *Request) error {
			if r.Method == http.MethodGet {
				return checkVertexList(r)
			}
			return check(r)
		},
		Authentic: func(r *Request) bool { return bearer(r) == vertexToken },
		Auxiliary: func(r *Request) (Answer, bool) { return answerToken(r, &account().key.PublicKey, time.Now()) },
		Tool:      tool,
		Answer: func(r *Request, mode Mode) (Answer, bool) {
			if r.Method == http.MethodGet {
				return answerVertexList(mode)
			}
			return answer(r, mode)
		},
	}
}

// vertexHeaders are the headers of an answer of Google's front end.
func vertexHeaders() http.Header {
	return Headers("Server", "scaffolding on HTTPServer2", "X-Vertex-Ai-Llm-Request-Type", "shared")
}

func checkVertexList(r *Request) error {
	query, err := url.ParseQuery(r.Query)
	if err != nil || r.Path != "/v1beta1/publishers/*/models" || len(r.Body) > 0 {
		return fmt.Errorf("path %s, query %q and a body of %d bytes", r.Path, r.Query, len(r.Body))
	}
	for name := range query {
		if !slices.Contains([]string{"pageSize", "pageToken", "filter", "listAllVersions", "view", "orderBy"}, name) {
			return fmt.Errorf("query parameter %s", name)
		}
	}
	return nil
}

func answerVertexList(mode Mode) (Answer, bool) {
	if mode != Success && mode != EmptyAnswer {
		return vertexDocumented(mode, geminiModel, "google")
	}
	model := func(publisher, name, version string) any {
		return map[string]any{"name": "publishers/" + publisher + "/models/" + name, "versionId": version, "launchStage": "GA", "supportedActions": map[string]any{}}
	}
	return jsonAnswer(http.StatusOK, vertexHeaders(), map[string]any{"publisherModels": []any{
		model("google", geminiModel, "default"), model("google", "imagen-4.0-generate-001", "default"),
		model("anthropic", "claude-sonnet-4", "20250514"), model("meta", "llama-3.3-70b-instruct-maas", "001"),
	}}), true
}

// vertexDocumented are errors that the service documents.
func vertexDocumented(mode Mode, model, publisher string) (Answer, bool) {
	resource := "projects/" + vertexProject + "/locations/" + vertexRegion + "/publishers/" + publisher + "/models/" + model
	switch mode {
	case Authentication:
		return GoogleError(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.", "ACCESS_TOKEN_EXPIRED"), true
	case Permission:
		return GoogleError(400, "FAILED_PRECONDITION", "Organization Policy constraint constraints/vertexai.allowedModels violated for `projects/123456789012` attempting to use a disallowed Gen AI model "+model+". Please contact your organization administrator to fix this violation.", ""), true
	case AccountPermission:
		return GoogleError(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/"+resource+"' (or it may not exist).", "IAM_PERMISSION_DENIED"), true
	case RateLimited:
		return GoogleError(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later. Please refer to https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.", ""), true
	case ModelNotFound:
		return GoogleError(404, "NOT_FOUND", "Publisher Model `"+resource+"` was not found or your project does not have access to it. Please ensure you are using a valid model version. For more information, see: https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions", ""), true
	case InvalidRequest:
		return GoogleError(400, "INVALID_ARGUMENT", "Unable to submit request because it has a maxOutputTokens value of 128000 but the supported range is from 1 (inclusive) to 65537 (exclusive). Update the value and try again.", ""), true
	case Overloaded:
		return GoogleError(503, "UNAVAILABLE", "The service is currently unavailable.", ""), true
	}
	return Answer{}, false
}

// GoogleError is an error as Google's APIs answer with one. reason is that of
// the ErrorInfo; empty: there is none.
func GoogleError(status int, rpcStatus, message, reason string) Answer {
	return jsonAnswer(status, vertexHeaders(), googleFault(status, rpcStatus, message, reason))
}

func googleFault(status int, rpcStatus, message, reason string) map[string]any {
	details := []any{map[string]any{"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": RequestID}}
	if reason != "" {
		details = append(details, map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "aiplatform.googleapis.com",
			"metadata": map[string]any{"service": "aiplatform.googleapis.com", "consumer": "projects/" + vertexProject},
		})
	}
	return map[string]any{"error": map[string]any{"code": status, "message": message, "status": rpcStatus, "details": details}}
}

// checkNoQuotaProject checks that nothing of the machine's environment is in a
// call.
func checkNoQuotaProject(r *Request) error {
	for _, name := range []string{"X-Goog-User-Project", "X-Goog-Api-Key", "X-Api-Key", "Traceparent"} {
		if got := r.Header.Get(name); got != "" {
			return fmt.Errorf("header %s: %s", name, got)
		}
	}
	return checkJSONHeaders(r)
}

// publisherModel takes apart the path of a call of a publisher's model:
// …/publishers/{publisher}/models/{model}:{method}.
func publisherModel(path string) (publisher, model, method string) {
	rest, found := strings.CutPrefix(path, vertexPath+"/publishers/")
	if !found {
		return "", "", ""
	}
	publisher, rest, _ = strings.Cut(rest, "/models/")
	model, method, _ = strings.Cut(rest, ":")
	model, err := url.PathUnescape(model)
	if err != nil || strings.Contains(rest, "/") {
		return "", "", ""
	}
	return publisher, model, method
}

// serviceAccount is a service account of the fake.
type serviceAccount struct {
	key  *rsa.PrivateKey
	file string // the key file
}
