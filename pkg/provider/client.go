package provider

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"modelproviders/pkg/secret"
)

// Maximum lengths, in characters, of texts of an upstream.
const (
	maxMessage = 2000
	maxName    = 256 // model ids and names, request ids, codes, finish reasons
)

// client is the [Client] of every type. It wraps the type's upstream, measures times,
// explains failures, and removes secrets from everything that it returns.
type client struct {
	typ      *Type
	upstream upstream
	secrets  []secret.Text
	redact   *redactor
}

// Type implements [Client.Type].
func (c *client) Type() string { return c.typ.Name() }

// Generate implements [Client.Generate].
func (c *client) Generate(ctx context.Context, p Prompt, onDelta func(text string)) Result {
	e := &exchange{redact: c.redact.child(), stream: onDelta != nil}
	defer e.redact.wipe()
	ctx, cancel := context.WithCancelCause(withExchange(ctx, e))
	defer cancel(nil)

	out := &output{redact: stream{redact: e.redact}, onDelta: onDelta, cancel: cancel}
	a, err := c.upstream.generate(ctx, prompt{p, onDelta != nil, out.write})
	if err == nil && errors.Is(context.Cause(ctx), errTooLarge) {
		err = errTooLarge
	}
	var warnings []Warning
	if err == nil {
		out.flush()
		warnings, err = a.warningsOf(out.text.Len() > 0)
	}
	r := Result{
		Response:     out.text.String(),
		ToolCalls:    resultOf(a.toolCalls, e.redact),
		Model:        modelName(e.redact, a.model, p.ModelID),
		FinishReason: name(e.redact, a.finishReason),
		Warnings:     warnings,
		Usage:        a.usage,
		Sent:         a.sent,
	}
	if err != nil {
		r = Result{Failure: c.failure(ctx, e, p.ModelID, err)}
		if ctx.Err() == nil && !r.Failure.tooLarge { // else what is held back may be a part of a secret
			out.flush()
		}
	}
	c.measure(&r, e, a, out)
	return r
}

// warningsOf returns the warnings of a success, or a *Failure. An answer is a
// success with text, a tool call or reasoning, or if the output limit ended it.
func (a answer) warningsOf(text bool) ([]Warning, error) {
	switch {
	case a.finishReason == finishLength:
		a.warnings = append(a.warnings, Warning{TokenLimit, "The answer was cut off at the output limit. Raise max_output_tokens to get all of it."})
	case text || a.calledTool:
	case a.reasoned && a.finishReason != finishFiltered:
		a.warnings = append(a.warnings, Warning{ReasoningOnly, "The answer contains only reasoning. The model works, but the server does not separate the answer from the reasoning."})
	case a.empty != nil:
		return nil, a.empty
	default:
		f := &Failure{Kind: UpstreamError, Message: "The model ended without an answer.", Hint: "Try another prompt. If it happens again, the server may return the model's text in a field that this API does not have."}
		if a.finishReason != "" {
			f.Message = "The model ended without an answer (" + a.finishReason + ")."
			f.Unsupported = a.malformed()
		}
		return nil, f
	}
	return a.warnings, nil
}

// Models implements [Client.Models].
func (c *client) Models(ctx context.Context) (Discovery, error) {
	e := &exchange{redact: c.redact.child()}
	defer e.redact.wipe()
	d, err := c.discover(withExchange(ctx, e), e)
	if err != nil || !d.Supported {
		return Discovery{}, err
	}
	return tidy(e.redact, d), nil
}

// discover requests the models, with the names of the upstream. The error is a
// *Failure.
func (c *client) discover(ctx context.Context, e *exchange) (Discovery, error) {
	d, err := c.upstream.models(ctx)
	switch {
	case err == nil:
		return d, nil
	case e.hasNoList():
		return Discovery{}, nil
	}
	return Discovery{}, c.failure(ctx, e, "", err)
}

// Close implements [Client.Close].
func (c *client) Close() {
	c.redact.wipe()
	for _, s := range c.secrets {
		s.Wipe()
	}
}

// output collects the text of an answer without its secrets, and passes it on where
// the answer is streamed.
type output struct {
	redact  stream
	onDelta func(string) // nil: the answer is not streamed
	cancel  context.CancelCauseFunc

	first time.Time // when the model's first text arrived
	text  strings.Builder
}

func (o *output) write(piece string) {
	if piece == "" {
		return
	}
	if o.first.IsZero() {
		o.first = time.Now()
	}
	if o.text.Len()+len(piece) > maxAnswer {
		o.cancel(errTooLarge)
		return
	}
	o.add(o.redact.write(piece))
}

func (o *output) flush() { o.add(o.redact.flush()) }

func (o *output) add(piece string) {
	o.text.WriteString(piece)
	if piece != "" && o.onDelta != nil {
		o.onDelta(piece)
	}
}

// measure adds the data about the request to a result, for successes and failures.
func (c *client) measure(r *Result, e *exchange, a answer, out *output) {
	r.RequestID = name(e.redact, a.requestID)
	call := e.reported
	if call == nil {
		return
	}
	r.Timing, r.Endpoint = call.timing(), call.endpoint
	r.Latency = r.Timing.Total
	for _, header := range c.typ.requestIDHeaders {
		r.RequestID = cmp.Or(r.RequestID, name(e.redact, call.header.Get(header)))
	}
	if out.onDelta != nil && !out.first.IsZero() {
		// A short answer may have arrived completely before its first word is read.
		r.FirstToken = min(out.first.Sub(call.times.sent), r.Latency)
	}
}

// failure explains err, removes secrets from the explanation and limits its length.
func (c *client) failure(ctx context.Context, e *exchange, model string, err error) *Failure {
	f := *c.upstream.explain(ctx, model, err)
	call := e.reported
	if call != nil && f.HTTPStatus == 0 {
		f.HTTPStatus = call.status
	}
	if call != nil && call.cut {
		f.Message = string(e.redact.unfinished([]byte(f.Message)))
	}
	f.Message = cmp.Or(message(e.redact, f.Message), "The provider did not say what is wrong.")
	f.Code = name(e.redact, f.Code)
	f.Hint = message(e.redact, f.Hint)
	return &f
}

// tidy orders discovered models, and drops repeated and invalid ids.
func tidy(redact *redactor, d Discovery) Discovery {
	models := slices.DeleteFunc(d.Models, func(m DiscoveredModel) bool {
		return m.ModelID == "" || printable(m.ModelID, maxName, "") != m.ModelID
	})
	slices.SortStableFunc(models, func(a, b DiscoveredModel) int { return cmp.Compare(a.ModelID, b.ModelID) })
	models = slices.CompactFunc(models, func(a, b DiscoveredModel) bool { return a.ModelID == b.ModelID })
	for i, m := range models {
		models[i].ModelID = modelName(redact, m.ModelID, "")
		models[i].DisplayName = cmp.Or(modelName(redact, m.DisplayName, ""), models[i].ModelID)
	}
	if len(models) > MaxDiscovered {
		models, d.Truncated = models[:MaxDiscovered], true
	}
	d.Models = models
	return d
}

// message returns a text of an upstream, possibly of several lines, for users.
func message(redact *redactor, s string) string {
	return printable(redact.text(s), maxMessage, "\n")
}

// name returns a short text of an upstream, in one line, for users.
func name(redact *redactor, s string) string { return printable(redact.text(s), maxName, "") }

// modelName returns the name or id of a model for users. It may contain a short key,
// such as `ollama`. The name of the model that was asked for is not changed.
func modelName(redact *redactor, s, asked string) string {
	if s != asked {
		s = redact.name(s)
	}
	return printable(s, maxName, "")
}

// printable returns at most limit characters of s, without control characters except
// those in keep.
func printable(s string, limit int, keep string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && !strings.ContainsRune(keep, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

func asFailure(err error) *Failure {
	f, _ := errors.AsType[*Failure](err)
	return f
}
