package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	"modelproviders/pkg/secret"
)

// openAIChat talks to a server that has OpenAI's Chat Completions API and, where
// that refers to the Responses API, to that.
type openAIChat struct {
	service
	explainer
	// limit is the name of the output limit that is tried first.
	limit string
}

// newOpenAIChat makes the client of a server that takes the key as a bearer
// token.
func newOpenAIChat(client *http.Client, key secret.Text, explainer explainer) *openAIChat {
	return &openAIChat{
		service:   service{http: client, sign: withHeader("Authorization", "Bearer "+key.Reveal())},
		explainer: explainer, limit: "max_completion_tokens",
	}
}

// openAIPlaces are the URLs of OpenAI's APIs.
type openAIPlaces struct{ chat, responses, list string }

// placesAt are the URLs under a base URL.
func placesAt(base string) openAIPlaces {
	return openAIPlaces{chat: base + "/chat/completions", responses: base + "/responses", list: base + "/models"}
}

// generateAt sends the prompt, and sends it in another form if the server asks for
// that. The result tells of the request that was answered. The error is a *Failure.
func (o *openAIChat) generateAt(ctx context.Context, at openAIPlaces, p Prompt, emit func(string)) (answer, error) {
	form := chatForm{limit: o.limit, usage: emit != nil}
	a, err := o.complete(ctx, at.chat, p, form, emit)
	for err != nil {
		next, changed := form.asked(lastCall(ctx))
		if !changed {
			break
		}
		form = next
		a, err = o.complete(ctx, at.chat, p, form, emit)
	}
	if err == nil {
		if form.renamed {
			a.warnings = append(a.warnings, Warning{LimitRenamed, "The server refused " + o.limit + "; the output limit was sent as " + form.limit + "."})
		}
		return a, nil
	}
	refusal, refused := o.explain(ctx, p.ModelID, err), lastCall(ctx)
	if !wantsResponses(refused) {
		return answer{}, refusal
	}
	a, err = o.respond(ctx, at.responses, p, emit)
	if err == nil {
		a.warnings = append(a.warnings, Warning{ResponsesAPI, "The model does not answer chat completions; the Responses API answered."})
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
	limit   string // the name of the output limit
	renamed bool   // it is not the name that was tried first
	usage   bool   // ask a stream to count tokens
}

// asked is the form that an answer asks for, if it does. OpenAI's newer models
// refuse max_tokens, older servers know only that; some know no stream_options. The
// answer tells, not the model's name.
func (f chatForm) asked(c *call) (chatForm, bool) {
	if c == nil || c.status < http.StatusBadRequest {
		return f, false
	}
	switch said := c.problem(); {
	case f.usage && said.refuses("stream_options"):
		f.usage = false
	case !f.renamed && said.refuses(f.limit):
		f.renamed = true
		f.limit = map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[f.limit]
	default:
		return f, false
	}
	return f, true
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
func (o *openAIChat) complete(ctx context.Context, address string, p Prompt, form chatForm, emit func(string)) (answer, error) {
	sent, body := p.request(form.limit, emit != nil)
	if form.usage {
		options := map[string]any{"include_usage": true}
		sent["stream_options"], body["stream_options"] = options, options
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	messages := []message{{"user", p.Text}}
	if p.System != "" {
		messages = []message{{"system", p.System}, {"user", p.Text}}
	}
	body["messages"] = messages
	return o.prompt(ctx, address, "chat/completions", sent, body, emit, &chatReading{}, func(body json.RawMessage, opts []option.RequestOption) error {
		service := openai.NewChatCompletionService(opts...)
		_, err := service.New(ctx, param.Override[openai.ChatCompletionNewParams](body))
		return err
	})
}

// prompt sends a prompt with the SDK, to the path of an API, and reads the raw
// answer: servers differ from OpenAI in more than the SDK's types take. The SDK's
// services are used without its client, which reads the environment, and for one
// call: kept here, the linker would keep all of their methods.
func (o *openAIChat) prompt(ctx context.Context, address, path string, sent, body map[string]any, emit func(string), r reading,
	send func(body json.RawMessage, opts []option.RequestOption) error,
) (answer, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return answer{}, fmt.Errorf("encode request: %w", err)
	}
	base, query, _ := strings.Cut(address, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	var res *http.Response
	opts := []option.RequestOption{
		option.WithHTTPClient(o.http), option.WithMaxRetries(0), option.WithMiddleware(o.authenticate),
		option.WithBaseURL(strings.TrimSuffix(base, path)), option.WithResponseBodyInto(&res),
	}
	for name := range values {
		opts = append(opts, option.WithQuery(name, values.Get(name)))
	}
	if err := send(encoded, opts); err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		return answer{}, fmt.Errorf("unexpected status %d", res.StatusCode)
	}
	a, err := readAnswer(ctx, res, emit, r)
	a.sent = sent
	return a, err
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
func (o *openAIChat) respond(ctx context.Context, address string, p Prompt, emit func(string)) (answer, error) {
	sent, body := p.request("max_output_tokens", emit != nil)
	sent["store"], body["store"] = false, false
	body["input"] = p.Text
	if p.System != "" {
		body["instructions"] = p.System
	}
	return o.prompt(ctx, address, "responses", sent, body, emit, &responsesReading{}, func(body json.RawMessage, opts []option.RequestOption) error {
		service := responses.NewResponseService(opts...)
		_, err := service.New(ctx, param.Override[responses.ResponseNewParams](body))
		return err
	})
}
