// Package tracing records what requests do as spans of OpenTelemetry, and exports
// them over OTLP as the standard OTEL_* variables say. It is the only package that
// uses OpenTelemetry.
//
// A span begins within the span in its context, whose tracer it uses; [Tracer.Request]
// begins the first one. Without tracing, [Start] only looks at the context.
//
// Spans must not contain secrets, prompts, answers or values of statements. Errors
// are recorded by their kind, never by their message.
package tracing

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"modelproviders/pkg/fault"
)

// scope is the name of the tracer.
const scope = "modelproviders"

// Span is a part of a request. The methods of a nil span do nothing.
type Span struct{ span trace.Span }

// Request begins the span of a request. It continues the trace of the caller (W3C
// Trace Context) if there is one. Without a tracer the span is nil.
func (t *Tracer) Request(ctx context.Context, header http.Header, name string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := t.provider.Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, &Span{span}
}

// Start begins a span within that of the context; without one the span is nil.
func Start(ctx context.Context, name string) (context.Context, *Span) {
	return start(ctx, name, trace.SpanKindInternal)
}

// StartCall is [Start] for a call to another service.
func StartCall(ctx context.Context, name string) (context.Context, *Span) {
	return start(ctx, name, trace.SpanKindClient)
}

func start(ctx context.Context, name string, kind trace.SpanKind) (context.Context, *Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind))
	return ctx, &Span{span}
}

// Rename changes the name.
func (s *Span) Rename(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Text adds an attribute.
func (s *Span) Text(key, value string) {
	if s != nil {
		s.span.SetAttributes(attribute.String(key, value))
	}
}

// Number adds an attribute.
func (s *Span) Number(key string, value int) {
	if s != nil {
		s.span.SetAttributes(attribute.Int(key, value))
	}
}

// Fail marks the span as failed. The kind must be one of a few.
func (s *Span) Fail(kind string) {
	if s != nil {
		s.span.SetAttributes(attribute.String("error.type", kind))
		s.span.SetStatus(codes.Error, kind)
	}
}

// End ends the span. It marks it as failed unless err is nil.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.Fail(kindOf(err))
	}
	s.span.End()
}

func kindOf(err error) string {
	f := fault.As(err)
	switch {
	case f != nil:
		return string(f.Kind)
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "error"
}
