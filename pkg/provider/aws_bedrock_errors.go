package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/aws/smithy-go"
)

// failure explains an error of a call. modelID is empty when no model was asked.
func (b *bedrockUpstream) failure(ctx context.Context, err error, modelID string) *Failure {
	f := explain(ctx, err, func(c *call) *Failure {
		fault := parseAWSFault(c.page())
		if code := c.header.Get("X-Amzn-Errortype"); code != "" {
			fault.Code = awsCode(code)
		}
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
			fault = awsFault{Code: api.ErrorCode(), Message: api.ErrorMessage()}
		}
		if fault.Code == "" && fault.Message != "" && c.status >= 400 { // a gateway's, {"Message":…}
			return statusFailure(c.status, problem{message: fault.Message})
		}
		return bedrockFailure(c.status, fault, modelID, b.region)
	})
	switch {
	case f.Kind == Authentication && b.temporary:
		f.Hint = "This is a temporary access key (it begins with ASIA), which needs a session token that cannot be stored: enter a long-lived key of an IAM user (AKIA…)."
	case f.Kind == Unreachable && b.public && isUnknownHost(ctx):
		f.Hint = "Is there a region `" + b.region + "`, and does it have Amazon Bedrock?"
	}
	return f
}

// isUnknownHost reports whether the latest call failed because its host has no
// address.
func isUnknownHost(ctx context.Context) bool {
	var dns *net.DNSError
	c := lastCall(ctx)
	return c != nil && errors.As(c.broken(), &dns) && dns.IsNotFound
}

// awsFault is the error of an AWS service in its JSON protocols: the code stands
// in a header or as `__type`, with a namespace before and an address behind it.
// Source: Smithy, AWS restJson1 protocol, "Operation error serialization".
type awsFault struct {
	Code    string `json:"__type"`
	Message string `json:"message"`
}

// parseAWSFault reads the body of an error. Some of AWS's front doors wrap it
// into `Output`, with the status of a success at times.
func parseAWSFault(body []byte) awsFault {
	var fault struct {
		awsFault
		Output awsFault
	}
	if json.Unmarshal(body, &fault) != nil {
		return awsFault{}
	}
	f := fault.awsFault
	if f.Code == "" && fault.Output.Code != "" {
		f = fault.Output
	}
	f.Code = awsCode(f.Code)
	return f
}

// awsCode is a code without namespace and address.
func awsCode(code string) string {
	code, _, _ = strings.Cut(code[strings.LastIndexByte(code, '#')+1:], ":")
	return code
}

// bedrockFailure classifies an exception of Bedrock or of AWS's front door. One
// that is not known is left to the HTTP status, and is the upstream's fault
// where that says success. Source: Amazon Bedrock user guide,
// "Troubleshooting Amazon Bedrock API Error Codes"; AWS "Common Errors".
func bedrockFailure(status int, fault awsFault, modelID, region string) *Failure {
	f := &Failure{Message: fault.Message, HTTPStatus: status, Code: fault.Code}
	if f.Message == "" {
		f.Message = "AWS answered " + f.Code + " without a message."
	}
	switch f.Code {
	case "UnrecognizedClientException", "InvalidClientTokenId", "MissingAuthenticationToken",
		"MissingAuthenticationTokenException", "InvalidAccessKeyId", "NotAuthorized":
		f.Kind = Authentication
		f.Hint = "AWS does not know this access key: check that access_key_id is complete and active, and belongs to the partition of region `" + region + "`."
	case "InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException":
		f.Kind = Authentication
		f.Hint = "The secret_access_key does not belong to this access_key_id, or is incomplete: enter both again."
		if mentions(f.Message, "expired", "not yet current") {
			f.Hint = "AWS finds the time of the signature wrong: set the clock of the server that runs this service."
		}
	case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
		f.Kind, f.Hint = Authentication, "The access key is expired: enter a new one. Keys of temporary sessions (they begin with `ASIA`) are not supported."
	case "OptInRequired", "SubscriptionRequiredException":
		f.Kind, f.Account = Permission, true
		f.Hint = "The AWS account is not signed up for Amazon Bedrock: finish its registration in the AWS console."
	case "AccessDeniedException", "AccessDenied", "UnauthorizedException":
		bedrockAccessDenied(f, modelID, region)
	case "ThrottlingException", "TooManyRequestsException":
		f.Kind = RateLimited
		f.Hint = "The account's quota for this model in region `" + region + "` is used up for now: try again later, or ask for more under Service Quotas."
	case "ServiceQuotaExceededException":
		f.Kind, f.Hint = QuotaExceeded, "Ask for a higher quota for Amazon Bedrock in region `"+region+"` under Service Quotas."
	case "ResourceNotFoundException":
		bedrockNotFound(f, modelID, region)
	case "ValidationException":
		bedrockInvalid(f, modelID, region)
	case "ModelTimeoutException":
		f.Kind, f.Hint = Timeout, "The model took too long: lower max_output_tokens, or try again."
	case "ModelNotReadyException":
		f.Kind, f.Hint = UpstreamError, "The model is being started: try again in a few minutes."
	case "ModelErrorException", "ModelStreamErrorException":
		f.Kind, f.Hint = UpstreamError, "The model failed while it answered. Nothing is wrong with this provider: try again."
	case "UnknownOperationException":
		f.Kind, f.Hint = Misconfigured, "What answers is an AWS service, but not Amazon Bedrock: does region `"+region+"` have it, and is the operator's endpoint right?"
	case "InternalServerException", "InternalFailure", "ServiceUnavailableException", "ServiceUnavailable":
		f.Kind, f.Hint = UpstreamError, "Amazon Bedrock failed. Nothing is wrong with this provider: try again."
	default:
		if status >= 400 || f.Code == "" {
			return nil
		}
		f.Kind = UpstreamError
	}
	return f
}

func bedrockAccessDenied(f *Failure, modelID, region string) {
	f.Kind = Permission
	switch m := f.Message; {
	case mentions(m, "account is not authorized", "not allowed for this account"):
		f.Account = true
		f.Hint = "AWS has not opened Amazon Bedrock to this account in region `" + region + "`: AWS support can."
	case mentions(m, "marketplace"):
		f.Hint = "Somebody who may subscribe in AWS Marketplace has to use the model once, or grant this access key's user aws-marketplace:ViewSubscriptions and aws-marketplace:Subscribe."
	case mentions(m, "payment instrument"):
		f.Hint = "The AWS account needs a valid payment method before it can subscribe to this model."
	case mentions(m, "not authorized to perform"):
		f.Hint = "Allow the access key's user " + deniedAction(m) + " in IAM" + onModel(modelID) + "; a service control policy may refuse it too."
	default:
		f.Hint = "Open the model" + named(modelID) + " in the model catalog of the Bedrock console, in region `" + region + "`: it says what is missing, such as access, a Marketplace subscription or a use case form."
	}
}

var deniedActionPattern = regexp.MustCompile(`bedrock:[A-Za-z]+`)

// deniedAction reads the refused action out of IAM's message.
func deniedAction(message string) string {
	if action := deniedActionPattern.FindString(message); action != "" {
		return "`" + action + "`"
	}
	return "`bedrock:InvokeModel`"
}

func onModel(modelID string) string {
	if modelID == "" {
		return ""
	}
	return " on `" + modelID + "`"
}

func named(modelID string) string {
	if modelID == "" {
		return ""
	}
	return " `" + modelID + "`"
}

func bedrockNotFound(f *Failure, modelID, region string) {
	f.Kind = ModelNotFound
	switch m := f.Message; {
	case mentions(m, "use case details"):
		f.Kind = Permission
		f.Hint = "Anthropic wants to know what the account uses its models for: fill in the use case form in the Bedrock console, and try again after 15 minutes."
	case mentions(m, "end of its life", "legacy"):
		f.Hint = "The model is retired: choose a newer one."
	default:
		f.Hint = "Check the model id" + named(modelID) + ", and that region `" + region + "` offers it."
	}
}

func bedrockInvalid(f *Failure, modelID, region string) {
	f.Kind = InvalidRequest
	switch m := f.Message; {
	case mentions(m, "on-demand throughput"):
		f.Kind, f.Hint = ModelNotFound, inferenceProfileHint(modelID, region)
	case mentions(m, "model identifier is invalid", "arn is invalid", "inference profile") && mentions(m, "invalid"):
		f.Kind = ModelNotFound
		f.Hint = "Check the model id" + named(modelID) + ": it has to be a model, inference profile or ARN that region `" + region + "` knows."
	case mentions(m, "account is not authorized", "operation not allowed"):
		f.Kind, f.Account = Permission, true
		f.Hint = "AWS has not opened Amazon Bedrock to this account in region `" + region + "`: AWS support can."
	case mentions(m, "doesn't support the model", "doesn’t support the model"),
		mentions(m, "converse") && mentions(m, "support"):
		f.Message = fmt.Sprintf("The model%s does not take part in conversations (Converse), so it cannot be tested here. AWS says: %s", named(modelID), m)
		f.Hint = "Embedding, image and speech models cannot answer a prompt: choose a chat model."
	case mentions(m, "content filtering policy"):
		f.Kind, f.Hint = ContentFiltered, "The model's content filter stopped the answer: try another prompt."
	case mentions(m, "system"):
		f.Hint = "Leave system out: this model takes no system prompt."
	case mentions(m, "temperature"):
		f.Hint = "Leave temperature out, or choose a lower one: many models take at most 1, some none."
	case mentions(m, "maximum tokens", "max_tokens", "maxtokens"):
		f.Hint = "Lower max_output_tokens to what the model allows."
	case mentions(m, "too long"):
		f.Hint = "Shorten the prompt: it does not fit the model's context."
	}
}

// inferenceProfileHint names the inference profiles that most likely contain a
// model which cannot be called by its own id. Source: Amazon Bedrock user
// guide, "Supported Regions and models for inference profiles".
func inferenceProfileHint(modelID, region string) string {
	base := modelID
	if i := strings.LastIndex(base, "foundation-model/"); i >= 0 {
		base = base[i+len("foundation-model/"):]
	}
	if strings.HasPrefix(base, "arn:") {
		return "Use the id or ARN of an inference profile that contains this model: the list of available models shows them."
	}
	var ids []string
	for _, prefix := range profilePrefixes(region) {
		ids = append(ids, "`"+prefix+base+"`")
	}
	return fmt.Sprintf("The model `%s` needs an inference profile: try %s as the model id.", modelID, strings.Join(ids, " or "))
}

// profilePrefixes are the geographic prefixes of the inference profiles that
// can be called from a region, the likeliest first.
func profilePrefixes(region string) []string {
	switch {
	case strings.HasPrefix(region, "us-gov-"):
		return []string{"us-gov."}
	case strings.HasPrefix(region, "us-"):
		return []string{"us.", "global."}
	case strings.HasPrefix(region, "eu-"):
		return []string{"eu.", "global."}
	case region == "ap-northeast-1", region == "ap-northeast-3":
		return []string{"apac.", "jp.", "global."}
	case region == "ap-southeast-2", region == "ap-southeast-4":
		return []string{"apac.", "au.", "global."}
	case strings.HasPrefix(region, "ap-"):
		return []string{"apac.", "global."}
	case strings.HasPrefix(region, "ca-"):
		return []string{"ca.", "us.", "global."}
	}
	return []string{"global.", "us."}
}
