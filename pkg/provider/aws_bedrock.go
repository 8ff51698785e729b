package provider

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"

	"modelproviders/pkg/secret"
)

var awsBedrock = register(spec[bedrockCredentials, bedrockConfig]{
	form: Form{
		Type:               "aws_bedrock",
		Label:              "AWS Bedrock",
		Description:        "Models of many makers on Amazon Bedrock, in your own AWS account.",
		DocsURL:            "https://console.aws.amazon.com/iam/home#/users",
		ModelIDLabel:       "Model or inference profile ID",
		ModelIDPlaceholder: "us.anthropic.claude-sonnet-4-20250514-v1:0",
	},

	endpointNames:    []string{"aws_bedrock", "aws_bedrock_control"},
	requestIDHeaders: []string{"X-Amzn-Requestid", "X-Amz-Request-Id"},
	unproven:         "Calling a model needs another permission. Test a model to check it.",
	open:             openBedrock,
})

type bedrockCredentials struct {
	AccessKeyID     secret.Text `json:"access_key_id" label:"AWS Access Key ID" kind:"secret" group:"access_key,Access key" validate:"required,max=4096,printascii" placeholder:"AKIA…" help:"The ID of a long-lived access key, which begins with AKIA. Its IAM user needs the permission bedrock:InvokeModel."`
	SecretAccessKey secret.Text `json:"secret_access_key" label:"AWS Secret Access Key" kind:"secret" group:"access_key,Access key" validate:"required,max=4096,printascii" placeholder:"wJalrXUtnFEMI/K7…" help:"The secret of the access key. AWS shows it only when the key is created."`
}

// The pattern keeps the region a part of a host name: anything else could make
// the request go to another host.
type bedrockConfig struct {
	Region string `json:"region" label:"Region" kind:"text" validate:"required,max=64" pattern:"^[a-z]{2}(-[a-z]+)+-[0-9]+$" message:"must be the name of an AWS region, such as us-east-1" placeholder:"us-east-1" suggestions:"us-east-1 us-east-2 us-west-2 ca-central-1 sa-east-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2" help:"The AWS region in which Amazon Bedrock is called. Regions offer different models."`
}

// bedrockUpstream talks to Amazon Bedrock: Converse for prompts, so that one
// form of request serves every model family, and the control plane for discovery.
// The SDK makes the calls of prompts. Its package for the control plane, which is
// four times the size, is not used: the lists are fetched with its signer alone.
type bedrockUpstream struct {
	service // of the control plane
	runtime *bedrockruntime.Client
	control string // the base URL of the control plane
	region  string
	public  bool // AWS's own endpoint is called
	// accessKeyPrefix tells what kind of a key it is.
	accessKeyPrefix string
}

func openBedrock(creds bedrockCredentials, config bedrockConfig, env environment) (upstream, error) {
	keys := aws.Credentials{AccessKeyID: creds.AccessKeyID.Reveal(), SecretAccessKey: creds.SecretAccessKey.Reveal()}
	endpoint := env.endpoints["aws_bedrock"]
	control, err := bedrockControl(config.Region)
	if err != nil {
		return nil, err
	}
	b := &bedrockUpstream{
		runtime: newBedrockRuntime(config.Region, endpoint, keys, env.http),
		control: cmp.Or(env.endpoints["aws_bedrock_control"], endpoint, control),
		region:  config.Region, public: endpoint == "",
		accessKeyPrefix: keys.AccessKeyID[:min(4, len(keys.AccessKeyID))],
	}
	b.service = service{authenticated(env.http, func(req *http.Request) error {
		noBody := sha256.Sum256(nil)
		return v4.NewSigner().SignHTTP(req.Context(), keys, req, hex.EncodeToString(noBody[:]), "bedrock", b.region, time.Now())
	})}
	return b, nil
}

// generate calls a model. Source: Amazon Bedrock API reference, "Converse" and
// "ConverseStream".
func (b *bedrockUpstream) generate(ctx context.Context, p prompt) (answer, error) {
	res, err := b.converse(ctx, p)
	if err != nil {
		return answer{}, err
	}
	a, err := readAnswer(ctx, p, p.parameters("maxTokens"), res, readConverse)
	a.model = p.ModelID
	return a, err
}

// converseBlock is a part of an answer, or a piece of one.
type converseBlock struct {
	Text             string          `json:"text"`
	ReasoningContent json.RawMessage `json:"reasoningContent"`
	ToolUse          json.RawMessage `json:"toolUse"`
}

// readConverse is the [reader] of Converse and ConverseStream.
func readConverse(a *answer, data []byte, whole bool) (useful bool, err error) {
	var r struct {
		Output struct {
			Message *struct {
				Content []converseBlock `json:"content"`
			} `json:"message"`
		} `json:"output"`
		Start      converseBlock `json:"start"` // in an event
		Delta      converseBlock `json:"delta"`
		StopReason string        `json:"stopReason"`
		Usage      *struct {
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
	for _, block := range blocks {
		a.reasoned = a.reasoned || block.ReasoningContent != nil
		a.calledTool = a.calledTool || block.ToolUse != nil
		a.emit(block.Text)
	}
	if r.Usage != nil {
		a.usage = newUsage(r.Usage.InputTokens, r.Usage.OutputTokens)
	}
	if whole || r.StopReason != "" {
		a.finish(r.StopReason, "")
	}
	return r.Delta.Text != "" || r.Delta.ReasoningContent != nil || r.Delta.ToolUse != nil, nil
}
