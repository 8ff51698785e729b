package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"

	"modelproviders/pkg/secret"
)

// openAIChat talks to a server that speaks OpenAI's Chat Completions API, and
// where that refers to the Responses API, to that. Its options bring the base
// URL (with a trailing slash: the paths below are relative to it) and the
// authentication, here or with each call.
type openAIChat struct {
	// options make a service of the SDK for each call, which costs a microsecond.
	// A service kept here would make the linker keep all of its methods.
	options []option.RequestOption
	// responsesAt are options that lead to the Responses API, where that is not
	// beside the Chat Completions API.
	responsesAt []option.RequestOption
	// limit is the name of the output limit that is tried first.
	limit string
	// tables explain the errors of the service.
	tables tables
}

// newOpenAIChat uses the services of the SDK rather than its client, which
// would look for a key, a base URL and more in the environment.
func newOpenAIChat(client *http.Client, tables tables, opts ...option.RequestOption) *openAIChat {
	opts = append([]option.RequestOption{option.WithHTTPClient(client), option.WithMaxRetries(0)}, opts...)
	return &openAIChat{
		options: opts,
		limit:   "max_completion_tokens",
		tables:  tables,
	}
}

// withBearer authenticates by a key, of which it makes one copy, which is not
// wiped. The SDK's own option makes one for each call.
func withBearer(key secret.Text) option.RequestOption {
	return option.WithHeader("Authorization", "Bearer "+key.Reveal())
}

// generate sends the prompt, in another form where the server asks for it: each
// form is tried at most once, and only the request that was answered counts.
func (o *openAIChat) generate(ctx context.Context, p Prompt, emit func(string), opts ...option.RequestOption) (answer, error) {
	form := chatForm{limit: o.limit, usage: emit != nil}
	a, err := o.complete(ctx, p, form, emit, opts)
	for err != nil {
		next, changed := form.asked(lastCall(ctx))
		if !changed {
			break
		}
		form = next
		a, err = o.complete(ctx, p, form, emit, opts)
	}
	if err == nil {
		if form.limit != o.limit {
			a.warnings = append(a.warnings, Warning{LimitRenamed, "The server refused " + o.limit + "; the output limit was sent as " + form.limit + "."})
		}
		return a, nil
	}
	refusal, refused := o.tables.explain(ctx, p.ModelID, err), lastCall(ctx)
	if !wantsResponses(refused) {
		return answer{}, refusal
	}
	a, err = o.respond(ctx, p, emit, append(opts, o.responsesAt...))
	if err == nil {
		a.warnings = append(a.warnings, Warning{ResponsesAPI, "The model does not answer chat completions; the Responses API answered."})
		return a, nil
	}
	again := o.tables.explain(ctx, p.ModelID, err)
	if again.noAPI || again.Code == operationNotSupported { // there is no Responses API here, or none of the model's
		report(ctx, refused)
		return answer{}, refusal
	}
	return answer{}, again
}

// chatForm is what differs from server to server.
type chatForm struct {
	limit string // the name of the output limit
	usage bool   // ask a stream to count tokens
	tries int
	// renamed: the server refused the other name of the limit.
	renamed bool
}

// asked is the form that an answer asks for, if it does. OpenAI's newer models
// refuse max_tokens, older servers know only that; some know no stream_options.
// Which it is shows in the answer, not in the model's name.
func (f chatForm) asked(c *call) (chatForm, bool) {
	if c == nil || f.tries == 2 || c.status < 400 {
		return f, false
	}
	f.tries++
	switch said := c.problem(); {
	case f.usage && said.refuses("stream_options"):
		f.usage = false
		return f, true
	case said.refuses(f.limit) && !f.renamed:
		f.renamed = true
		f.limit = map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[f.limit]
		return f, true
	}
	return f, false
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
func (o *openAIChat) complete(ctx context.Context, p Prompt, form chatForm, emit func(string), opts []option.RequestOption) (answer, error) {
	sent := map[string]any{form.limit: p.outputTokens()}
	if form.usage {
		sent["stream_options"] = map[string]any{"include_usage": true}
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	messages := []message{{"user", p.Text}}
	if p.System != "" {
		messages = []message{{"system", p.System}, {"user", p.Text}}
	}
	return exchangeOpenAI(ctx, p, emit, sent, map[string]any{"messages": messages}, &chatAnswer{}, func(body json.RawMessage, into option.RequestOption) error {
		service := openai.NewChatCompletionService(o.options...)
		_, err := service.New(ctx, param.Override[openai.ChatCompletionNewParams](body), append(opts, into)...)
		return err
	})
}

// reading puts an answer together from a whole body or from the events of a
// stream.
type reading interface {
	// whole reads a body that is JSON.
	whole(body []byte) (answer, error)
	// event reads the data of an event, which is JSON. useful: it brought a part
	// of the answer. It returns io.EOF where the answer is complete.
	event(data []byte, emit func(string)) (useful bool, err error)
	// end is the answer of a stream that is over. done says that the server
	// said so.
	end(done bool) (answer, error)
}

// exchangeOpenAI makes a call and reads its answer: the raw body, since servers
// differ from OpenAI's in more than the SDK takes. The result tells what was
// sent beside the prompt. The request is encoded here, as encoding the SDK's own
// parameters took a twentieth of the time of a test.
func exchangeOpenAI(ctx context.Context, p Prompt, emit func(string), sent, prompt map[string]any, r reading, send func(body json.RawMessage, into option.RequestOption) error) (answer, error) {
	if p.Temperature != nil {
		sent["temperature"] = *p.Temperature
	}
	if emit != nil {
		sent["stream"] = true
	}
	request := maps.Clone(sent)
	maps.Copy(request, prompt)
	request["model"], request["stream"] = p.ModelID, emit != nil
	body, err := json.Marshal(request)
	if err != nil {
		return answer{}, err
	}
	var res *http.Response
	if err := send(body, option.WithResponseBodyInto(&res)); err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		return answer{}, errNoAnswer
	}
	a, err := readAnswer(ctx, res, emit,
		func(body []byte) (answer, error) { return readWhole(body, r) },
		func(emit func(string)) (answer, error) { return readStream(res, r, emit) })
	a.sent = sent
	return a, err
}

func readWhole(body []byte, r reading) (answer, error) {
	if !json.Valid(body) {
		return answer{}, errNoAnswer
	}
	if holdsError(body) {
		return answer{}, answerError(problemOf(body))
	}
	return r.whole(body)
}

func readStream(res *http.Response, r reading, emit func(string)) (answer, error) {
	done := false
	var first []byte
	err := readEvents(res.Body, func(name string, data []byte) (bool, error) {
		data = bytes.TrimSpace(data)
		switch {
		case string(data) == "[DONE]":
			done = true
			return true, io.EOF
		case name == "error" || holdsError(data):
			return false, answerError(problemOf(data))
		case !json.Valid(data):
			return false, errNoAnswer
		}
		if first == nil {
			first = bytes.Clone(data[:min(len(data), maxErrorBody)])
		}
		useful, err := r.event(data, emit)
		done = done || errors.Is(err, io.EOF)
		return useful, err
	})
	if err != nil && !done {
		return answer{}, err
	}
	a, err := r.end(done)
	if said := problemOf(first); errors.Is(err, errNoAnswer) && said.structured {
		return answer{}, answerError(said) // an error in a form of its own
	}
	return a, err
}

// holdsError reports whether a JSON object has an `error` that says something,
// or is one. Some servers write an empty one beside every answer.
func holdsError(body []byte) bool {
	if !bytes.Contains(body, []byte(`error"`)) {
		return false
	}
	var envelope struct {
		Error  any `json:"error"`
		Object any `json:"object"`
	}
	return json.Unmarshal(body, &envelope) == nil && (saysError(envelope.Error) || envelope.Object == "error")
}

// saysError reports whether the value of an `error` is one.
func saysError(value any) bool {
	said := problemIn(value)
	return value == true || said.message+said.name() != "" || said.http != 0
}
