package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// awsConfig configures a client of the SDK for a region, with these keys and nothing from
// the environment.
func awsConfig(region string, keys aws.CredentialsProvider, client *http.Client) aws.Config {
	return aws.Config{
		Region:      region,
		Credentials: keys,
		// The SDK closes the body of a request as soon as the header of the response
		// arrives. The transport may still look for the end of the body, and would
		// give up the connection.
		HTTPClient: smithyhttp.ClientDoFunc(func(req *http.Request) (*http.Response, error) {
			req.Body = io.NopCloser(req.Body)
			return client.Do(req)
		}),
		Retryer:                    func() aws.Retryer { return aws.NopRetryer{} },
		DisableClockSkewCorrection: true,
		APIOptions:                 []func(*middleware.Stack) error{withoutTraceID},
	}
}

// newBedrockRuntime makes a client that calls AWS, or the operator's endpoint if there is
// one.
func newBedrockRuntime(config aws.Config, endpoint string) *bedrockruntime.Client {
	return bedrockruntime.NewFromConfig(config, func(o *bedrockruntime.Options) {
		// Without these, AWS_BEARER_TOKEN_BEDROCK is preferred to the keys. The SDK itself
		// sends a bearer token only over https, so the client sends that of an API key.
		o.AuthSchemePreference = []string{"sigv4", "noAuth"}
		o.BearerAuthTokenProvider = nil
		o.BaseEndpoint = optional(endpoint)
	})
}

// withoutTraceID removes the trace id of AWS Lambda, which comes from the environment.
func withoutTraceID(stack *middleware.Stack) error {
	_, err := stack.Build.Remove("RecursionDetection")
	return err
}

// converse sends a prompt.
func (b *bedrockUpstream) converse(ctx context.Context, p prompt, optional optionalParams) (*http.Response, error) {
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
	tools := converseTools(p, optional)
	output, err := converseOutput(p, optional)
	if err != nil {
		return nil, err
	}
	var raw rawResponse
	if p.stream {
		raw.result = &bedrockruntime.ConverseStreamOutput{}
		_, err = b.runtime.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference, ToolConfig: tools, OutputConfig: output,
		}, bedrockruntime.WithAPIOptions(withoutEvents, raw.replace))
	} else {
		raw.result = &bedrockruntime.ConverseOutput{}
		_, err = b.runtime.Converse(ctx, &bedrockruntime.ConverseInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference, ToolConfig: tools, OutputConfig: output,
		}, bedrockruntime.WithAPIOptions(raw.replace))
	}
	return raw.response, err
}

// converseTools returns the parameter for the tool of a prompt; nil if there is none.
func converseTools(p prompt, optional optionalParams) *types.ToolConfiguration {
	if p.Tool == nil {
		return nil
	}
	config := &types.ToolConfiguration{Tools: []types.Tool{&types.ToolMemberToolSpec{Value: types.ToolSpecification{
		Name: &p.Tool.Name, Description: &p.Tool.Description,
		InputSchema: &types.ToolInputSchemaMemberJson{Value: document.NewLazyDocument(p.Tool.Parameters)},
	}}}}
	if optional.sends(toolChoice) {
		config.ToolChoice = &types.ToolChoiceMemberTool{Value: types.SpecificToolChoice{Name: &p.Tool.Name}}
	}
	return config
}

// converseOutput returns the parameter for the schema of a prompt; nil if it is not sent.
func converseOutput(p prompt, optional optionalParams) (*types.OutputConfig, error) {
	if !optional.sends(responseFormat) {
		return nil, nil
	}
	schema, err := json.Marshal(p.Output.Schema)
	if err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return &types.OutputConfig{TextFormat: &types.OutputFormat{
		Type: types.OutputFormatTypeJsonSchema,
		Structure: &types.OutputFormatStructureMemberJsonSchema{Value: types.JsonSchemaDefinition{
			Name: &p.Output.Name, Schema: aws.String(string(schema)),
		}},
	}}, nil
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
