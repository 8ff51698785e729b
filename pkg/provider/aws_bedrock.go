package provider

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/aws/smithy-go/transport/http/protocol/restjson1"

	"modelproviders/pkg/secret"
)

var awsBedrock = register(spec[bedrockCredentials, bedrockConfig]{
	name:        "aws_bedrock",
	label:       "AWS Bedrock",
	description: "Models of many makers on Amazon Bedrock, in your own AWS account.",
	docsURL:     "https://docs.aws.amazon.com/bedrock/latest/userguide/getting-started-api.html",
	icon:        "aws_bedrock",

	modelIDLabel:       "Model or inference profile ID",
	modelIDPlaceholder: "us.anthropic.claude-sonnet-4-20250514-v1:0",

	acceptsEndpoint:  true,
	secondEndpoint:   "aws_bedrock_control",
	requestIDHeaders: []string{"X-Amzn-Requestid", "X-Amz-Request-Id"},
	open:             openBedrock,
})

type bedrockCredentials struct {
	AccessKeyID     secret.Text `json:"access_key_id" label:"Access Key ID" kind:"secret" validate:"required,max=4096,printascii" help:"A long-lived key of an IAM user (it begins with AKIA) that may call bedrock:InvokeModel."`
	SecretAccessKey secret.Text `json:"secret_access_key" label:"Secret Access Key" kind:"secret" validate:"required,max=4096,printascii" help:"The secret that AWS showed once, when the access key was made."`
}

func (c bedrockCredentials) static() aws.Credentials {
	return aws.Credentials{
		AccessKeyID: c.AccessKeyID.Reveal(), SecretAccessKey: c.SecretAccessKey.Reveal(), Source: "provider settings",
	}
}

// The pattern keeps the region a part of a host name: anything else could make
// the request go to another host.
type bedrockConfig struct {
	Region string `json:"region" label:"Region" kind:"text" validate:"required,max=64" pattern:"^[a-z]{2}(-[a-z]+)+-[0-9]+$" placeholder:"us-east-1" help:"The AWS region whose Bedrock is called; models differ from region to region."`
}

// bedrockUpstream talks to Amazon Bedrock: Converse for prompts, so that one
// request form serves every model family, and the control plane for discovery.
type bedrockUpstream struct {
	runtime *bedrockruntime.Client
	http    *http.Client
	control string // the control plane's base URL
	creds   aws.CredentialsProvider
	region  string
	public  bool // AWS's own endpoint is called
	// temporary: the access key is one of a session, whose token is missing.
	temporary bool
	// apiKey: a Bedrock API key stands in the place of the access key.
	apiKey bool
}

func openBedrock(creds bedrockCredentials, config bedrockConfig, env environment) (upstream, error) {
	// One copy for all calls.
	keys := creds.static()
	static := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil })
	control, err := bedrockControl(config.Region)
	if err != nil {
		return nil, err
	}
	var endpoint *string
	if env.endpoint != "" {
		endpoint, control = &env.endpoint, env.endpoint
	}
	control = cmp.Or(env.secondEndpoint, control)

	// The SDK looks at AWS_BEARER_TOKEN_BEDROCK while it is built and prefers
	// it to any static key: only an option function runs late enough to undo it.
	runtime := bedrockruntime.New(bedrockruntime.Options{
		Region: config.Region, Credentials: static, HTTPClient: wholeBodies{env.http},
		Retryer: aws.NopRetryer{}, BaseEndpoint: endpoint, APIOptions: []func(*middleware.Stack) error{withoutLambdaTrace},
	}, func(o *bedrockruntime.Options) {
		o.AuthSchemePreference = []string{"sigv4"}
		o.BearerAuthTokenProvider = nil
	})
	return &bedrockUpstream{
		runtime: runtime, http: env.http, control: control, creds: static, region: config.Region, public: env.endpoint == "",
		temporary: strings.HasPrefix(keys.AccessKeyID, "ASIA"),
		apiKey:    strings.HasPrefix(keys.AccessKeyID, "ABSK"),
	}, nil
}

// wholeBodies sends bodies that stay open. The SDK closes a body as soon as the
// header of the answer is there; where that comes quickly, the transport may
// still be looking for the body's end, takes the closing for a failed request,
// and gives up the connection instead of using it again.
type wholeBodies struct{ *http.Client }

// Do implements the HTTPClient of the SDK.
func (w wholeBodies) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, fmt.Errorf("read request: %w", err)
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return w.Client.Do(req)
}

// withoutLambdaTrace takes out the step that copies the trace id of a Lambda
// host from the environment into the request.
func withoutLambdaTrace(stack *middleware.Stack) error {
	_, _ = stack.Build.Remove("RecursionDetection")
	return nil
}

func (b *bedrockUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	var (
		a   answer
		err error
	)
	inference, sent := bedrockInference(p)
	if emit == nil {
		a, err = b.converse(ctx, p, inference)
	} else {
		a, err = b.converseStream(ctx, p, inference, emit)
	}
	a.sent = sent
	if err != nil {
		return a, b.failure(ctx, err, p.ModelID)
	}
	return a, nil
}

func bedrockInference(p Prompt) (*types.InferenceConfiguration, map[string]any) {
	inference := &types.InferenceConfiguration{MaxTokens: aws.Int32(int32(p.outputTokens()))}
	sent := map[string]any{"maxTokens": p.outputTokens()}
	if p.Temperature != nil {
		inference.Temperature = aws.Float32(float32(*p.Temperature))
		sent["temperature"] = *p.Temperature
	}
	return inference, sent
}

func bedrockMessages(p Prompt) ([]types.Message, []types.SystemContentBlock) {
	messages := []types.Message{{
		Role:    types.ConversationRoleUser,
		Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: p.Text}},
	}}
	if p.System == "" {
		return messages, nil
	}
	return messages, []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: p.System}}
}

func (b *bedrockUpstream) converse(ctx context.Context, p Prompt, inference *types.InferenceConfiguration) (answer, error) {
	messages, system := bedrockMessages(p)
	out, err := b.runtime.Converse(ctx, &bedrockruntime.ConverseInput{
		ModelId: aws.String(p.ModelID), Messages: messages, System: system, InferenceConfig: inference,
	}, ownProtocol)
	if err != nil {
		return answer{}, err
	}
	// The SDK makes an empty answer of an empty body.
	message, ok := out.Output.(*types.ConverseOutputMemberMessage)
	if !ok {
		return answer{}, errNoAnswer
	}
	a := answer{model: p.ModelID, usage: bedrockUsage(out.Usage)}
	var before types.ContentBlock
	for _, block := range message.Value.Content {
		// The SDK puts the block before in the place of one that it does not know.
		if block != before {
			switch b := block.(type) {
			case *types.ContentBlockMemberText:
				a.text += b.Value
			case *types.ContentBlockMemberReasoningContent:
				a.reasoned = true
			case *types.ContentBlockMemberToolUse:
				a.calledTool = true
			}
		}
		before = block
	}
	bedrockStop(&a, out.StopReason)
	return a, nil
}

// converseStream passes text on as it comes. The stream has said everything
// only when messageStop arrived: the SDK takes a connection that closes before
// it, even in the middle of an event, for a regular end.
func (b *bedrockUpstream) converseStream(ctx context.Context, p Prompt, inference *types.InferenceConfiguration, emit func(string)) (answer, error) {
	messages, system := bedrockMessages(p)
	out, err := b.runtime.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
		ModelId: aws.String(p.ModelID), Messages: messages, System: system, InferenceConfig: inference,
	}, ownProtocol)
	if err != nil {
		return answer{}, err
	}
	stream := out.GetStream()
	defer func() { _ = stream.Close() }()
	var (
		a    = answer{model: p.ModelID}
		stop types.StopReason
	)
	ended := false
	for event := range stream.Events() {
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberContentBlockStart:
			_, tool := e.Value.Start.(*types.ContentBlockStartMemberToolUse)
			a.calledTool = a.calledTool || tool
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			switch delta := e.Value.Delta.(type) {
			case *types.ContentBlockDeltaMemberText:
				emit(delta.Value)
			case *types.ContentBlockDeltaMemberReasoningContent:
				a.reasoned = true
			}
		case *types.ConverseStreamOutputMemberMessageStop:
			ended, stop = true, e.Value.StopReason
		case *types.ConverseStreamOutputMemberMetadata:
			a.usage = bedrockUsage(e.Value.Usage)
		}
	}
	if err := stream.Err(); err != nil {
		if api, ok := errors.AsType[smithy.APIError](err); ok {
			return a, answerError{message: api.ErrorMessage(), code: api.ErrorCode()}
		}
		return a, err
	}
	if !ended {
		return a, errBrokeOff
	}
	bedrockStop(&a, stop)
	return a, nil
}

// ownProtocol gives one call its own codec: the client's keeps the state of the
// event stream it is reading, and two streams at a time would share it.
func ownProtocol(o *bedrockruntime.Options) { o.Protocol = restjson1.New(nil) }

func bedrockUsage(usage *types.TokenUsage) *Usage {
	if usage == nil {
		return nil
	}
	return &Usage{InputTokens: int(aws.ToInt32(usage.InputTokens)), OutputTokens: int(aws.ToInt32(usage.OutputTokens))}
}

// bedrockStop names the reason why the answer ended in the words that are
// common to all types.
func bedrockStop(a *answer, reason types.StopReason) {
	switch reason {
	case types.StopReasonEndTurn, types.StopReasonStopSequence:
		a.finishReason = finishStop
	case types.StopReasonMaxTokens, types.StopReasonModelContextWindowExceeded:
		a.finishReason = finishLength
	case types.StopReasonToolUse:
		a.finishReason = finishToolCalls
	case types.StopReasonContentFiltered, types.StopReasonGuardrailIntervened:
		a.finishReason = finishFiltered
		a.empty = &Failure{
			Kind:    ContentFiltered,
			Message: "Amazon Bedrock stopped the answer (" + string(reason) + ").",
			Code:    string(reason),
			Hint:    "A content filter or guardrail stopped the answer: try another prompt. Provider and model work.",
		}
	default:
		a.finishReason = string(reason)
	}
}
