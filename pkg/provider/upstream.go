package provider

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strings"
)

// upstream makes the calls of a provider type and reads the answers. [client] wraps
// it and adds redaction, timing and limits.
type upstream interface {
	explainer

	// generate sends one prompt.
	generate(ctx context.Context, p prompt) (answer, error)

	// models requests the models that the upstream offers, in any order.
	models(ctx context.Context) (Discovery, error)
}

// explainer turns an error of a call into a failure. model is empty if the call was
// not for a model.
type explainer interface {
	explain(ctx context.Context, model string, err error) *Failure
}

// prompt is a [Prompt], and what becomes of the answer.
type prompt struct {
	Prompt
	stream bool              // ask for a stream
	emit   func(text string) // takes the text of the answer, in pieces
}

// answer is what a model said. A [reader] fills it in.
type answer struct {
	emit     func(text string)
	begun    bool // something that belongs to an answer was read
	ended    bool // the answer is complete
	doneEnds bool // it is also complete at `data: [DONE]`

	model        string // as the upstream names it
	finishReason string // one of those below where the service has an equal one
	reasoned     bool   // the answer has reasoning
	calledTool   bool
	toolCalls    []*toolCall
	toolBytes    int      // the length of all of them
	empty        *Failure // why there is no text, where the service says so
	warnings     []Warning
	usage        *Usage
	sent         map[string]any // the parameters beside model and messages
	requestID    string         // from the body; the header's is used where it is empty
}

// The reasons why an answer ended, in OpenAI's words. A reason of a service
// that equals none of them is passed on as it is.
const (
	finishStop      = "stop"       // the model had said everything
	finishLength    = "length"     // the output limit or the context was used up
	finishToolCalls = "tool_calls" // the model wants a tool to be called
	finishFiltered  = "content_filter"
)

// finishReasons are the words of other APIs for them.
var finishReasons = map[string]string{
	"end_turn": finishStop, "stop_sequence": finishStop, "STOP": finishStop,
	"max_tokens": finishLength, "model_context_window_exceeded": finishLength, "MAX_TOKENS": finishLength, "max_output_tokens": finishLength,
	"tool_use": finishToolCalls,
	"refusal":  finishFiltered, "content_filtered": finishFiltered, "guardrail_intervened": finishFiltered,
	"SAFETY": finishFiltered, "RECITATION": finishFiltered, "BLOCKLIST": finishFiltered, "PROHIBITED_CONTENT": finishFiltered,
	"SPII": finishFiltered, "LANGUAGE": finishFiltered, "MODEL_ARMOR": finishFiltered,
}

const filteredEarly = "A content filter stopped the answer before it began."

// finish ends the answer for a reason; message is the service's explanation, if
// there is one.
func (a *answer) finish(reason, message string) {
	a.ended = true
	a.finishReason = cmp.Or(finishReasons[reason], strings.ToLower(reason))
	if a.finishReason == finishFiltered {
		a.filtered(reason, cmp.Or(message, "A content filter stopped the answer ("+reason+")."))
	}
}

// malformed reports whether the model's call of a tool, or its JSON, was malformed, so that
// the service did not pass it on.
func (a *answer) malformed() bool {
	return strings.HasPrefix(a.finishReason, "malformed_") || a.finishReason == "unexpected_tool_call"
}

// filtered ends the answer because of a filter, so that there may be no text.
func (a *answer) filtered(code, message string) {
	a.ended = true
	a.finishReason = finishFiltered
	a.empty = &Failure{
		Kind: ContentFiltered, Message: message, Code: code,
		Hint: "A content filter or safety rule stopped the answer. Try another prompt. The provider and the model work.",
	}
}

// What is wrong with the body of an answer with status 200.
var (
	errNoAnswer = errors.New("the body is not an answer of this API")
	errNoList   = errors.New("the body is not a list of models")
	errNoToken  = errors.New("the body is not an access token")
	errBrokeOff = errors.New("the stream ended before the answer did")
)

// tokenUsage is the usage in OpenAI's Responses API and Anthropic's.
type tokenUsage struct {
	Input  float64 `json:"input_tokens"`
	Output float64 `json:"output_tokens"`
}

// newUsage counts tokens; some servers write 3.0.
func newUsage(input, output float64) *Usage {
	count := func(n float64) int { return int(min(max(n, 0), 1<<40)) }
	return &Usage{InputTokens: count(input), OutputTokens: count(output)}
}

// defaultOutputTokens is the output limit of a prompt that names none. It is
// enough for a reasoning model to think and then to answer.
const defaultOutputTokens = 1024

// parameters are the parameters of the prompt, which a result reports; limit is
// the API's name for the output limit.
func (p prompt) parameters(limit string) map[string]any {
	sent := map[string]any{limit: defaultOutputTokens}
	if p.MaxOutputTokens > 0 {
		sent[limit] = p.MaxOutputTokens
	}
	if p.Temperature != nil {
		sent["temperature"] = *p.Temperature
	}
	return sent
}

// request is what the bodies of OpenAI's and Anthropic's APIs have in common, and
// the parameters in it.
func (p prompt) request(limit string) (sent, body map[string]any) {
	sent = p.parameters(limit)
	if p.stream {
		sent["stream"] = true
	}
	body = maps.Clone(sent)
	body["model"], body["stream"] = p.ModelID, p.stream
	return sent, body
}
