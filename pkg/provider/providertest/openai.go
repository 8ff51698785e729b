package providertest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const (
	openAIKey          = "sk-proj-Fake/OpenAI+Key_0123456789abcdef"
	openAIModel        = "gpt-4-turbo"
	openAIOrganization = "org-abc123"
	openAIProject      = "proj_abc123"
)

var _ = register(OpenAI, OpenAIProject)

// OpenAI is a fake of api.openai.com.
// Source of its errors: OpenAI, "Error codes", and answers of the service.
func OpenAI() Fake {
	return Fake{
		Type:    "openai",
		ModelID: openAIModel,
		Settings: func(string) (credentials, config map[string]any) {
			return map[string]any{"api_key": openAIKey}, map[string]any{}
		},
		Endpoints: func(url string) string { return "openai=" + url + "/v1" },
		Check:     checkOpenAI,
		Authentic: func(r *Request) bool { return bearer(r) == openAIKey },
		Auxiliary: refuseOpenAIProject,
		Tool:      chatTool,
		Answer:    answerOpenAI,
	}
}

// OpenAIProject is OpenAI for a key that is used with an organization and a project,
// which must be named.
func OpenAIProject() Fake {
	fake := OpenAI()
	fake.Variant = "project"
	fake.Settings = func(string) (credentials, config map[string]any) {
		return map[string]any{"api_key": openAIKey}, map[string]any{"organization": openAIOrganization, "project": openAIProject}
	}
	fake.Check = func(r *Request) error {
		if r.Header.Get("OpenAI-Organization") == "" || r.Header.Get("OpenAI-Project") == "" {
			return errors.New("it names no organization or no project")
		}
		return checkOpenAI(r)
	}
	return fake
}

// refuseOpenAIProject refuses a request that names another organization or project than
// that of the key.
func refuseOpenAIProject(r *Request) (Answer, bool) {
	header := Headers("X-Request-Id", RequestID)
	organization, project := r.Header.Get("OpenAI-Organization"), r.Header.Get("OpenAI-Project")
	switch {
	case organization != "" && !strings.HasPrefix(organization, "org-"):
		return openAIError(401, header, "No such organization: "+organization+".", "invalid_request_error", "", "invalid_organization"), true
	case organization != "" && organization != openAIOrganization:
		return openAIError(401, header, "OpenAI-Organization header should match organization for API key", "invalid_request_error", "", "mismatched_organization"), true
	case project != "" && project != openAIProject:
		return openAIError(401, header, "OpenAI-Project header should match project for API key", "invalid_request_error", "", "mismatched_project"), true
	}
	return Answer{}, false
}

func checkOpenAI(r *Request) error {
	if r.Query != "" {
		return fmt.Errorf("query %q", r.Query)
	}
	plain := *r
	plain.Header = r.Header.Clone()
	plain.Header.Del("OpenAI-Organization")
	plain.Header.Del("OpenAI-Project")
	switch r.Path {
	case "/v1/chat/completions":
		return CheckChat(&plain)
	case "/v1/responses":
		return checkResponses(&plain)
	case "/v1/models":
		if r.Method != http.MethodGet || len(r.Body) > 0 {
			return fmt.Errorf("%s with a body of %d bytes", r.Method, len(r.Body))
		}
		return checkNoEnvironment(&plain)
	}
	return fmt.Errorf("path %s", r.Path)
}

func answerOpenAI(r *Request, mode Mode) (Answer, bool) {
	header := Headers("X-Request-Id", RequestID, "Openai-Processing-Ms", "12", "Openai-Version", "2020-10-01")
	switch mode {
	case Success:
		return openAISuccess(r, header), true
	case EmptyAnswer:
		r.Text = ""
		return ChatAnswer(r, openAIModel+"-2024-04-09", "length", header), true
	case Refused:
		r.Text = ""
		return ChatAnswer(r, openAIModel+"-2024-04-09", "content_filter", header), true
	case ErrorInSuccess:
		return openAIError(http.StatusOK, header, "The server had an error while processing your request. Sorry about that!", "server_error", "", "server_error"), true
	case ErrorInStream:
		if !streams(r) {
			return Answer{}, false
		}
		return errorInStream(openAISuccess(r, header), map[string]any{"error": map[string]any{
			"message": "The server had an error while processing your request. Sorry about that!", "type": "server_error", "param": nil, "code": nil,
		}}), true
	case OnlyResponses:
		if r.Path == "/v1/responses" {
			return responsesAnswer(r, "o1-pro-2025-03-19", header), true
		}
		return openAIError(http.StatusNotFound, header, "This model is only supported in v1/responses and not in v1/chat/completions.", "invalid_request_error", "model", ""), true
	case OnlyMaxTokens, NoStreamOptions, NoTemperature:
		return refusingParameter(r, mode, header)
	case NoTools, NoToolChoice, NoSchema:
		if param := refusedTool(r, mode); param != "" {
			return openAIRefusal(header, param), true
		}
		return openAISuccess(r, header), true
	case NoModelList:
		return openAIError(http.StatusNotFound, header, "Invalid URL (GET /v1/models)", "invalid_request_error", "", ""), true
	default:
		return openAIDocumented(mode, header)
	}
}

func openAISuccess(r *Request, header http.Header) Answer {
	if r.Method == http.MethodGet {
		return modelList(header, "gpt-4-turbo", "gpt-4o", "gpt-3.5-turbo", "text-embedding-3-small")
	}
	if c, err := ParseChat(r.Body); err == nil && c.Model != openAIModel {
		a, _ := openAIDocumented(ModelNotFound, header)
		return a
	}
	return ChatAnswer(r, openAIModel+"-2024-04-09", "stop", header)
}

// openAIDocumented are the errors that the service documents.
func openAIDocumented(mode Mode, header http.Header) (Answer, bool) {
	const invalid = "invalid_request_error"
	switch mode {
	case Authentication:
		return openAIError(401, header, "Incorrect API key provided: sk-proj-********************cdef. You can find your API key at https://platform.openai.com/account/api-keys.", invalid, "", "invalid_api_key"), true
	case Permission:
		return openAIError(403, header, "Project `proj_abc123` does not have access to model `gpt-4-turbo`", invalid, "", "model_not_found"), true
	case AccountPermission:
		return openAIError(403, header, "Country, region, or territory not supported", "request_forbidden", "", "unsupported_country_region_territory"), true
	case QuotaExceeded:
		return openAIError(429, header, "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.", "insufficient_quota", "", "insufficient_quota"), true
	case RateLimited:
		header = header.Clone()
		header.Set("Retry-After-Ms", "1")
		header.Set("X-Ratelimit-Remaining-Requests", "0")
		return openAIError(429, header, "Rate limit reached for gpt-4-turbo in organization org-abc123 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", "requests", "", "rate_limit_exceeded"), true
	case ModelNotFound:
		return openAIError(404, header, "The model `gpt-5-ultra` does not exist or you do not have access to it.", invalid, "", "model_not_found"), true
	case InvalidRequest:
		return openAIError(400, header, "This model's maximum context length is 8192 tokens. However, your messages resulted in 10007 tokens. Please reduce the length of the messages.", invalid, "messages", "context_length_exceeded"), true
	case ContentFiltered:
		return openAIError(400, header, "Your request was rejected as a result of our safety system.", invalid, "", "content_policy_violation"), true
	case Overloaded:
		return openAIError(503, header, "The engine is currently overloaded, please try again later", "service_unavailable_error", "", ""), true
	default:
		return Answer{}, false
	}
}

// refusingParameter is a server that does not know a parameter, or a model that
// does not take it.
func refusingParameter(r *Request, mode Mode, header http.Header) (Answer, bool) {
	c, err := ParseChat(r.Body)
	if err != nil {
		return Answer{}, false
	}
	const invalid = "invalid_request_error"
	switch {
	case mode == OnlyMaxTokens && c.MaxCompletionTokens != nil:
		return openAIError(400, header, "Unsupported parameter: 'max_completion_tokens' is not supported with this model. Use 'max_tokens' instead.", invalid, "max_completion_tokens", "unsupported_parameter"), true
	case mode == NoStreamOptions && c.StreamOptions != nil:
		return openAIError(400, header, "Unrecognized request argument supplied: stream_options", invalid, "", ""), true
	case mode == NoTemperature && c.Temperature != nil:
		return openAIError(400, header, "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", invalid, "temperature", "unsupported_value"), true
	}
	return ChatAnswer(r, c.Model, "stop", header), true
}
