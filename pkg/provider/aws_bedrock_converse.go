package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/document"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
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
	}
}

// newBedrockRuntime makes a client that calls AWS, or the operator's endpoint if there is
// one. The HTTP client authenticates the requests.
func newBedrockRuntime(region string, client *http.Client, endpoint string) *bedrockruntime.Client {
	return bedrockruntime.NewFromConfig(awsConfig(region, aws.AnonymousCredentials{}, client), func(o *bedrockruntime.Options) {
		o.AuthSchemePreference = []string{"noAuth"} // before AWS_BEARER_TOKEN_BEDROCK
		o.BaseEndpoint = optional(endpoint)
	})
}

// converse sends a prompt. The SDK's reader of responses has no bounds, so it gets none: the
// response is read like those of all types.
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
	var res *http.Response
	var failed error
	keep := func(o *bedrockruntime.Options) {
		send := o.HTTPClient.Do
		o.HTTPClient = smithyhttp.ClientDoFunc(func(req *http.Request) (*http.Response, error) {
			res, failed = send(req)
			return nil, cmp.Or(failed, errKept)
		})
	}
	if p.stream {
		_, err = b.runtime.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference, ToolConfig: tools, OutputConfig: output,
		}, keep)
	} else {
		_, err = b.runtime.Converse(ctx, &bedrockruntime.ConverseInput{
			ModelId: &p.ModelID, Messages: messages, System: system, InferenceConfig: inference, ToolConfig: tools, OutputConfig: output,
		}, keep)
	}
	if res != nil {
		return res, nil
	}
	return nil, cmp.Or(failed, err)
}

// errKept makes the SDK return.
var errKept = errors.New("the response is read by the caller")

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
