package provider

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"modelproviders/pkg/secret"
)

// openAIChat is the [upstream] of a server that has OpenAI's Chat Completions API. If
// an answer refers to the Responses API, it uses that instead.
type openAIChat struct {
	service
	explainer
	base string // the URL of the API
	// version is a dated version of Azure's API, in which the URL of a chat names
	// the deployment; empty: none.
	version string
	// limit is the name of the output limit that is tried first.
	limit string
	// usable reports whether a model of the list can be used; nil: all can.
	usable func(listedModel) bool
}

func newOpenAIChat(client *http.Client, base string, explainer explainer) *openAIChat {
	return &openAIChat{service: service{client}, explainer: explainer, base: base, limit: "max_completion_tokens"}
}

// withBearer is a client that authenticates with an API key.
func withBearer(client *http.Client, key secret.Text) *http.Client {
	return withHeader(client, "Authorization", "Bearer "+key.Reveal())
}

// generate sends the prompt, and sends it in another form if the server asks for
// that. The result describes the request that was answered. The error is a
// *Failure.
func (o *openAIChat) generate(ctx context.Context, p prompt) (answer, error) {
	a, err := p.send(ctx, append(optionalOf(p), o.limit), func(optional optionalParams) (answer, error) {
		return o.complete(ctx, p, optional)
	})
	if err == nil {
		return a, nil
	}
	refusal, refused := o.explain(ctx, p.ModelID, err), lastCall(ctx)
	if !wantsResponses(refused) {
		return answer{}, refusal
	}
	a, err = p.send(ctx, optionalOf(p), func(optional optionalParams) (answer, error) {
		return o.respond(ctx, p, optional)
	})
	if err == nil {
		a.warnings = append(a.warnings, Warning{ResponsesAPI, "The model does not support chat completions, so the Responses API was used."})
		return a, nil
	}
	again := o.explain(ctx, p.ModelID, err)
	if again.scope == noAPI || again.Code == operationNotSupported { // there is no Responses API here, or not for this model
		report(ctx, refused)
		return answer{}, refusal
	}
	return answer{}, again
}

// otherLimit is the output limit's name in servers that refuse the first one. OpenAI's
// newer models refuse max_tokens, and older servers know only that. The answer decides,
// not the name of the model.
var otherLimit = map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}

// complete makes one call of the Chat Completions API.
func (o *openAIChat) complete(ctx context.Context, p prompt, optional optionalParams) (answer, error) {
	limit := o.limit
	if !optional.sends(limit) {
		limit = otherLimit[limit]
	}
	sent, body := p.request(limit)
	if optional.sends(streamOptions) {
		addParams(map[string]any{streamOptions: map[string]any{"include_usage": true}}, sent, body)
	}
	addParams(openAITools(p, optional, true), sent, body)
	messages := []map[string]string{{"role": "user", "content": p.Text}}
	if p.System != "" {
		messages = slices.Insert(messages, 0, map[string]string{"role": "system", "content": p.System})
	}
	body["messages"] = messages
	path := "chat/completions"
	if o.version != "" {
		path = "deployments/" + pathSegment(p.ModelID) + "/" + path
	}
	a, err := o.prompt(ctx, p, path, sent, body, readChat)
	if limit != o.limit {
		a.warnings = append(a.warnings, Warning{LimitRenamed, "The server refused the parameter " + o.limit + ", so the output limit was sent as " + limit + "."})
	}
	return a, err
}

// respond makes one call of the Responses API. It stores answers by default.
func (o *openAIChat) respond(ctx context.Context, p prompt, optional optionalParams) (answer, error) {
	sent, body := p.request("max_output_tokens")
	addParams(openAITools(p, optional, false), sent, body)
	sent["store"], body["store"] = false, false
	body["input"] = p.Text
	if p.System != "" {
		body["instructions"] = p.System
	}
	return o.prompt(ctx, p, "responses", sent, body, readResponse)
}

// prompt sends a prompt with the SDK, and reads the raw answer: servers differ from OpenAI
// in more than the SDK's types take. [openai.NewClient] would read the environment.
func (o *openAIChat) prompt(ctx context.Context, p prompt, path string, sent, body map[string]any, read reader) (answer, error) {
	client := openai.Client{Options: []option.RequestOption{
		option.WithHTTPClient(o.http), option.WithMaxRetries(0), option.WithBaseURL(o.base + "/"),
	}}
	var res *http.Response
	if err := client.Post(ctx, o.versioned(path), body, &res); err != nil {
		return answer{}, err
	}
	return readAnswer(ctx, p, sent, res, read)
}

// versioned adds the version of Azure's API to a path, if it has one.
func (o *openAIChat) versioned(path string) string {
	if o.version == "" {
		return path
	}
	return path + "?api-version=" + url.QueryEscape(o.version)
}

// operationNotSupported is Azure's code for a model that is served by another
// API.
const operationNotSupported = "OperationNotSupported"

// wantsResponses reports whether the answer says that only the Responses API serves
// the model: "This model is only supported in v1/responses and not in
// v1/chat/completions."
func wantsResponses(c *call) bool {
	if c == nil || (c.status != http.StatusNotFound && c.status != http.StatusBadRequest) {
		return false
	}
	said := c.problem()
	return hasCode("operationnotsupported|unsupported_api_for_model", said) || said.says("v1/responses|responses api|/responses endpoint")
}
