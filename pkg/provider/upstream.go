package provider

import (
	"context"
)

// upstream is a type's side of a client: it makes the calls and reads the
// answers. It knows nothing of redaction, timing or bounds; [client] wraps it.
type upstream interface {
	// generate sends one prompt. With emit the answer is streamed: emit is
	// called with each piece of text, in order, and the answer's text is left
	// empty. The error is a *Failure, or whatever the call returned: [tables.explain]
	// explains the latter by what was seen on the wire.
	generate(ctx context.Context, p Prompt, emit func(text string)) (answer, error)

	// models asks for the models that the upstream offers, in any order. Errors
	// are those of generate.
	models(ctx context.Context) (Discovery, error)
}

// answer is what a model said.
type answer struct {
	text         string // empty when streamed
	model        string // as the upstream names it
	finishReason string
	reasoned     bool // it thought aloud, where that is told
	calledTool   bool
	empty        *Failure // what it means that there is nothing of these; nil: no more than that
	warnings     []Warning
	usage        *Usage
	sent         map[string]any // the parameters beside model and messages
	requestID    string         // where the body has it; else the header's counts
}

// newUsage counts tokens; servers write 3.0 too.
func newUsage(input, output float64) *Usage {
	count := func(n float64) int { return int(min(max(n, 0), 1<<40)) }
	return &Usage{InputTokens: count(input), OutputTokens: count(output)}
}

// defaultOutputTokens is the output limit of a prompt that names none. It is
// enough for a reasoning model to think and then to speak.
const defaultOutputTokens = 1024

// outputTokens is the prompt's output limit.
func (p Prompt) outputTokens() int {
	if p.MaxOutputTokens > 0 {
		return p.MaxOutputTokens
	}
	return defaultOutputTokens
}
