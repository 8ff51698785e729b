package provider

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"modelproviders/pkg/secret"
)

var awsBedrock = register(Type{
	form: Form{
		Type:               "aws_bedrock",
		Label:              "AWS Bedrock",
		Description:        "Models of many makers on Amazon Bedrock, in your own AWS account.",
		DocsURL:            "https://console.aws.amazon.com/iam/home#/users",
		ModelIDLabel:       "Model or inference profile ID",
		ModelIDPlaceholder: "us.anthropic.claude-sonnet-4-20250514-v1:0",
		AuthMethods:        []AuthMethod{{"access_key", "Access key"}, {"api_key", "Bedrock API key"}},
	},

	endpointNames:    []string{"aws_bedrock", "aws_bedrock_control", "aws_sts"},
	requestIDHeaders: []string{"X-Amzn-Requestid", "X-Amz-Request-Id"},
	unproven:         "Calling a model needs another permission. Test a model to check it.",
}, openBedrock)

type bedrockCredentials struct {
	AccessKeyID     secret.Text `json:"access_key_id" label:"AWS Access Key ID" kind:"secret" group:"access_key,Access key" auth_method:"access_key" validate:"required,max=4096,printascii" placeholder:"AKIA…" help:"The ID of an access key. That of a long-lived key begins with AKIA. Its IAM user needs the permission bedrock:InvokeModel, or sts:AssumeRole if there is a role."`
	SecretAccessKey secret.Text `json:"secret_access_key" label:"AWS Secret Access Key" kind:"secret" group:"access_key,Access key" auth_method:"access_key" validate:"required,max=4096,printascii" placeholder:"wJalrXUtnFEMI/K7…" help:"The secret of the access key. AWS shows it only when the key is created."`
	SessionToken    secret.Text `json:"session_token" label:"AWS Session Token" kind:"secret" group:"access_key,Access key" auth_method:"access_key" validate:"max=4096,printascii" placeholder:"IQoJb3JpZ2luX2Vj…" help:"Only for a temporary access key, whose ID begins with ASIA. It expires after some hours."`
	APIKey          secret.Text `json:"api_key" label:"Bedrock API Key" kind:"secret" auth_method:"api_key" validate:"required,max=4096,printascii" placeholder:"ABSK…" help:"An API key from the Bedrock console, instead of an access key. A long-term key begins with ABSK. A short-term key expires after 12 hours at most."`
}

// The pattern of the region keeps it a part of a host name: anything else could make
// the request go to another host. The bounds of an external id are AWS's own.
type bedrockConfig struct {
	Region     string `json:"region" label:"Region" kind:"text" validate:"required,max=64" pattern:"^[a-z]{2}(-[a-z]+)+-[0-9]+$" message:"must be the name of an AWS region, such as us-east-1" placeholder:"us-east-1" suggestions:"us-east-1 us-east-2 us-west-2 ca-central-1 sa-east-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2" help:"The AWS region in which Amazon Bedrock is called. Regions offer different models."`
	RoleARN    string `json:"role_arn" label:"Role ARN" kind:"text" group:"role,Role" auth_method:"access_key" validate:"max=2048" pattern:"^arn:aws[a-z-]*:iam::\\d{12}:role/[\\w+=,.@/-]+$" message:"must be the ARN of an IAM role, such as arn:aws:iam::123456789012:role/bedrock" placeholder:"arn:aws:iam::123456789012:role/bedrock" help:"A role to assume with the access key, possibly of another account. Then the role needs the permission bedrock:InvokeModel."`
	ExternalID string `json:"external_id" label:"External ID" kind:"text" group:"role,Role" auth_method:"access_key" needs:"role_arn" validate:"max=1224" placeholder:"tenant-42" pattern:"^[\\w+=,.@:/-]{2,}$" message:"must have at least 2 characters, which are letters, digits or any of _+=,.@:/-" help:"Only if the trust policy of the role demands one (sts:ExternalId)."`
}

// bedrockUpstream talks to Amazon Bedrock: Converse for prompts, so that one
// form of request serves every model family, and the control plane for discovery.
// The SDK encodes prompts. Its package for the control plane is not used, because it is
// four times the size.
type bedrockUpstream struct {
	service // of the control plane
	runtime *bedrockruntime.Client
	control string // the base URL of the control plane
	region  string
	public  bool   // AWS's own endpoint is called
	role    string // the ARN of the role that is assumed; empty: none
	caller  string // what needs permissions in IAM, in words
	keyHint string // what is evidently wrong with the credentials; empty: nothing
}

func openBedrock(creds bedrockCredentials, config bedrockConfig, env environment) (upstream, error) {
	endpoint := env.endpoints["aws_bedrock"]
	control, err := bedrockControl(config.Region)
	if err != nil {
		return nil, err
	}
	b := &bedrockUpstream{
		control: cmp.Or(env.endpoints["aws_bedrock_control"], endpoint, control),
		region:  config.Region, public: endpoint == "",
		role: config.RoleARN, caller: "the access key's user", keyHint: creds.hint(),
	}
	var client *http.Client
	switch {
	case !creds.APIKey.Empty():
		b.caller, client = "the user of the API key", withBearer(env.http, creds.APIKey)
	case config.RoleARN != "":
		b.caller, client = "the role `"+config.RoleARN+"`", b.withRole(creds, config, env)
	default:
		client = authenticated(env.http, func(req *http.Request) error { return signBedrock(req, creds.keys(), config.Region) })
	}
	b.service, b.runtime = service{client}, newBedrockRuntime(config.Region, client, endpoint)
	return b, nil
}

// keys are the stored access key.
func (c bedrockCredentials) keys() aws.Credentials {
	return aws.Credentials{
		AccessKeyID: c.AccessKeyID.Reveal(), SecretAccessKey: c.SecretAccessKey.Reveal(), SessionToken: c.SessionToken.Reveal(),
	}
}

// Retrieve implements [aws.CredentialsProvider].
func (c bedrockCredentials) Retrieve(context.Context) (aws.Credentials, error) { return c.keys(), nil }

// signBedrock signs a request for Amazon Bedrock.
func signBedrock(req *http.Request, keys aws.Credentials, region string) error {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	if len(body) > 0 { // else it stays http.NoBody, so that HTTP/2 sends no empty frame
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	hash := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(req.Context(), keys, req, hex.EncodeToString(hash[:]), "bedrock", region, time.Now())
}

// generate calls a model. Source: Amazon Bedrock API reference, "Converse" and
// "ConverseStream".
func (b *bedrockUpstream) generate(ctx context.Context, p prompt) (answer, error) {
	return p.send(ctx, optionalOf(p), func(optional optionalParams) (answer, error) {
		p := p
		p.stream = p.stream && (p.Tool == nil || optional.sends(toolStream))
		res, err := b.converse(ctx, p, optional)
		if err != nil {
			return answer{}, err
		}
		a, err := readAnswer(ctx, p, p.parameters("maxTokens"), res, readConverse)
		a.model = p.ModelID
		return a, err
	})
}

// converseBlock is a part of an answer, or a piece of one.
type converseBlock struct {
	Text             string          `json:"text"`
	ReasoningContent json.RawMessage `json:"reasoningContent"`
	ToolUse          *struct {
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"` // an object; in an event a piece of its text
	} `json:"toolUse"`
}

// readConverse is the [reader] of Converse and ConverseStream.
func readConverse(a *answer, data []byte, whole bool) (useful bool, err error) {
	var r struct {
		Output struct {
			Message *struct {
				Content []converseBlock `json:"content"`
			} `json:"message"`
		} `json:"output"`
		Start             converseBlock `json:"start"` // in an event
		Delta             converseBlock `json:"delta"`
		ContentBlockIndex int           `json:"contentBlockIndex"`
		StopReason        string        `json:"stopReason"`
		Usage             *struct {
			InputTokens  float64 `json:"inputTokens"`
			OutputTokens float64 `json:"outputTokens"`
		} `json:"usage"`
	}
	if json.Unmarshal(data, &r) != nil || whole && r.Output.Message == nil {
		return false, errNoAnswer
	}
	a.begun = true
	blocks := []converseBlock{r.Start, r.Delta}
	if whole {
		blocks = r.Output.Message.Content
	}
	for i, block := range blocks {
		a.reasoned = a.reasoned || block.ReasoningContent != nil
		a.emit(block.Text)
		if block.ToolUse == nil {
			continue
		}
		piece := toolPiece{index: r.ContentBlockIndex, name: block.ToolUse.Name}
		if whole {
			piece.index = i
		}
		piece.arguments, piece.whole = argumentsOf(block.ToolUse.Input)
		if err := a.addToolCall(piece); err != nil {
			return false, err
		}
	}
	if r.Usage != nil {
		a.usage = newUsage(r.Usage.InputTokens, r.Usage.OutputTokens)
	}
	if whole || r.StopReason != "" {
		a.finish(r.StopReason, "")
	}
	return r.Delta.Text != "" || r.Delta.ReasoningContent != nil || r.Delta.ToolUse != nil, nil
}
