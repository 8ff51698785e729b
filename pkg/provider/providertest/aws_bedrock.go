package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

const (
	bedrockRegion = "us-east-1"
	bedrockModel  = "us.anthropic.claude-sonnet-4-20250514-v1:0"
)

func bedrockKey() awsKey {
	return awsKey{id: "AKIAFAKEBEDROCKKEY01", secret: "Fake/Bedrock+Secret/0123456789abcdef/xyz"}
}

func bedrockTemporaryKey() awsKey {
	return awsKey{
		id: "ASIAFAKEBEDROCKKEY02", secret: "Fake/Temporary+Secret/0123456789abcdef/x",
		token: "IQoJb3JpZ2luX2VjFake/Session+Token/0123456789abcdef0123456789abcdef==",
	}
}

// bedrockAPIKey is a long-term Bedrock API key.
const bedrockAPIKey = "ABSKQmVkcm9ja0FQSUtleS1mYWtlLWF0LTEyMzQ1Njc4OTAxMjpGYWtlS2V5MDEyMzQ1Njc4OQ=="

var _ = register(AWSBedrock, AWSBedrockSession, AWSBedrockRole, AWSBedrockAPIKey)

// AWSBedrock is a fake of bedrock-runtime and bedrock, which an operator's
// endpoint puts at one address. It verifies signatures.
// Source of its errors: Amazon Bedrock user guide, "Troubleshooting Amazon
// Bedrock API Error Codes", and answers of the service.
func AWSBedrock() Fake {
	return bedrockFake(bedrockKey())
}

// AWSBedrockSession is AWSBedrock with a temporary access key.
func AWSBedrockSession() Fake {
	fake := bedrockFake(bedrockTemporaryKey())
	fake.Variant = "session token"
	return fake
}

// AWSBedrockRole is AWSBedrock with a role, which [STS] issues the keys of.
func AWSBedrockRole() Fake { return NewSTS().Bedrock() }

// AWSBedrockAPIKey is AWSBedrock with a Bedrock API key.
func AWSBedrockAPIKey() Fake {
	fake := bedrockFake(bedrockKey())
	fake.Variant = "API key"
	fake.Settings = func(string) (credentials, config map[string]any) {
		return map[string]any{"api_key": bedrockAPIKey}, map[string]any{"region": bedrockRegion}
	}
	fake.Authentic = func(r *Request) bool { return bearer(r) == bedrockAPIKey }
	return fake
}

func bedrockFake(key awsKey) Fake {
	return Fake{
		Type:    "aws_bedrock",
		ModelID: bedrockModel,
		Settings: func(string) (credentials, config map[string]any) {
			return key.credentials(), map[string]any{"region": bedrockRegion}
		},
		Endpoints: func(url string) string { return "aws_bedrock=" + url },
		Check:     checkBedrock,
		Authentic: func(r *Request) bool { return checkSigV4(r, key, bedrockRegion, "bedrock", time.Now()) == nil },
		Tool:      converseTool,
		Answer:    answerBedrock,
	}
}

// credentials are the key as settings of a provider.
func (k awsKey) credentials() map[string]any {
	credentials := map[string]any{"access_key_id": k.id, "secret_access_key": k.secret}
	if k.token != "" {
		credentials["session_token"] = k.token
	}
	return credentials
}

// converseRequest is the body of Converse and ConverseStream.
type converseRequest struct {
	Messages []struct {
		Role    string          `json:"role"`
		Content []converseBlock `json:"content"`
	} `json:"messages"`
	System          []converseBlock `json:"system"`
	InferenceConfig struct {
		MaxTokens   int      `json:"maxTokens"`
		Temperature *float64 `json:"temperature"`
	} `json:"inferenceConfig"`
	ToolConfig struct {
		Tools      json.RawMessage `json:"tools"`
		ToolChoice json.RawMessage `json:"toolChoice"`
	} `json:"toolConfig"`
	OutputConfig json.RawMessage `json:"outputConfig"`
}

type converseBlock struct {
	Text string `json:"text"`
}

func checkBedrock(r *Request) error {
	if got := r.Header.Get("X-Amzn-Trace-Id"); got != "" {
		return fmt.Errorf("header X-Amzn-Trace-Id: %s", got)
	}
	if hasAPIKey(r) && r.Header.Get("X-Amz-Date") != "" {
		return fmt.Errorf("a request with an API key is signed")
	}
	if r.Method == http.MethodGet {
		return checkBedrockList(r)
	}
	model, ok := conversedModel(r.Path)
	if !ok || model == "" || r.Query != "" {
		return fmt.Errorf("path %s, query %q", r.Path, r.Query)
	}
	var c converseRequest
	if err := decodeStrictly(r.Body, &c); err != nil {
		return err
	}
	switch {
	case len(c.Messages) != 1 || c.Messages[0].Role != "user" || len(c.Messages[0].Content) != 1 || c.Messages[0].Content[0].Text == "":
		return fmt.Errorf("messages are %+v", c.Messages)
	case c.System != nil && (len(c.System) != 1 || c.System[0].Text == ""):
		return fmt.Errorf("system is %+v", c.System)
	case c.InferenceConfig.MaxTokens < 1:
		return fmt.Errorf("maxTokens is %d", c.InferenceConfig.MaxTokens)
	}
	if err := c.checkTools(); err != nil {
		return err
	}
	return checkJSONHeaders(r)
}

// hasAPIKey reports whether the request comes with an API key instead of a signature.
func hasAPIKey(r *Request) bool { return strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") }

// conversedModel is the model of the path /model/{id}/converse or
// /model/{id}/converse-stream, in which the id is one segment.
func conversedModel(path string) (string, bool) {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(segments) != 3 || segments[0] != "model" || (segments[2] != "converse" && segments[2] != "converse-stream") {
		return "", false
	}
	model, err := url.PathUnescape(segments[1])
	return model, err == nil
}

func checkBedrockList(r *Request) error {
	query, err := url.ParseQuery(r.Query)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	known := map[string]string{
		"/foundation-models":  "byOutputModality byInferenceType byProvider byCustomizationType",
		"/inference-profiles": "maxResults nextToken type",
	}[r.Path]
	if known == "" {
		return fmt.Errorf("path %s", r.Path)
	}
	for name := range query {
		if !strings.Contains(" "+known+" ", " "+name+" ") {
			return fmt.Errorf("query parameter %s of %s", name, r.Path)
		}
	}
	return nil
}

func bedrockHeaders() http.Header { return Headers("X-Amzn-Requestid", RequestID) }

func answerBedrock(r *Request, mode Mode) (Answer, bool) {
	if r.Method == http.MethodGet && (mode == Success || mode == EmptyAnswer) {
		return bedrockList(r), true
	}
	if model, _ := conversedModel(r.Path); mode == Success && model != bedrockModel {
		mode = ModelNotFound
	}
	switch mode {
	case Success:
		return ConverseAnswer(r, "end_turn"), true
	case EmptyAnswer:
		r.Text = ""
		return ConverseAnswer(r, "max_tokens"), true
	case Refused:
		r.Text = ""
		return ConverseAnswer(r, "guardrail_intervened"), true
	case NoTools, NoToolChoice, NoSchema:
		c := parseConverse(r)
		if mode.refuses(c.ToolConfig.Tools, c.ToolConfig.ToolChoice, c.OutputConfig) {
			return BedrockError(400, "ValidationException", converseRefusals[mode]), true
		}
		return ConverseAnswer(r, "end_turn"), true
	case BrokenUTF8: // within a message whose checksum is right
		success := ConverseAnswer(r, "end_turn")
		if success.Pieces == nil {
			return breakText(success), true
		}
		payload := breakText(Answer{Body: encode(map[string]any{"contentBlockIndex": 0, "delta": map[string]any{"text": "wörld"}})}).Body
		success.Pieces = slices.Insert(success.Pieces, 1, rawFrame("event", "contentBlockDelta", payload))
		return success, true
	case ErrorInSuccess:
		return jsonAnswer(http.StatusOK, bedrockHeaders(), map[string]any{
			"Output": map[string]any{"__type": "com.amazon.coral.service#InternalFailure"}, "Version": "1.0",
		}), true
	case ErrorInStream:
		success := ConverseAnswer(r, "end_turn")
		if success.Pieces == nil {
			return Answer{}, false
		}
		success.Pieces = append(success.Pieces[:min(5, len(success.Pieces))],
			frame("exception", "modelStreamErrorException", map[string]any{"message": "The model had an error while it answered.", "originalStatusCode": 500}))
		return success, true
	}
	return bedrockDocumented(r, mode)
}

// bedrockDocumented are the exceptions that the service documents.
func bedrockDocumented(r *Request, mode Mode) (Answer, bool) {
	switch mode {
	case Authentication:
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+bedrockKey().id+"/") {
			return BedrockError(403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."), true
		}
		if hasAPIKey(r) {
			return BedrockError(403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."), true
		}
		return BedrockError(403, "UnrecognizedClientException", "The security token included in the request is invalid."), true
	case Permission:
		return BedrockError(403, "AccessDeniedException", "You don't have access to the model with the specified model ID."), true
	case AccountPermission:
		return BedrockError(403, "AccessDeniedException", "Your account is not authorized to invoke this API operation."), true
	case QuotaExceeded:
		return BedrockError(400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account."), true
	case RateLimited:
		return BedrockError(429, "ThrottlingException", "Too many tokens, please wait before trying again."), true
	case ModelNotFound:
		return BedrockError(400, "ValidationException", "The provided model identifier is invalid."), true
	case InvalidRequest:
		return BedrockError(400, "ValidationException", "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192."), true
	case ContentFiltered:
		return BedrockError(400, "ValidationException", "Output blocked by content filtering policy"), true
	case Overloaded:
		return BedrockError(503, "ServiceUnavailableException", "Bedrock is unable to process your request."), true
	}
	return Answer{}, false
}

// BedrockError is an exception as AWS answers with one.
func BedrockError(status int, code, message string) Answer {
	header := bedrockHeaders()
	header.Set("X-Amzn-Errortype", code+":http://internal.amazon.com/coral/com.amazon.bedrock/")
	return jsonAnswer(status, header, map[string]any{"message": message})
}

// ConverseAnswer is the answer of a model to Converse, or to ConverseStream:
// r.Text or r.Calls.
func ConverseAnswer(r *Request, stop string) Answer {
	if stop == "end_turn" {
		stop = r.stop(stop, "tool_use", "max_tokens")
	}
	usage := map[string]any{"inputTokens": 9, "outputTokens": 7, "totalTokens": 16}
	metrics := map[string]any{"latencyMs": 551}
	if !strings.HasSuffix(r.Path, "/converse-stream") && r.Path != "" {
		return jsonAnswer(http.StatusOK, bedrockHeaders(), map[string]any{
			"metrics": metrics, "stopReason": stop, "usage": usage,
			"output": map[string]any{"message": map[string]any{"role": "assistant", "content": converseContent(r)}},
		})
	}
	pieces := [][]byte{frame("event", "messageStart", map[string]any{"role": "assistant", "p": "abcd"})}
	pieces = append(pieces, converseFrames(r)...)
	pieces = append(pieces,
		frame("event", "messageStop", map[string]any{"stopReason": stop}),
		frame("event", "metadata", map[string]any{"metrics": metrics, "usage": usage}))
	header := bedrockHeaders()
	header.Set("Content-Type", "application/vnd.amazon.eventstream")
	return Answer{Status: http.StatusOK, Header: header, Pieces: pieces}
}

// frame is one message of an event stream: an `event` or an `exception`.
func frame(kind, name string, payload any) []byte { return rawFrame(kind, name, encode(payload)) }

func rawFrame(kind, name string, payload []byte) []byte {
	message := eventstream.Message{Payload: payload}
	message.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	message.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	message.Headers.Set(":message-type", eventstream.StringValue(kind))
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, message); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func bedrockList(r *Request) Answer {
	if r.Path == "/inference-profiles" {
		return jsonAnswer(http.StatusOK, bedrockHeaders(), map[string]any{"inferenceProfileSummaries": []any{
			map[string]any{
				"inferenceProfileId": bedrockModel, "inferenceProfileName": "US Claude Sonnet 4", "status": "ACTIVE", "type": "SYSTEM_DEFINED",
				"inferenceProfileArn": "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + bedrockModel, "models": []any{},
			},
			map[string]any{
				"inferenceProfileId": "abc123", "inferenceProfileName": "Team budget", "status": "ACTIVE", "type": "APPLICATION",
				"inferenceProfileArn": "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", "models": []any{},
			},
		}})
	}
	model := func(id, name, maker string, inference ...string) any {
		return map[string]any{
			"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/" + id, "modelId": id, "modelName": name, "providerName": maker,
			"inferenceTypesSupported": inference, "inputModalities": []string{"TEXT"}, "outputModalities": []string{"TEXT"},
			"responseStreamingSupported": true, "modelLifecycle": map[string]any{"status": "ACTIVE"},
		}
	}
	return jsonAnswer(http.StatusOK, bedrockHeaders(), map[string]any{"modelSummaries": []any{
		model("anthropic.claude-sonnet-4-20250514-v1:0", "Claude Sonnet 4", "Anthropic", "INFERENCE_PROFILE"),
		model("amazon.nova-lite-v1:0", "Nova Lite", "Amazon", "ON_DEMAND", "INFERENCE_PROFILE"),
		model("meta.llama3-70b-instruct-v1:0", "Llama 3 70B Instruct", "Meta", "ON_DEMAND"),
		model("amazon.titan-text-express-v1:0:8k", "Titan Text Express", "Amazon", "PROVISIONED"),
	}})
}
