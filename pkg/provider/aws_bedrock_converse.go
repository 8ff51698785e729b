package provider

import (
	"cmp"
	"context"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// newBedrockRuntime makes a client that calls a region, or the operator's endpoint
// if there is one, with these keys and nothing from the environment.
func newBedrockRuntime(region, endpoint string, keys aws.Credentials, client *http.Client) *bedrockruntime.Client {
	options := bedrockruntime.Options{
		Region:      region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return keys, nil }),
		// The SDK closes the body of a request as soon as the header of the response
		// arrives. The transport may still look for the end of the body, and would
		// give up the connection.
		HTTPClient: smithyhttp.ClientDoFunc(func(req *http.Request) (*http.Response, error) {
			req.Body = io.NopCloser(req.Body)
			return client.Do(req)
		}),
		Retryer:                    aws.NopRetryer{},
		DisableClockSkewCorrection: true,
		APIOptions:                 []func(*middleware.Stack) error{withoutTraceID},
	}
	if endpoint != "" {
		options.BaseEndpoint = &endpoint
	}
	// New prefers AWS_BEARER_TOKEN_BEDROCK to the keys. Option functions run later.
	return bedrockruntime.New(options, func(o *bedrockruntime.Options) {
		o.AuthSchemePreference = []string{"sigv4"}
		o.BearerAuthTokenProvider = nil
	})
}

// withoutTraceID removes the trace id of AWS Lambda, which comes from the environment.
func withoutTraceID(stack *middleware.Stack) error {
	_, err := stack.Build.Remove("RecursionDetection")
	return err
}

// converse sends a prompt.
func (b *bedrockUpstream) converse(ctx context.Context, p prompt) (*http.Response, error) {
	messages := []types.Message{{
		Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: p.Text}},
	}}
	var system []types.SystemContentBlock
	if p.System != "" {
		system = []types.SystemContentBlock{&types.SystemContentBlockMemberText{Value: p.System}}
	}
	inference := &types.InferenceConfiguration{MaxTokens: aws.Int32(int32(cmp.Or(p.MaxOutputTokens, defaultOutputTokens)))}
	if p.Temperature != nil {
		inference.Temperature = aws.Float32(float32(*p.Temperature))
	}
	var (
		raw rawResponse
		err error
	)
	if p.stream {
		raw.result = &bedrockruntime.ConverseStreamOutput{}
		_, err = b.runtime.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference,
		}, bedrockruntime.WithAPIOptions(withoutEvents, raw.replace))
	} else {
		raw.result = &bedrockruntime.ConverseOutput{}
		_, err = b.runtime.Converse(ctx, &bedrockruntime.ConverseInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference,
		}, bedrockruntime.WithAPIOptions(raw.replace))
	}
	return raw.response, err
}

// withoutEvents removes the SDK's reader of event streams.
func withoutEvents(stack *middleware.Stack) error {
	_, err := stack.Deserialize.Remove("OperationEventStreamDeserializer")
	return err
}

// rawResponse keeps the response of an operation of the SDK, in place of the step
// that reads and closes it: it is read here, within bounds.
type rawResponse struct {
	result   any // what the operation returns
	response *http.Response
}

func (r *rawResponse) replace(stack *middleware.Stack) error {
	_, err := stack.Deserialize.Swap(r.ID(), r)
	return err
}

// ID is that of the step that is replaced.
func (r *rawResponse) ID() string { return "OperationDeserializer" }

// HandleDeserialize implements [middleware.DeserializeMiddleware].
func (r *rawResponse) HandleDeserialize(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	if res, ok := out.RawResponse.(*smithyhttp.Response); ok {
		r.response = res.Response
	}
	out.Result = r.result
	return out, metadata, err
}
