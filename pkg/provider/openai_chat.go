package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

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
	form := chatForm{limit: o.limit, optionalParams: optionalOf(p)}
	a, err := sendAdapted(ctx, form.adapt, func() (answer, error) { return o.complete(ctx, p, form) })
	if err == nil {
		if form.renamed {
			a.warnings = append(a.warnings, Warning{LimitRenamed, "The server refused the parameter " + o.limit + ", so the output limit was sent as " + form.limit + "."})
		}
		return a, nil
	}
	refusal, refused := o.explain(ctx, p.ModelID, err), lastCall(ctx)
	if !wantsResponses(refused) {
		return answer{}, refusal
	}
	form = chatForm{optionalParams: optionalOf(p)}
	a, err = sendAdapted(ctx, form.adapt, func() (answer, error) { return o.respond(ctx, p, form) })
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

// chatForm is what differs from server to server.
type chatForm struct {
	optionalParams
	limit   string // the name of the output limit
	renamed bool   // it is not the name that was tried first
}

// adapt changes the form if an answer says how, and reports whether it did. OpenAI's
// newer models refuse max_tokens, older servers know only max_tokens, and some don't
// know stream_options, or refuse the means for tools and schemas. The answer decides, not
// the name of the model.
func (f *chatForm) adapt(c *call) bool {
	if f.drop(c) {
		return true
	}
	other := map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[f.limit]
	if f.renamed || other == "" || !c.failed() || !c.problem().refuses(f.limit) {
		return false
	}
	f.limit, f.renamed = other, true
	return true
}

// refuses reports whether the problem is that a parameter is not known, rather
// than that its value is wrong.
func (p problem) refuses(param string) bool {
	if p.param != param && !p.says(param) {
		return false
	}
	if hasCode("unsupported_parameter|unknown_parameter|extra_forbidden", p) {
		return true
	}
	if p.param == param && !hasCode("*value*|*range*|*above*|*below*|*max*", p) && !strings.ContainsAny(p.message, "0123456789") {
		return true // in a language that is not known here
	}
	return p.says("unknown|unrecognized|unrecognised|not supported|does not support|unsupported|extra inputs|extra fields|not permitted|unexpected|additional properties|no such")
}

// complete makes one call of the Chat Completions API.
func (o *openAIChat) complete(ctx context.Context, p prompt, form chatForm) (answer, error) {
	sent, body := p.request(form.limit)
	if form.sends(streamOptions) {
		addParams(map[string]any{streamOptions: map[string]any{"include_usage": true}}, sent, body)
	}
	addParams(form.chatTools(p), sent, body)
	messages := []map[string]string{{"role": "user", "content": p.Text}}
	if p.System != "" {
		messages = slices.Insert(messages, 0, map[string]string{"role": "system", "content": p.System})
	}
	body["messages"] = messages
	base := o.base
	if o.version != "" {
		base += "/deployments/" + pathSegment(p.ModelID)
	}
	return o.prompt(ctx, p, base, sent, body, readChat, func(body json.RawMessage, opts []option.RequestOption) error {
		service := openai.NewChatCompletionService(opts...)
		_, err := service.New(ctx, param.Override[openai.ChatCompletionNewParams](body))
		return err
	})
}

// prompt sends a prompt with the SDK, to an API under a base URL, and reads the raw
// answer: servers differ from OpenAI in more than the SDK's types take. The SDK's
// services are used without its client, which reads the environment, and for one
// call: kept here, the linker would keep all of their methods.
func (o *openAIChat) prompt(ctx context.Context, p prompt, base string, sent, body map[string]any, read reader,
	send func(body json.RawMessage, opts []option.RequestOption) error,
) (answer, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return answer{}, fmt.Errorf("encode request: %w", err)
	}
	var res *http.Response
	opts := []option.RequestOption{
		option.WithHTTPClient(o.http), option.WithMaxRetries(0),
		option.WithBaseURL(base + "/"), option.WithResponseBodyInto(&res),
	}
	if o.version != "" {
		opts = append(opts, option.WithQuery("api-version", o.version))
	}
	if err := send(encoded, opts); err != nil {
		return answer{}, err
	}
	return readAnswer(ctx, p, sent, res, read)
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

// respond makes one call of the Responses API. It stores answers by default.
func (o *openAIChat) respond(ctx context.Context, p prompt, form chatForm) (answer, error) {
	sent, body := p.request("max_output_tokens")
	addParams(form.responsesTools(p), sent, body)
	sent["store"], body["store"] = false, false
	body["input"] = p.Text
	if p.System != "" {
		body["instructions"] = p.System
	}
	return o.prompt(ctx, p, o.base, sent, body, readResponse, func(body json.RawMessage, opts []option.RequestOption) error {
		service := responses.NewResponseService(opts...)
		_, err := service.New(ctx, param.Override[responses.ResponseNewParams](body))
		return err
	})
}
