package provider

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"modelproviders/pkg/secret"
)

var awsBedrock = register(spec[bedrockCredentials, bedrockConfig]{
	form: Form{
		Type:               "aws_bedrock",
		Label:              "AWS Bedrock",
		Description:        "Models of many makers on Amazon Bedrock, in your own AWS account.",
		DocsURL:            "https://docs.aws.amazon.com/bedrock/latest/userguide/getting-started-api.html",
		Icon:               "aws_bedrock",
		ModelIDLabel:       "Model or inference profile ID",
		ModelIDPlaceholder: "us.anthropic.claude-sonnet-4-20250514-v1:0",
	},

	endpointNames:    []string{"aws_bedrock", "aws_bedrock_control"},
	requestIDHeaders: []string{"X-Amzn-Requestid", "X-Amz-Request-Id"},
	errors:           []tables{bedrockTables},
	open:             openBedrock,
})

type bedrockCredentials struct {
	AccessKeyID     secret.Text `json:"access_key_id" label:"Access Key ID" kind:"secret" validate:"required,max=4096,printascii" help:"A long-lived key of an IAM user (it begins with AKIA) that may call bedrock:InvokeModel."`
	SecretAccessKey secret.Text `json:"secret_access_key" label:"Secret Access Key" kind:"secret" validate:"required,max=4096,printascii" help:"The secret that AWS showed once, when the access key was made."`
}

// The pattern keeps the region a part of a host name: anything else could make
// the request go to another host.
type bedrockConfig struct {
	Region string `json:"region" label:"Region" kind:"text" validate:"required,max=64" pattern:"^[a-z]{2}(-[a-z]+)+-[0-9]+$" says:"must be the name of an AWS region, such as us-east-1" placeholder:"us-east-1" help:"The AWS region whose Bedrock is called; models differ from region to region."`
}

// bedrockUpstream talks to Amazon Bedrock: Converse for prompts, so that one
// form of request serves every model family, and the control plane for
// discovery. The SDK is used for its signatures alone: its client reads the
// environment.
type bedrockUpstream struct {
	service
	runtime string // base URLs
	control string
	region  string
	public  bool // AWS's own endpoint is called
	// accessKeyPrefix tells what kind of a key it is.
	accessKeyPrefix string
}

func openBedrock(creds bedrockCredentials, config bedrockConfig, env environment) (upstream, error) {
	keys := aws.Credentials{AccessKeyID: creds.AccessKeyID.Reveal(), SecretAccessKey: creds.SecretAccessKey.Reveal()}
	endpoint := env.endpoints["aws_bedrock"]
	b := &bedrockUpstream{
		runtime: cmp.Or(endpoint, bedrockURL("bedrock-runtime", config.Region)),
		control: cmp.Or(env.endpoints["aws_bedrock_control"], endpoint, bedrockURL("bedrock", config.Region)),
		region:  config.Region, public: endpoint == "",
		accessKeyPrefix: keys.AccessKeyID[:min(4, len(keys.AccessKeyID))],
	}
	b.service = service{http: env.http, sign: func(req *http.Request, body []byte) error {
		sum := sha256.Sum256(body)
		return v4.NewSigner().SignHTTP(req.Context(), keys, req, hex.EncodeToString(sum[:]), "bedrock", b.region, time.Now())
	}}
	return b, nil
}

// bedrockURL is the base URL of a service in a region. The prefix of the region
// tells the partition, and so the domain.
// Source: the partitions of the AWS SDKs (partitions.json).
func bedrockURL(service, region string) string {
	domain := "amazonaws.com"
	for prefix, other := range map[string]string{
		"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu", "us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov",
		"eu-isoe-": "cloud.adc-e.uk", "us-isof-": "csp.hci.ic.gov",
	} {
		if strings.HasPrefix(region, prefix) {
			domain = other
		}
	}
	return "https://" + service + "." + region + "." + domain
}

// generate calls a model. Source: Amazon Bedrock API reference, "Converse" and
// "ConverseStream".
func (b *bedrockUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	type block = map[string]string
	sent := p.parameters("maxTokens")
	body := map[string]any{
		"messages":        []any{map[string]any{"role": "user", "content": []block{{"text": p.Text}}}},
		"inferenceConfig": sent,
	}
	if p.System != "" {
		body["system"] = []block{{"text": p.System}}
	}
	method := "/converse"
	if emit != nil {
		method = "/converse-stream"
	}
	a, err := b.prompt(ctx, b.runtime+"/model/"+pathSegment(p.ModelID)+method, sent, body, emit, &converseReading{})
	a.model = p.ModelID
	return a, err
}

// converseReading reads an answer of Converse, or the events of ConverseStream.
type converseReading struct {
	answer answer
	whole  bool
}

// converseBlock is a part of an answer, or a piece of one.
type converseBlock struct {
	Text             string          `json:"text"`
	ReasoningContent json.RawMessage `json:"reasoningContent"`
	ToolUse          json.RawMessage `json:"toolUse"`
}

func (c *converseReading) read(data []byte, whole bool, emit func(string)) (useful bool, err error) {
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
	blocks := []converseBlock{r.Start, r.Delta}
	if whole {
		blocks, c.whole = r.Output.Message.Content, true
	}
	for _, block := range blocks {
		c.answer.reasoned = c.answer.reasoned || block.ReasoningContent != nil
		c.answer.calledTool = c.answer.calledTool || block.ToolUse != nil
		emit(block.Text)
	}
	if r.Usage != nil {
		c.answer.usage = newUsage(r.Usage.InputTokens, r.Usage.OutputTokens)
	}
	if r.StopReason != "" {
		c.answer.finish(r.StopReason, "")
	}
	return r.Delta.Text != "" || r.Delta.ReasoningContent != nil || r.Delta.ToolUse != nil, nil
}

// end is the answer: a stream is complete once there is a reason why it ended.
func (c *converseReading) end(bool) (answer, error) {
	if !c.whole && c.answer.finishReason == "" {
		return answer{}, errBrokeOff
	}
	return c.answer, nil
}
