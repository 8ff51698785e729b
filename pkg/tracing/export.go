package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"modelproviders/pkg/version"
)

// Tracer begins the spans of requests and exports them. Requests never wait for the
// export: spans wait in a bounded queue, and are dropped while it is full.
type Tracer struct {
	provider *sdk.TracerProvider
	exporter *exporter
}

// FromEnvironment returns a tracer as the OTEL_* variables configure it, which
// [CheckEnvironment] has found valid, or nil if they don't switch tracing on.
func FromEnvironment(ctx context.Context, logger *slog.Logger) (*Tracer, error) {
	if !wanted() {
		return nil, nil
	}
	otlp, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("could not configure the export of traces: %w", err)
	}
	described, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", scope), attribute.String("service.version", version.Read().Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: must be key=value pairs, comma-separated: %w", err)
	}
	e := &exporter{SpanExporter: otlp, logger: logger}
	return &Tracer{exporter: e, provider: sdk.NewTracerProvider(sdk.WithBatcher(e), sdk.WithResource(described))}, nil
}

// Failures is how often spans could not be exported.
func (t *Tracer) Failures() uint64 {
	if t == nil {
		return 0
	}
	return t.exporter.failures.Load()
}

// exportTimeout bounds the last export.
const exportTimeout = 2 * time.Second

// Close exports the spans that are waiting. It logs if that fails, and never returns an
// error, because the service has lost nothing of its own.
func (t *Tracer) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, exportTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.exporter.logger.Warn("some traces were not exported", slog.Any("error", err))
	}
	return nil
}

// exporter logs when an export fails and when one succeeds again. The SDK would
// report to a handler that is global.
type exporter struct {
	sdk.SpanExporter
	logger   *slog.Logger
	failures atomic.Uint64
	failing  bool
}

// ExportSpans implements [sdk.SpanExporter]. The SDK never calls it concurrently.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil:
		e.failures.Add(1)
		if !e.failing {
			e.logger.Warn("could not export traces; some are dropped until it succeeds again", slog.Any("error", err))
		}
	case e.failing:
		e.logger.Info("traces are exported again")
	}
	e.failing = err != nil
	return nil
}
