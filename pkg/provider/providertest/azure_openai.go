package providertest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const (
	azureKey        = "0123456789abcdefFAKEazureKEY0123"
	azureDeployment = "gpt-4o prod/eu" // names are escaped in the path
	azureVersion    = "2024-10-21"
)

var _ = register(AzureOpenAI, AzureOpenAIEntra)

// AzureOpenAI is a fake of an Azure OpenAI resource, with the classic API and
// the v1 API.
// Source of its errors: Azure OpenAI REST reference, and answers of the
// service.
func AzureOpenAI() Fake {
	return Fake{
		Type:    "azure_openai",
		ModelID: azureDeployment,
		TLS:     true,
		Settings: func(url string) (credentials, config map[string]any) {
			return map[string]any{"api_key": azureKey}, map[string]any{"base_url": url, "api_version": azureVersion}
		},
		Check:     checkAzure,
		Authentic: func(r *Request) bool { return r.Header.Get("Api-Key") == azureKey },
		Tool:      chatTool,
		Answer:    answerAzure,
	}
}

// AzureOpenAIEntra is AzureOpenAI for an application of Microsoft Entra ID, with the
// token endpoint.
func AzureOpenAIEntra() Fake {
	fake := AzureOpenAI()
	fake.Variant = "Entra ID"
	fake.Settings = func(url string) (credentials, config map[string]any) {
		return map[string]any{"client_secret": entraSecret},
			map[string]any{"base_url": url, "api_version": azureVersion, "tenant_id": entraTenant, "client_id": entraClient}
	}
	fake.Endpoints = func(url string) string { return "entra=" + url }
	fake.Authentic = func(r *Request) bool { return bearer(r) == entraToken }
	fake.Auxiliary = answerEntra
	fake.Answer = func(r *Request, mode Mode) (Answer, bool) {
		if a, ok := azureEntraDocumented(r, mode); ok || mode == Permission {
			return a, ok
		}
		return answerAzure(r, mode)
	}
	return fake
}

// azureEntraDocumented are the errors that differ from those that a key gets. The roles
// of an application are those of the resource, not of a model.
func azureEntraDocumented(r *Request, mode Mode) (Answer, bool) {
	lacks := func(action, operation string) (Answer, bool) {
		return azureError(401, azureHeaders(), "PermissionDenied", "The principal `0a1b2c3d-0000-4000-8000-000000000000` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/"+action+"` to perform `"+operation+"` operation."), true
	}
	switch {
	case mode == Authentication:
		return jsonAnswer(401, azureHeaders(), map[string]any{"statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or have expired."}), true
	case mode == Permission && r.Method == http.MethodGet:
		return lacks("models/read", "GET /openai/models")
	case mode == AccountPermission:
		return lacks("deployments/chat/completions/action", "POST /openai/deployments/{deployment-id}/chat/completions")
	}
	return Answer{}, false
}

func checkAzure(r *Request) error {
	if r.Header.Get("Authorization") != "" && r.Header.Get("Api-Key") != "" {
		return errors.New("an Authorization header beside the key")
	}
	path, v1 := strings.CutPrefix(r.Path, "/openai/v1/")
	if v1 && r.Query != "" {
		return fmt.Errorf("the v1 API has no query, not %q", r.Query)
	}
	if !v1 && r.Query != "api-version="+azureVersion {
		return fmt.Errorf("query %q", r.Query)
	}
	switch {
	case v1 && path == "chat/completions":
		return CheckChat(r)
	case v1 && path == "responses", r.Path == "/openai/responses":
		return checkResponses(r)
	case (v1 && path == "models") || r.Path == "/openai/models":
		return checkNoEnvironment(r)
	case strings.HasPrefix(r.Path, "/openai/deployments/") && strings.HasSuffix(r.Path, "/chat/completions") && strings.Count(r.Path, "/") == 5:
		return CheckChat(r)
	}
	return fmt.Errorf("path %s", r.Path)
}

func azureHeaders() http.Header {
	return Headers("Apim-Request-Id", RequestID, "X-Request-Id", "ca8e0f2f-0000-4000-8000-000000000000", "X-Ms-Region", "East US")
}

func answerAzure(r *Request, mode Mode) (Answer, bool) {
	header := azureHeaders()
	switch mode {
	case Success:
		return azureSuccess(r, header), true
	case EmptyAnswer:
		r.Text = ""
		return ChatAnswer(r, "gpt-4o-2024-08-06", "length", header), true
	case Refused:
		r.Text = ""
		return ChatAnswer(r, "gpt-4o-2024-08-06", "content_filter", header), true
	case ErrorInSuccess:
		return azureError(http.StatusOK, header, "InternalServerError", "The server had an error processing your request."), true
	case ErrorInStream:
		if !streams(r) {
			return Answer{}, false
		}
		return errorInStream(azureSuccess(r, header), map[string]any{"error": map[string]any{
			"code": "InternalServerError", "message": "The server had an error processing your request.",
		}}), true
	case OnlyResponses:
		if strings.HasSuffix(r.Path, "/responses") {
			return responsesAnswer(r, "o1-pro-2025-03-19", header), true
		}
		return azureError(400, header, "OperationNotSupported", "This model is only supported in v1/responses and not in v1/chat/completions."), true
	case OnlyMaxTokens, NoStreamOptions, NoTemperature:
		return refusingParameter(r, mode, header)
	case NoTools, NoToolChoice, NoSchema:
		if param := refusedTool(r, mode); param != "" {
			return azureRefusal(header, param), true
		}
		return azureSuccess(r, header), true
	case NoModelList:
		return azureError(404, header, "404", "Resource not found"), true
	default:
		return azureDocumented(mode, header)
	}
}

func azureSuccess(r *Request, header http.Header) Answer {
	if r.Method == http.MethodGet {
		return jsonAnswer(200, header, map[string]any{"object": "list", "data": []any{
			azureListed("gpt-4o-2024-08-06", true), azureListed("text-embedding-3-small", false), azureListed("gpt-35-turbo-0125", true),
		}})
	}
	known := "/deployments/gpt-4o%20prod%2Feu/"
	if c, err := ParseChat(r.Body); err == nil && !strings.Contains(r.Path, known) && c.Model != azureDeployment {
		a, _ := azureDocumented(ModelNotFound, header)
		return a
	}
	return ChatAnswer(r, "gpt-4o-2024-08-06", "stop", header)
}

func azureListed(id string, chat bool) map[string]any {
	return map[string]any{"id": id, "object": "model", "status": "succeeded", "lifecycle_status": "generally-available",
		"capabilities": map[string]any{"chat_completion": chat, "embeddings": !chat, "inference": true, "fine_tune": false}}
}

// azureDocumented are the errors that the service documents.
func azureDocumented(mode Mode, header http.Header) (Answer, bool) {
	switch mode {
	case Authentication:
		return azureError(401, header, "401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."), true
	case Permission:
		return azureError(403, header, "PermissionDenied", "The principal lacks the required data action Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action to perform POST operation."), true
	case AccountPermission:
		return azureError(403, header, "AccessDenied", "Access denied due to Virtual Network/Firewall rules."), true
	case QuotaExceeded:
		return azureError(429, header, "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."), true
	case RateLimited:
		header = header.Clone()
		header.Set("Retry-After", "1")
		return azureError(429, header, "429", "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds."), true
	case ModelNotFound:
		return azureError(404, header, "DeploymentNotFound", "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, please wait a moment and try again."), true
	case InvalidRequest:
		return jsonAnswer(400, header, map[string]any{"error": map[string]any{
			"message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 10007 tokens.",
			"type":    "invalid_request_error", "param": "messages", "code": "context_length_exceeded",
		}}), true
	case ContentFiltered:
		return jsonAnswer(400, header, map[string]any{"error": map[string]any{
			"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
			"type":    nil, "param": "prompt", "code": "content_filter", "status": 400,
			"innererror": map[string]any{"code": "ResponsibleAIPolicyViolation"},
		}}), true
	case Overloaded:
		return azureError(503, header, "ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."), true
	default:
		return Answer{}, false
	}
}

func azureError(status int, header http.Header, code, message string) Answer {
	return jsonAnswer(status, header, map[string]any{"error": map[string]any{"code": code, "message": message}})
}
