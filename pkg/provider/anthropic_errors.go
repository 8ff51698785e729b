package provider

import (
	"encoding/json"
	"errors"
	"strings"
)

// claudeError is the error of the Messages API:
// {"type":"error","error":{"type":"…","message":"…"}}.
// Source: Anthropic API reference, "Errors".
type claudeError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// Error implements error: in a stream it is an event.
func (e claudeError) Error() string { return e.Type + ": " + e.Message }

// readClaudeError finds the error of an answer: in an event of a stream, which
// is err then, or in the body.
func readClaudeError(c *call, err error) *Failure {
	if e, ok := errors.AsType[claudeError](err); ok {
		return e.failure(c.status)
	}
	if e, ok := parseClaudeError(c.page()); ok {
		return e.failure(c.status)
	}
	return nil
}

func parseClaudeError(body []byte) (claudeError, bool) {
	var envelope struct {
		Error claudeError `json:"error"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return claudeError{}, false
	}
	return envelope.Error, envelope.Error.Type != "" && envelope.Error.Message != ""
}

// failure classifies the error. A type that is not one of the API's is left to
// the HTTP status, and is the upstream's fault where that says success.
func (e claudeError) failure(status int) *Failure {
	f := &Failure{Message: e.Message, HTTPStatus: status, Code: e.Type}
	switch e.Type {
	case "authentication_error":
		f.Kind = Authentication
		f.Hint = "Replace the API key of this provider; a key of the Claude Console starts with `sk-ant-`."
	case "permission_error", "forbidden":
		f.Kind, f.Account = Permission, claudeRefusesAccount(e.Message)
		f.Hint = "Check in the Claude Console that this key's workspace may use the model, and that no IP allowlist shuts this server out."
	case "not_found_error":
		f.Kind = ModelNotFound
		f.Hint = "Check the model id for a typo, and that it is not retired: the list of available models shows what this key can use."
	case "billing_error":
		f.Kind, f.Hint = QuotaExceeded, claudeBillingHint
	case "rate_limit_error":
		f.Kind = RateLimited
		f.Hint = "The account's rate limit for this model is reached: try again in a minute, or raise the limit in the Claude Console."
	case "request_too_large":
		f.Kind, f.Hint = InvalidRequest, "Shorten the prompt."
	case "timeout_error":
		f.Kind, f.Hint = Timeout, "Anthropic gave up on the request: lower max_output_tokens, or stream the answer."
	case "overloaded_error":
		f.Kind, f.Hint = UpstreamError, "Anthropic is overloaded. Nothing is wrong with this provider: try again in a few minutes."
	case "api_error":
		f.Kind, f.Hint = UpstreamError, "Anthropic had an internal error. Nothing is wrong with this provider: try again."
	case "invalid_request_error":
		e.invalidRequest(f)
	default:
		if status >= 400 {
			return nil
		}
		f.Kind = UpstreamError
	}
	return f
}

const claudeBillingHint = "Add credit or raise the spend limit of the account in the Claude Console, under Billing."

// claudeRefusesAccount reports whether a refusal is about the whole account: it
// is disabled, kept from the API, or calls from where it may not.
func claudeRefusesAccount(message string) bool {
	return mentions(message, "organization") && mentions(message, "disabled", "not allowed") ||
		mentions(message, "request not allowed")
}

// invalidRequest tells apart what hides behind one type. The phrases are the
// API's; where none is known it stays a plain invalid request.
func (e claudeError) invalidRequest(f *Failure) {
	f.Kind = InvalidRequest
	switch m := e.Message; {
	case mentions(m, "credit balance", "usage limits", "spend limit"):
		f.Kind, f.Hint = QuotaExceeded, claudeBillingHint
	case claudeRefusesAccount(m):
		f.Kind, f.Account = Permission, true
		f.Hint = "Anthropic has shut this organization out: its administrator finds the reason in the Claude Console."
	case mentions(m, "content filtering policy"):
		f.Kind, f.Hint = ContentFiltered, "Anthropic's content filter stopped the answer: try another prompt."
	case mentions(m, "prompt is too long"):
		f.Hint = "Shorten the prompt: it does not fit the model's context."
	case mentions(m, "max_tokens"):
		f.Hint = "Lower max_output_tokens to what the model allows."
	case mentions(m, "temperature"):
		f.Hint = "Leave temperature out, or choose one from 0 to 1; some models take none."
	}
}

// mentions reports whether s holds one of the phrases, without regard to case.
// The phrases are in lower case.
func mentions(s string, phrases ...string) bool {
	s = strings.ToLower(s)
	for _, phrase := range phrases {
		if strings.Contains(s, phrase) {
			return true
		}
	}
	return false
}
