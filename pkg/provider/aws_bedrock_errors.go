package provider

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// explain implements [upstream].
func (b *bedrockUpstream) explain(ctx context.Context, model string, err error) *Failure {
	tables, usesKeys := bedrockTables, true
	if b.role != "" {
		tables, usesKeys = bedrockRoleTables, asFailure(err) != nil // of AWS STS
	}
	f := b.in(tables).explain(ctx, model, err)
	switch {
	case f.Kind == Authentication && usesKeys && b.keyHint != "":
		f.Hint = b.keyHint
	case f.Kind == Unreachable && b.public && isUnknownHost(ctx):
		f.Hint = "Check the region. `" + b.region + "` may not exist, or may not have Amazon Bedrock."
	}
	return f
}

// in returns tables for calls with the credentials of the provider.
func (b *bedrockUpstream) in(t tables) tables {
	t.values = func(model string, said problem) []string {
		return []string{
			"{region}", "`" + b.region + "`", "{action}", deniedAction(said.message),
			"{caller}", b.caller, "{role}", "`" + b.role + "`",
			"{destination}", destinationHint(said.message, b.region),
			"{profile}", inferenceProfileHint(model, b.region), "{geography}", geographyHint(model, b.region),
		}
	}
	return t
}

// hint says what is evidently wrong with credentials that AWS does not accept; "" if it is
// not evident.
func (c bedrockCredentials) hint() string {
	id, key := string(c.AccessKeyID.Bytes()), string(c.APIKey.Bytes())
	switch {
	case strings.HasPrefix(id, "ABSK") || strings.HasPrefix(id, "bedrock-api-key-"):
		return "The access_key_id is a Bedrock API key. Enter it as api_key, without an access key."
	case strings.HasPrefix(id, "ASIA") && c.SessionToken.Empty():
		return "This is a temporary access key (it begins with ASIA). Enter its session token, too, or a long-lived key of an IAM user (AKIA…)."
	case strings.HasPrefix(id, "AKIA") && !c.SessionToken.Empty():
		return "A long-lived access key (it begins with AKIA) has no session token. Remove session_token, or enter the temporary access key (ASIA…) that it belongs to."
	case strings.HasPrefix(key, "AKIA") || strings.HasPrefix(key, "ASIA"):
		return "The api_key is the ID of an access key. Enter it as access_key_id, with its secret."
	}
	return ""
}

// bedrockTables are what AWS says. Sources: Amazon Bedrock user guide,
// "Troubleshooting Amazon Bedrock API Error Codes"; AWS, "Common Errors".
var bedrockTables = tables{
	rules: []rule{
		{code: "unrecognizedclientexception|invalidclienttokenid|missingauthenticationtoken*|invalidaccesskeyid|notauthorized", kind: Authentication, hint: "AWS does not know this access key. Check that access_key_id is complete and active, and belongs to the partition of region {region}."},
		{code: "invalidsignatureexception|signaturedoesnotmatch", words: "expired|not yet current", kind: Authentication, hint: "AWS rejected the time of the signature. Set the clock of the server that runs this service."},
		{code: "invalidsignatureexception|signaturedoesnotmatch|incompletesignature*", kind: Authentication, hint: "The secret_access_key does not belong to this access_key_id, or is incomplete. Enter both again."},
		{code: "expiredtoken*|requestexpired", kind: Authentication, hint: "The session of this access key has expired. Enter a new access key with its session token, or a long-lived key of an IAM user (`AKIA…`)."},
		{words: "api key format|must start with pre-defined prefix", kind: Authentication, hint: "This is not a Bedrock API key. A long-term one begins with `ABSK`, a short-term one with `bedrock-api-key-`."},
		{words: "bearer token has expired", kind: Authentication, hint: "The Bedrock API key has expired. Generate a new one in the Bedrock console. A short-term key lasts 12 hours at most, a long-term key until a date of your choice."},
		{words: "make sure your api key is valid", kind: Authentication, hint: "AWS does not accept this Bedrock API key. Check that it is complete, and was not deleted. A short-term key is valid only in the region in which it was generated; {region} was called."},
		{words: "bedrock:callwithbearertoken", kind: Permission, scope: ofAccount, hint: "In IAM, allow the user of the API key the action `bedrock:CallWithBearerToken`. A policy may forbid API keys."},
		{code: "optinrequired|subscriptionrequiredexception", kind: Permission, scope: ofAccount, hint: "The AWS account is not signed up for Amazon Bedrock. Finish the registration in the AWS console."},

		{words: "unsupported countries", kind: Permission, scope: ofAccount, hint: "The maker of the model does not support the country of this AWS account or server. Choose a model of another maker."},
		{code: "accessdenied*|unauthorizedexception", words: "account is not authorized|not allowed for this account", kind: Permission, scope: ofAccount, hint: hintAWSAccount},
		{code: "accessdenied*|unauthorizedexception", words: "marketplace", kind: Permission, hint: "The model needs a subscription in AWS Marketplace. In IAM, allow {caller} the actions aws-marketplace:ViewSubscriptions and aws-marketplace:Subscribe, or ask someone who has them to call the model once."},
		{code: "accessdenied*|unauthorizedexception", words: "payment instrument", kind: Permission, hint: "The AWS account needs a valid payment method before it can subscribe to this model. Add one in the AWS console."},
		{code: "accessdenied*|unauthorizedexception", words: "not authorized to perform", kind: Permission, hint: "In IAM, allow {caller} the action {action} on the model {model}. A service control policy may also deny it.{destination}"},
		{code: "accessdenied*|unauthorizedexception", kind: Permission, hint: "Open the model {model} in the model catalog of the Bedrock console, in region {region}. The catalog shows what is missing, such as access, a Marketplace subscription or a use case form."},

		{code: "throttlingexception|toomanyrequestsexception", kind: RateLimited, hint: "The account's quota for this model in region {region} is used up for now. Try again later, or request a higher quota under Service Quotas."},
		{code: "servicequotaexceededexception", kind: QuotaExceeded, hint: "Request a higher quota for Amazon Bedrock in region {region} under Service Quotas."},

		{code: "resourcenotfoundexception", words: "use case details", kind: Permission, hint: "Anthropic requires a description of what the account uses its models for. Fill in the use case form in the Bedrock console, and try again after 15 minutes."},
		{code: "resourcenotfoundexception", words: "end of its life|legacy", kind: ModelNotFound, hint: "The model is retired. Choose a newer one."},
		{code: "resourcenotfoundexception", kind: ModelNotFound},

		{code: "validationexception", words: "on-demand throughput", kind: ModelNotFound, hint: "{profile}"},
		{code: "validationexception", words: "model identifier is invalid|arn is invalid|inference profile*invalid|invalid*inference profile", kind: ModelNotFound},
		{code: "validationexception", words: "account is not authorized|operation not allowed", kind: Permission, scope: ofAccount, hint: hintAWSAccount},
		{code: "validationexception", words: "guardrail", kind: InvalidRequest, hint: "The guardrail of this account or organization is not valid for this request. Check it in the Bedrock console."},
		{code: "validationexception", words: "doesn't support the model|doesn’t support the model|converse*support|support*converse", kind: InvalidRequest, hint: "Model {model} does not support conversations (Converse), so it can't be tested here. Choose a chat model. Embedding, image and speech models can't answer a prompt."},

		{code: "modeltimeoutexception", kind: Timeout, hint: "The model took too long. Lower max_output_tokens, or try again."},
		{code: "modelnotreadyexception", kind: UpstreamError, hint: "The model is starting. Try again in a few minutes."},
		{code: "modelerrorexception|modelstreamerrorexception", words: "invalid sequence as part of tooluse", kind: InvalidRequest, scope: ofTools, hint: hintUnreadable}, // Amazon Nova's
		{code: "modelerrorexception|modelstreamerrorexception", kind: UpstreamError, hint: "The model failed while it answered. Nothing is wrong with this provider. Try again."},
		{code: "unknownoperationexception", kind: Misconfigured, hint: "The AWS service that answered is not Amazon Bedrock. Check that region {region} has Amazon Bedrock, and that the endpoint that the operator configured is right."},
		{code: "internalserverexception|internalfailure|serviceunavailable*", kind: UpstreamError, hint: "Amazon Bedrock failed. Nothing is wrong with this provider. Try again."},
	},
	hints: map[FailureKind]string{
		ModelNotFound: "Check the model ID {model}, and check that region {region} offers it.{geography}",
	},
}

// bedrockRoleTables are what AWS says to the session of a role.
var bedrockRoleTables = tables{
	rules: []rule{
		{code: "unrecognizedclientexception|invalidclienttokenid|expiredtoken*", kind: Authentication, hint: "AWS no longer accepts the session of the role {role}. Try again: the next call assumes the role anew."},
		{code: "accessdenied*", words: "explicit deny", kind: Permission, hint: "A policy denies the role {role} the action {action}. If the sessions of the role were revoked, try again: the next call assumes the role anew.{destination}"},
	},
	also:  bedrockTables.rules,
	hints: bedrockTables.hints,
}

// stsTables are what AWS STS says when the role is assumed. Source: AWS Security Token
// Service API reference, "AssumeRole" and "Common Errors".
var stsTables = tables{
	rules: []rule{
		{code: "accessdenied*", words: "root account", kind: Permission, scope: ofAccount, hint: "The root user of an AWS account can't assume a role. Enter the access key of an IAM user."},
		{code: "accessdenied*", kind: Permission, scope: ofAccount, hint: "AWS does not say why the access key may not assume the role. Check that role_arn {role} is right and the role exists, that its trust policy allows the access key's user or account, that external_id is the one that the trust policy demands (sts:ExternalId), and that the user's own policies allow sts:AssumeRole."},
		{code: "regiondisabledexception", kind: Permission, scope: ofAccount, hint: "AWS STS is not active in region {region} for the account of the access key. Activate it under Account settings in the IAM console, or choose another region."},
		{code: "throttling*|requestlimitexceeded", kind: RateLimited, hint: "AWS limits how often roles are assumed in this account. Try again in a minute."},
		{code: "validationerror", kind: Misconfigured, hint: "AWS does not accept role_arn or external_id. Its message says why."},
		{status: "5xx", kind: UpstreamError, hint: "AWS STS failed. Nothing is wrong with this provider. Try again."},
		{status: "404 405", kind: Misconfigured, hint: "The configured address is not AWS STS. Ask the operator of this service to correct it."},
	},
	also: bedrockTables.rules,
}

const hintAWSAccount = "AWS has not enabled Amazon Bedrock for this account in region {region}. Ask AWS support to enable it."

var (
	deniedActionPattern   = regexp.MustCompile(`bedrock:[A-Za-z]+`)
	deniedResourcePattern = regexp.MustCompile(`arn:[a-z-]+:bedrock:([a-z0-9-]+):`)
)

// deniedAction reads the refused action out of IAM's message.
func deniedAction(message string) string {
	if action := deniedActionPattern.FindString(message); action != "" {
		return "`" + action + "`"
	}
	return "`bedrock:InvokeModel`"
}

// destinationHint names the region in which IAM refused a cross-region profile, if
// that is not the one that was called.
func destinationHint(message, region string) string {
	found := deniedResourcePattern.FindStringSubmatch(message)
	if found == nil || found[1] == region {
		return ""
	}
	return " A cross-region profile also calls its model in other regions, here `" + found[1] + "`. Allow the model's ARNs in all of them."
}

// geographyHint names the right profile for a model id with the prefix of another
// geography.
func geographyHint(modelID, region string) string {
	prefix, rest, found := strings.Cut(modelID, ".")
	known := []string{"us", "eu", "apac", "jp", "au", "ca", "us-gov"}
	if !found || !slices.Contains(known, prefix) || slices.Contains(profilePrefixes(region), prefix+".") {
		return ""
	}
	return " `" + prefix + ".` is the prefix of another geography. Try `" + profilePrefixes(region)[0] + rest + "`."
}

// inferenceProfileHint names the inference profiles that most likely contain a
// model which cannot be called by its own id. Source: Amazon Bedrock user guide,
// "Supported Regions and models for inference profiles".
func inferenceProfileHint(modelID, region string) string {
	base := modelID
	if i := strings.LastIndex(base, "foundation-model/"); i >= 0 {
		base = base[i+len("foundation-model/"):]
	}
	if strings.HasPrefix(base, "arn:") {
		return "Use the ID or ARN of an inference profile that contains this model. The list of available models shows them."
	}
	var ids []string
	for _, prefix := range profilePrefixes(region) {
		ids = append(ids, "`"+prefix+base+"`")
	}
	return fmt.Sprintf("The model `%s` can be called only through an inference profile. Try %s as the model ID.", modelID, strings.Join(ids, " or "))
}

// geographies are the prefixes of the inference profiles that can be called from
// the regions that begin so, the likeliest first.
var geographies = []struct {
	regions  string
	prefixes []string
}{
	{"us-gov-", []string{"us-gov."}},
	{"us-", []string{"us.", "global."}},
	{"eu-", []string{"eu.", "global."}},
	{"ap-northeast-1", []string{"apac.", "jp.", "global."}},
	{"ap-northeast-3", []string{"apac.", "jp.", "global."}},
	{"ap-southeast-2", []string{"apac.", "au.", "global."}},
	{"ap-southeast-4", []string{"apac.", "au.", "global."}},
	{"ap-", []string{"apac.", "global."}},
	{"ca-", []string{"ca.", "us.", "global."}},
	{"", []string{"global.", "us."}},
}

func profilePrefixes(region string) []string {
	for _, g := range geographies {
		if strings.HasPrefix(region, g.regions) {
			return g.prefixes
		}
	}
	return nil
}
