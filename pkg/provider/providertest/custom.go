package providertest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

const (
	customKey   = "sk-Fake-LiteLLM-Key-0123456789"
	customModel = "team/my-model"
)

const (
	customHeader      = "X-Gateway-Key"
	customHeaderValue = "gw-Fake-Gateway-Key-9876543210"
)

var _ = register(Custom, CustomHeaders)

// Custom is a fake of a LiteLLM proxy.
// Source of its errors: answers of LiteLLM's proxy server.
func Custom() Fake {
	return Fake{
		Type:    "custom",
		ModelID: customModel,
		Settings: func(url string) (credentials, config map[string]any) {
			return map[string]any{"api_key": customKey}, map[string]any{"base_url": url + "/v1"}
		},
		Check:     checkCustom,
		Authentic: func(r *Request) bool { return bearer(r) == customKey },
		Tool:      chatTool,
		Answer:    answerCustom,
	}
}

// CustomHeaders is a Custom behind a gateway that takes no API key, but a header of its
// own and the name of a team.
func CustomHeaders() Fake {
	f := Custom()
	f.Variant = "headers"
	f.Settings = func(url string) (credentials, config map[string]any) {
		headers := map[string]any{customHeader: customHeaderValue, "x-team": "research"}
		return map[string]any{"headers": headers}, map[string]any{"base_url": url + "/v1"}
	}
	f.Authentic = func(r *Request) bool { return r.Header.Get(customHeader) == customHeaderValue }
	f.Check = func(r *Request) error {
		if r.Header["Authorization"] != nil {
			return errors.New("an Authorization header without a key")
		}
		if team := r.Header.Get("X-Team"); team != "research" && r.Header.Get(customHeader) != "" {
			return fmt.Errorf("the header X-Team is %q", team)
		}
		return checkCustom(r)
	}
	return f
}

func checkCustom(r *Request) error {
	if r.Query != "" {
		return fmt.Errorf("query %q", r.Query)
	}
	switch r.Path {
	case "/v1/chat/completions":
		return CheckChat(r)
	case "/v1/responses":
		return checkResponses(r)
	case "/v1/models":
		return checkNoEnvironment(r)
	}
	return fmt.Errorf("path %s", r.Path)
}

func answerCustom(r *Request, mode Mode) (Answer, bool) {
	header := Headers("X-Litellm-Call-Id", RequestID, "Server", "uvicorn")
	switch mode {
	case Success:
		return customSuccess(r, header), true
	case EmptyAnswer:
		r.Text = ""
		return ChatAnswer(r, customModel, "length", header), true
	case Refused:
		r.Text = ""
		return ChatAnswer(r, customModel, "content_filter", header), true
	case ErrorInSuccess:
		return liteLLMError(http.StatusOK, header, "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error.", "None", "None"), true
	case ErrorInStream:
		if !streams(r) {
			return Answer{}, false
		}
		return errorInStream(customSuccess(r, header), map[string]any{"error": map[string]any{
			"message": "litellm.APIConnectionError: OpenAIException - peer closed connection", "type": "None", "param": "None", "code": "500",
		}}), true
	case OnlyResponses:
		if r.Path == "/v1/responses" {
			return responsesAnswer(r, customModel, header), true
		}
		return liteLLMError(404, header, "litellm.NotFoundError: NotFoundError: OpenAIException - This model is only supported in v1/responses and not in v1/chat/completions.", "None", "model"), true
	case OnlyMaxTokens, NoStreamOptions, NoTemperature:
		return refusingParameter(r, mode, header)
	case NoTools, NoToolChoice, NoSchema:
		if param := refusedTool(r, mode); param != "" {
			return liteLLMRefusal(header, param), true
		}
		return customSuccess(r, header), true
	case NoModelList:
		return jsonAnswer(404, header, map[string]any{"detail": "Not Found"}), true
	default:
		return customDocumented(mode, header)
	}
}

func customSuccess(r *Request, header http.Header) Answer {
	if r.Method == http.MethodGet {
		return modelList(header, customModel, "other-model")
	}
	if c, err := ParseChat(r.Body); err == nil && c.Model != customModel {
		a, _ := customDocumented(ModelNotFound, header)
		return a
	}
	return ChatAnswer(r, customModel, "stop", header)
}

// customDocumented are errors of LiteLLM's proxy.
func customDocumented(mode Mode, header http.Header) (Answer, bool) {
	switch mode {
	case Authentication:
		return liteLLMError(401, header, "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...6789, Key Hash (Token) =abc. Unable to find token in cache or `LiteLLM_VerificationTokenTable`", "token_not_found_in_db", "key"), true
	case Permission:
		return liteLLMError(401, header, "key not allowed to access model. This key can only access models=['other-model']. Tried to access team/my-model", "key_model_access_denied", "model"), true
	case QuotaExceeded:
		return liteLLMError(400, header, "Budget has been exceeded! Current cost: 10.1, Max budget: 10.0", "budget_exceeded", "None"), true
	case RateLimited:
		return liteLLMError(429, header, "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached for gpt-4", "throttling_error", "None"), true
	case ModelNotFound:
		return liteLLMError(400, header, "/chat/completions: Invalid model name passed in model=team/no-such-model. Call `/v1/models` to view available models for your key.", "invalid_request_error", "model"), true
	case InvalidRequest:
		return liteLLMError(400, header, "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: OpenAIException - This model's maximum context length is 8192 tokens.", "None", "None"), true
	case ContentFiltered:
		return liteLLMError(400, header, "litellm.ContentPolicyViolationError: litellm.BadRequestError: AzureException ContentPolicyViolationError - The response was filtered", "None", "None"), true
	case Overloaded:
		return liteLLMError(503, header, "litellm.ServiceUnavailableError: No deployments available for selected model, Try again in 5 seconds.", "None", "None"), true
	default:
		return Answer{}, false
	}
}

// liteLLMError is an error as LiteLLM writes it: nothing is "None", and the
// status is the code, as a string.
func liteLLMError(status int, header http.Header, message, typ, param string) Answer {
	return jsonAnswer(status, header, map[string]any{"error": map[string]any{
		"message": message, "type": typ, "param": param, "code": strconv.Itoa(status),
	}})
}
