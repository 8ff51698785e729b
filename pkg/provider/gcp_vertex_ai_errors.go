package provider

import (
	"context"
	"strings"
)

// explain implements [upstream].
func (v *vertexUpstream) explain(ctx context.Context, model string, err error) *Failure {
	if f := asFailure(err); f != nil {
		return f
	}
	f := v.tables().explain(ctx, model, err)
	// Google answers on any host name: where there is no such region, with a page
	// of status 404.
	if v.public && (f.Kind == Misconfigured || f.Kind == Unreachable && isUnknownHost(ctx)) {
		f.Hint = "Check the region. `" + v.region + "` may not exist, or may not have Vertex AI."
	}
	return f
}

// tables are the tables for calls to the project.
func (v *vertexUpstream) tables() tables {
	t := vertexTables
	t.values = func(string, problem) []string {
		global := ""
		if v.region != "global" {
			global = " Many newer models are served only in region `global`."
		}
		return []string{"{project}", "`" + v.project + "`", "{region}", "`" + v.region + "`", "{elsewhere}", v.elsewhereHint(), "{global}", global}
	}
	return t
}

// vertexTables are what Vertex AI says. Sources: Google Cloud APIs, "Errors";
// Vertex AI, "API errors"; google.api.ErrorReason.
var vertexTables = tables{
	rules: []rule{
		{code: "service_disabled", kind: Permission, scope: ofAccount, hint: "Enable the Vertex AI API (aiplatform.googleapis.com) in project {project}, and try again after a few minutes.{elsewhere}"},
		{code: "billing_disabled", kind: Permission, scope: ofAccount, hint: "Link project {project} to an active billing account.{elsewhere}"},
		{code: "consumer_invalid|consumer_suspended|user_project_denied|resource_project_invalid", kind: Permission, scope: ofAccount, hint: "Google does not let project {project} use Vertex AI. Check the project.{elsewhere}"},
		{code: "security_policy_violated", kind: Permission, scope: ofAccount, hint: "A VPC Service Controls perimeter refuses this server. The organization's administrator can allow it."},
		{words: "unsupported region for vertex ai", kind: Misconfigured, hint: "Vertex AI has no region {region}. Choose another one."},
		{code: "permission_denied", words: "aiplatform.endpoints.predict", kind: Permission, scope: ofAccount, hint: "Grant the service account the role Vertex AI User (roles/aiplatform.user) in project {project}.{elsewhere}"},
		{code: "permission_denied", kind: Permission, hint: "Check that project {project} may use the model {model}, and that the service account has the role Vertex AI User (roles/aiplatform.user). Partner models are enabled one by one in the Model Garden.{elsewhere}"},
		{code: "failed_precondition", words: "organization policy|constraint", kind: Permission, hint: "An organization policy (vertexai.allowedModels) prevents project {project} from using this model. The organization's administrator can allow it."},
		{code: "failed_precondition|invalid_argument|unimplemented", words: "is not supported in the*api", kind: InvalidRequest, hint: hintNoChat},
		{code: "failed_precondition", words: "model garden|not enabled", kind: Permission},
		{code: "failed_precondition", words: "not servable|not supported in|not available", kind: ModelNotFound},
		{code: "deadline_exceeded", kind: Timeout, hint: "Vertex AI took too long to answer. Lower max_output_tokens, or stream the answer."},
		{code: "unavailable|internal|unknown|aborted|data_loss|cancelled", kind: UpstreamError, hint: "Vertex AI failed. Nothing is wrong with this provider. Try again."},
		{code: "unimplemented", kind: InvalidRequest, hint: hintNoChat},
		{status: "404", kind: ModelNotFound},
	},
	also: claudeTables.rules,
	hints: map[FailureKind]string{
		Permission:    "Enable the model {model} in the Model Garden of project {project}. Partner models are enabled one by one.",
		ModelNotFound: "Check the model ID {model}, and check that region {region} offers it to project {project}.{global} Partner models have to be enabled in the Model Garden first.",

		Authentication: "Google refused this service account. Check that the account is enabled, or enter a new key for it.",
		RateLimited:    hintVertexQuota,
		QuotaExceeded:  hintVertexQuota,
	},
}

const hintVertexQuota = "The quota of project {project} for this model in region {region} is used up, or was never granted. Try again in a minute, or request a higher quota under Quotas in the Google Cloud console."

// elsewhereHint points out that the service account belongs to another project, if the
// project is not given by its number.
func (v *vertexUpstream) elsewhereHint() string {
	if v.account.ProjectID == "" || v.account.ProjectID == v.project || strings.Trim(v.project, "0123456789") == "" {
		return ""
	}
	return " The service account does not belong to project `" + v.project + "`. Check that the project is right, and that the account has this role in it."
}
