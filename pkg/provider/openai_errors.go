package provider

import (
	"net/http"
	"strings"
)

// openAIFailure explains an error in the form of OpenAI's API, which most
// servers keep to. status is the error's: of the answer, or where that is a
// success, of the code in it.
// Source: OpenAI, "Error codes".
func openAIFailure(p Prompt, status int, said problem) *Failure {
	f := statusFailure(status, said)
	if status < 400 { // an error inside a success, without a status of its own
		f.Kind, f.Hint = UpstreamError, "The provider answered with an error: its message says why."
	}
	for _, code := range []string{said.inner, said.code, said.typ} {
		if kind, hint := kindOfCode(code); kind != "" {
			f.Kind, f.Hint = kind, hint
			break
		}
	}
	switch {
	case said.about("insufficient_quota", "exceeded your current quota", "insufficient credits", "insufficient balance", "credit balance", "exceededbudget", "budget has been exceeded"):
		f.Kind, f.Hint = QuotaExceeded, quotaHint
	case said.about("missing scopes"):
		f.Kind, f.Account = Permission, true
		f.Hint = "This key is restricted: give it the scopes that the message names, or use another key."
	case status == http.StatusForbidden && said.code == "model_not_found", strings.HasSuffix(said.typ, "_model_access_denied"):
		f.Kind, f.Hint = Permission, "Allow this key, or the project it belongs to, to use model `"+p.ModelID+"`."
	case f.Kind == InvalidRequest && (said.param == "model" || said.about("invalid model name", "is not a valid model")):
		f.Kind = ModelNotFound
	case f.Kind == Permission:
		f.Account = said.code == "unsupported_country_region_territory"
	case f.Kind == InvalidRequest:
		f.Hint = requestHint(p, said, f.Hint)
	}
	if f.Kind == Authentication {
		f.Hint = "Replace the API key of this provider."
	}
	if f.Kind == ModelNotFound {
		f.Hint = "Check model `" + p.ModelID + "` for a typo, and that this key has access to it: the list of available models shows what it can use."
		if isUnknownRoute(said) {
			f.Kind = Misconfigured
			f.Hint = "The server does not know this address: check its path."
		}
	}
	return f
}

const quotaHint = "Add credit to the provider's account, or raise its spending limit."

// kindOfCode is the kind of an error code or type, with a hint; empty for one
// that says no more than the status.
func kindOfCode(code string) (FailureKind, string) {
	switch strings.ToLower(code) {
	case "invalid_api_key", "invalid_authentication", "authentication_error", "account_deactivated":
		return Authentication, ""
	case "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded", "quota_exceeded", "insufficient_credits":
		return QuotaExceeded, quotaHint
	case "rate_limit_exceeded", "ratelimitreached", "rate_limit_error", "too_many_requests":
		return RateLimited, "Wait a little and try again, or ask the provider for a higher rate limit."
	case "content_filter", "content_policy_violation", "responsibleaipolicyviolation", "image_content_policy_violation":
		return ContentFiltered, "A content filter refused the prompt: try another one. Provider and model work."
	case "context_length_exceeded", "string_above_max_length", "context_window_exceeded":
		return InvalidRequest, "Shorten the prompt, or lower the output limit: together they do not fit the model's context."
	}
	return "", ""
}

// requestHint says what to change about a request.
func requestHint(p Prompt, said problem, otherwise string) string {
	switch {
	case said.param == "temperature" || said.about("temperature"):
		return "Leave temperature out: model `" + p.ModelID + "` does not take this one."
	case said.about("context length", "context window", "maximum context", "prompt is too long"):
		return "Shorten the prompt, or lower the output limit: together they do not fit the model's context."
	case strings.HasPrefix(said.param, "max_") || said.about("max_tokens", "max_completion_tokens", "max_output_tokens"):
		return "Lower max_output_tokens to what model `" + p.ModelID + "` allows."
	case said.about("not a chat model", "does not support chat", "chatcompletion operation does not work"):
		return "Model `" + p.ModelID + "` is not made for chat: choose another one."
	}
	return otherwise
}

// isUnknownRoute reports whether a 404 speaks of the address rather than of a
// model: it is what frameworks and gateways say of a path that they do not have.
func isUnknownRoute(said problem) bool {
	message := strings.Trim(strings.ToLower(said.message), " .!\n")
	switch message {
	case "", "not found", "404 not found", "404 page not found", "page not found", "resource not found",
		"route not found", "no route matched with those values", "the requested resource was not found", "404":
		return true
	}
	for _, prefix := range []string{"invalid url (", "unknown request url", "cannot post /", "cannot get /", "the server answered 404"} {
		if strings.HasPrefix(message, prefix) {
			return true
		}
	}
	return false
}

// errorStatus is the status that an error means: the answer's, unless that is a
// success and the error has one of its own.
func errorStatus(c *call, said problem) int {
	if c.status < 400 && said.http != 0 {
		return said.http
	}
	return c.status
}
