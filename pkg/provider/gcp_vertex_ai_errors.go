package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
)

// googleFault is the error of a Google API, {"error":{"code","message",
// "status","details":[…]}}; some endpoints put it into an array of one.
// Source: Google Cloud APIs, "Errors" (google.rpc.Status and its details).
type googleFault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Type      string `json:"@type"`
		Reason    string `json:"reason"`    // of google.rpc.ErrorInfo
		RequestID string `json:"requestId"` // of google.rpc.RequestInfo
	} `json:"details"`
}

func parseGoogleFault(body []byte) (googleFault, bool) {
	var envelope struct {
		Error json.RawMessage `json:"error"`
	}
	body = bytes.TrimSpace(body)
	if bytes.HasPrefix(body, []byte("[")) {
		var list []json.RawMessage
		if json.Unmarshal(body, &list) != nil || len(list) == 0 {
			return googleFault{}, false
		}
		body = list[0]
	}
	var fault googleFault
	if json.Unmarshal(body, &envelope) != nil || len(envelope.Error) == 0 || json.Unmarshal(envelope.Error, &fault) != nil {
		return googleFault{}, false
	}
	return fault, fault.Message != "" && (fault.Status != "" || fault.Code != 0)
}

// reason is the machine-readable reason of the fault, such as SERVICE_DISABLED.
func (e googleFault) reason() string {
	for _, d := range e.Details {
		if d.Type == "type.googleapis.com/google.rpc.ErrorInfo" {
			return d.Reason
		}
	}
	return ""
}

// requestID is Google's id of the request that failed.
func (e googleFault) requestID() string {
	for _, d := range e.Details {
		if d.Type == "type.googleapis.com/google.rpc.RequestInfo" {
			return d.RequestID
		}
	}
	return ""
}

// failure explains an error of a call. A token that was refused is not used
// again. model is empty when none was asked.
func (v *vertexUpstream) failure(ctx context.Context, err error, token, model string) *Failure {
	if c := lastCall(ctx); c != nil && c.status == http.StatusUnauthorized {
		v.tokens.drop(token)
	}
	f := explain(ctx, err, func(c *call) *Failure {
		if fault, ok := parseGoogleFault(c.page()); ok {
			return v.explainFault(fault, c.status, model)
		}
		return v.withVertexHint(readClaudeError(c, err))
	})
	// Google answers on any host name: for a region that there is none of, with
	// a page that says 404.
	if v.public && (f.Kind == Misconfigured || f.Kind == Unreachable && isUnknownHost(ctx)) {
		f.Hint = "Is there a region `" + v.region + "`, and does it have Vertex AI?"
	}
	return f
}

// explainFault classifies a fault. One without a status that is known is left
// to the HTTP status, and is the upstream's fault where that says success.
func (v *vertexUpstream) explainFault(e googleFault, httpStatus int, model string) *Failure {
	f := &Failure{Message: e.Message, HTTPStatus: httpStatus, Code: orElse(e.reason(), e.Status)}
	switch orElse(e.Status, rpcStatus(e.Code)) {
	case "UNAUTHENTICATED":
		f.Kind, f.Hint = Authentication, "Google does not take the token of this service account: enter a new key of it, and check that the account is enabled."
	case "PERMISSION_DENIED":
		v.permissionDenied(f, e, model)
	case "NOT_FOUND":
		f.Kind, f.Hint = ModelNotFound, v.modelHint(model)
	case "FAILED_PRECONDITION":
		v.failedPrecondition(f, model)
	case "RESOURCE_EXHAUSTED":
		f.Kind = RateLimited
		f.Hint = "The quota of project `" + v.project + "` for this model in `" + v.region + "` is used up, or was never granted: try again in a minute, or ask for more under Quotas in the Google Cloud console."
	case "INVALID_ARGUMENT", "OUT_OF_RANGE":
		f.Kind, f.Hint = InvalidRequest, vertexArgumentHint(e.Message)
	case "DEADLINE_EXCEEDED":
		f.Kind, f.Hint = Timeout, "Vertex AI gave up on the request: lower max_output_tokens, or stream the answer."
	case "UNAVAILABLE", "INTERNAL", "UNKNOWN", "ABORTED", "DATA_LOSS", "CANCELLED":
		f.Kind, f.Hint = UpstreamError, "Vertex AI failed. Nothing is wrong with this provider: try again."
	case "UNIMPLEMENTED":
		f.Kind, f.Hint = InvalidRequest, "The model does not answer prompts this way: choose a chat model."
	default:
		if httpStatus >= 400 {
			return nil
		}
		f.Kind = UpstreamError
	}
	return f
}

// permissionDenied tells a refusal of the whole account, such as an API that is
// switched off or a role that is missing in the project, from one of a model.
func (v *vertexUpstream) permissionDenied(f *Failure, e googleFault, model string) {
	f.Kind = Permission
	switch e.reason() {
	case "SERVICE_DISABLED":
		f.Account = true
		f.Hint = "Enable the Vertex AI API (aiplatform.googleapis.com) in project `" + v.project + "` and try again after a few minutes."
	case "BILLING_DISABLED":
		f.Account = true
		f.Hint = "Link project `" + v.project + "` to an active billing account."
	case "CONSUMER_INVALID", "CONSUMER_SUSPENDED", "USER_PROJECT_DENIED", "RESOURCE_PROJECT_INVALID":
		f.Account = true
		f.Hint = "Check the project: Google does not let `" + v.project + "` use Vertex AI."
	default:
		f.Account = strings.Contains(e.Message, "aiplatform.endpoints.predict")
		f.Hint = "Grant the service account the role Vertex AI User (roles/aiplatform.user) in project `" + v.project + "`."
		if !f.Account {
			f.Hint = "Check that project `" + v.project + "` may use the model" + named(model) + " (partner models are enabled one by one in the Model Garden), and that the service account has the role Vertex AI User (roles/aiplatform.user)."
		}
	}
	if v.account.ProjectID != "" && v.account.ProjectID != v.project && !isNumber(v.project) {
		f.Hint += " The service account belongs to another project than `" + v.project + "`: is that the right one, and has the account been granted the role there?"
	}
}

// isNumber reports whether a project is given by its number, which the key file
// does not tell.
func isNumber(project string) bool { return strings.Trim(project, "0123456789") == "" }

func (v *vertexUpstream) failedPrecondition(f *Failure, model string) {
	switch m := f.Message; {
	case mentions(m, "organization policy", "constraint"):
		f.Kind, f.Hint = Permission, "An organization policy (vertexai.allowedModels) keeps this model from project `"+v.project+"`: its administrator can allow it."
	case mentions(m, "not servable", "not supported in", "not available"):
		f.Kind, f.Hint = ModelNotFound, v.modelHint(model)
	default:
		f.Kind = InvalidRequest
	}
}

func (v *vertexUpstream) modelHint(model string) string {
	hint := "Check the model id" + named(model) + ", and that region `" + v.region + "` offers it to project `" + v.project + "`"
	if v.region != "global" {
		hint += "; many newer models are served in region `global` only"
	}
	return hint + ". Partner models have to be enabled in the Model Garden first."
}

func vertexArgumentHint(message string) string {
	switch {
	case mentions(message, "maxoutputtokens", "max_tokens", "max_output_tokens"):
		return "Lower max_output_tokens to what the model allows."
	case mentions(message, "temperature"):
		return "Leave temperature out, or choose a lower one."
	case mentions(message, "input token count", "context"):
		return "Shorten the prompt: it does not fit the model's context."
	}
	return ""
}

// rpcStatus is the google.rpc.Code that stands behind an HTTP status.
func rpcStatus(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "INVALID_ARGUMENT"
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusNotImplemented:
		return "UNIMPLEMENTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	case http.StatusInternalServerError:
		return "INTERNAL"
	}
	return ""
}
