package provider

import (
	"bytes"
	"cmp"
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

// explainFault explains a fault by the tables.
func (v *vertexUpstream) explainFault(e googleFault, httpStatus int, model string) *Failure {
	t := vertexTables
	t.values = []string{"{project}", "`" + v.project + "`", "{region}", "`" + v.region + "`", "{elsewhere}", v.elsewhereHint(), "{global}", ""}
	if v.region != "global" {
		t.values[len(t.values)-1] = "; many newer models are served in region `global` only"
	}
	said := problem{message: e.Message, code: e.reason(), status: cmp.Or(e.Status, rpcStatus(e.Code))}
	return t.judge(reply{status: httpStatus, said: said, model: model})
}

// vertexTables are what Vertex AI says. Sources: Google Cloud APIs, "Errors";
// Vertex AI, "API errors"; google.api.ErrorReason.
var vertexTables = tables{
	rules: []rule{
		{code: "unauthenticated", kind: Authentication, hint: "Google does not take the token of this service account: enter a new key of it, and check that the account is enabled."},
		{code: "service_disabled", kind: Permission, whose: ofAccount, hint: "Enable the Vertex AI API (aiplatform.googleapis.com) in project {project} and try again after a few minutes.{elsewhere}"},
		{code: "billing_disabled", kind: Permission, whose: ofAccount, hint: "Link project {project} to an active billing account.{elsewhere}"},
		{code: "consumer_invalid|consumer_suspended|user_project_denied|resource_project_invalid", kind: Permission, whose: ofAccount, hint: "Check the project: Google does not let {project} use Vertex AI.{elsewhere}"},
		{code: "permission_denied", words: "aiplatform.endpoints.predict", kind: Permission, whose: ofAccount, hint: "Grant the service account the role Vertex AI User (roles/aiplatform.user) in project {project}.{elsewhere}"},
		{code: "permission_denied", kind: Permission, hint: "Check that project {project} may use the model {model} (partner models are enabled one by one in the Model Garden), and that the service account has the role Vertex AI User (roles/aiplatform.user).{elsewhere}"},
		{code: "not_found", kind: ModelNotFound},
		{code: "failed_precondition", words: "organization policy|constraint", kind: Permission, hint: "An organization policy (vertexai.allowedModels) keeps this model from project {project}: its administrator can allow it."},
		{code: "failed_precondition|invalid_argument|unimplemented", words: "is not supported in the*api", kind: InvalidRequest, hint: hintNoChat},
		{code: "failed_precondition", words: "model garden|not enabled", kind: Permission},
		{code: "failed_precondition", words: "not servable|not supported in|not available", kind: ModelNotFound},
		{code: "resource_exhausted", kind: RateLimited, hint: "The quota of project {project} for this model in {region} is used up, or was never granted: try again in a minute, or ask for more under Quotas in the Google Cloud console."},
		{code: "invalid_argument|out_of_range", words: "maxoutputtokens|max_tokens|max_output_tokens", kind: InvalidRequest, hint: "Lower max_output_tokens to what the model allows."},
		{code: "invalid_argument|out_of_range", words: "temperature", kind: InvalidRequest, hint: "Leave temperature out, or choose a lower one."},
		{code: "invalid_argument|out_of_range", words: "input token count|context", kind: InvalidRequest, hint: "Shorten the prompt: it does not fit the model's context."},
		{code: "failed_precondition|invalid_argument|out_of_range", kind: InvalidRequest},
		{code: "deadline_exceeded", kind: Timeout, hint: "Vertex AI gave up on the request: lower max_output_tokens, or stream the answer."},
		{code: "unavailable|internal|unknown|aborted|data_loss|cancelled", kind: UpstreamError, hint: "Vertex AI failed. Nothing is wrong with this provider: try again."},
		{code: "unimplemented", kind: InvalidRequest, hint: "The model does not answer prompts this way: choose a chat model."},
	},
	hints: map[FailureKind]string{
		Permission:    "Enable the model {model} in the Model Garden of project {project}: partner models are enabled one by one.",
		ModelNotFound: hintVertexModel,
	},
}

const hintVertexModel = "Check the model id {model}, and that region {region} offers it to project {project}{global}. Partner models have to be enabled in the Model Garden first."

// elsewhereHint points out that the service account is another project's.
func (v *vertexUpstream) elsewhereHint() string {
	if v.account.ProjectID == "" || v.account.ProjectID == v.project || isNumber(v.project) {
		return ""
	}
	return " The service account belongs to another project than `" + v.project + "`: is that the right one, and has the account been granted the role there?"
}

// isNumber reports whether a project is given by its number, which the key file
// does not tell.
func isNumber(project string) bool { return strings.Trim(project, "0123456789") == "" }

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
