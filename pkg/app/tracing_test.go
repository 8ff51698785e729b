package app_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

// traceCollector receives traces over OTLP/HTTP.
type traceCollector struct {
	*httptest.Server
	mu       sync.Mutex
	payloads bytes.Buffer
	spans    []*trace.Span
	resource string
}

func startCollector(t *testing.T) *traceCollector {
	c := &traceCollector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("the collector got %s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.payloads.Write(body)
		for _, resource := range request.GetResourceSpans() {
			c.resource = fmt.Sprint(resource.GetResource().GetAttributes())
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// of returns the spans of a trace.
func (c *traceCollector) of(traceID string) (spans []*trace.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if hex.EncodeToString(span.GetTraceId()) == traceID {
			spans = append(spans, span)
		}
	}
	return spans
}

// described lists spans as `name attributes… < parent`, in order of their names.
func described(spans []*trace.Span, attributes ...string) (lines []string) {
	names := map[string]string{}
	for _, span := range spans {
		names[string(span.GetSpanId())] = span.GetName()
	}
	for _, span := range spans {
		line := span.GetName()
		for _, attribute := range span.GetAttributes() {
			if slices.Contains(attributes, attribute.GetKey()) {
				line += " " + attribute.GetKey() + "=" + attribute.GetValue().GetStringValue()
				if n := attribute.GetValue().GetIntValue(); n != 0 {
					line += fmt.Sprint(n)
				}
			}
		}
		lines = append(lines, line+" < "+names[string(span.GetParentSpanId())])
	}
	slices.Sort(lines)
	return lines
}

const (
	callersTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callersSpan  = "00f067aa0ba902b7"
)

// TestTraceOfATest looks at what a collector receives of a test of a model: spans for
// the request, the database, the credentials and the upstream, within the trace of the
// caller, and neither a secret nor a prompt.
func TestTraceOfATest(t *testing.T) {
	c := startCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=testing")
	upstream := providertest.Start(t, providertest.Custom())
	s := start(t)
	provider, model := s.connect(t, upstream)
	const prompt, answer = "canary-prompt", "canary-answer"
	upstream.Say(answer)
	s.must(t, http.StatusOK, http.MethodPost, "/models/"+model+"/test", object{"prompt": prompt, "system": prompt},
		"traceparent", "00-"+callersTrace+"-"+callersSpan+"-01", "X-Request-Id", "traced-request")
	for _, request := range upstream.Requests() {
		if request.Header.Get("traceparent") != "" {
			t.Error("the upstream is told the trace")
		}
	}
	s.must(t, http.StatusOK, http.MethodPost, "/providers/"+provider+"/credentials/api_key/reveal", nil)
	upstream.Use(providertest.Authentication)
	s.must(t, http.StatusOK, http.MethodPost, "/models/"+model+"/test", object{"prompt": prompt},
		"traceparent", "00-"+strings.Repeat("ab", 16)+"-"+callersSpan+"-01")
	if err := s.Close(); err != nil { // which exports what is waiting
		t.Fatal(err)
	}

	got := described(c.of(callersTrace), "error.type", "http.response.status_code", "server.address", "modelproviders.provider_type", "modelproviders.request_id")
	want := []string{
		"POST /models/:id/test modelproviders.request_id=traced-request http.response.status_code=200 < ",
		"POST server.address=" + upstream.Host() + " http.response.status_code=200 < upstream test",
		"SELECT providers, SELECT models < POST /models/:id/test",
		"decrypt credentials < POST /models/:id/test",
		"transaction < POST /models/:id/test",
		"upstream test modelproviders.provider_type=custom < POST /models/:id/test",
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the trace lacks %q; it has:\n%s", line, strings.Join(got, "\n"))
		}
	}
	for _, line := range got {
		if strings.HasSuffix(line, " < ") && !strings.HasPrefix(line, "POST /models/:id/test ") {
			t.Errorf("a span has no parent: %s", line)
		}
	}
	for _, span := range c.of(callersTrace) {
		if span.GetName() == "POST /models/:id/test" && (hex.EncodeToString(span.GetParentSpanId()) != callersSpan || span.GetKind() != trace.Span_SPAN_KIND_SERVER) {
			t.Errorf("the span of the request is %v", span)
		}
	}
	failed := described(c.of(strings.Repeat("ab", 16)), "error.type", "modelproviders.provider_type")
	if line := "upstream test modelproviders.provider_type=custom error.type=authentication < POST /models/:id/test"; !slices.Contains(failed, line) {
		t.Errorf("the failed test is traced as\n%s", strings.Join(failed, "\n"))
	}
	if !strings.Contains(c.resource, `"modelproviders"`) || !strings.Contains(c.resource, "testing") {
		t.Errorf("the resource is %s", c.resource)
	}
	if !strings.Contains(s.log.String(), "trace_id="+callersTrace) {
		t.Errorf("the log does not have the trace id:\n%s", s.log)
	}
	private := []any{prompt, answer, s.token, provider, model}
	for _, value := range upstream.Credentials {
		private = append(private, value)
	}
	for _, value := range private {
		if bytes.Contains(c.payloads.Bytes(), []byte(value.(string))) {
			t.Errorf("the traces have %q", value)
		}
	}
}

// TestDeadCollector: a collector that does not answer neither delays requests nor the
// stop, and the log says that traces are lost.
func TestDeadCollector(t *testing.T) {
	hangs := make(chan struct{})
	dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	t.Cleanup(dead.Close)
	t.Cleanup(func() { close(hangs) })
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", dead.URL+"/v1/traces")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
	s := start(t, withMetrics)
	for range 50 {
		began := time.Now()
		s.must(t, http.StatusOK, http.MethodGet, "/providers", nil)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a request took %s", took)
		}
	}
	eventually(t, "a log line about lost traces", func() bool { return strings.Contains(s.log.String(), "could not export traces") })
	s.wantMetrics(t, `modelproviders_trace_export_failures_total [1-9][0-9]*`)
	began := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
}

// TestTracingIsOff unless the variables switch it on.
func TestTracingIsOff(t *testing.T) {
	c := startCollector(t)
	for name, variables := range map[string][]string{
		"nothing set":   {"OTEL_SERVICE_NAME", "anything"},
		"no exporter":   {"OTEL_TRACES_EXPORTER", "none", "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL},
		"disabled":      {"OTEL_SDK_DISABLED", "true", "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL},
		"never sampled": {"OTEL_TRACES_SAMPLER", "always_off", "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL},
	} {
		t.Run(name, func(t *testing.T) {
			for pair := range slices.Chunk(variables, 2) {
				t.Setenv(pair[0], pair[1])
			}
			s := start(t)
			s.must(t, http.StatusOK, http.MethodGet, "/providers", nil)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if len(c.spans) > 0 {
				t.Errorf("the collector got %v", c.spans)
			}
		})
	}
}

// TestWrongTraceSettings: all of them are reported together, without their values.
func TestWrongTraceSettings(t *testing.T) {
	for variable, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318/secret-value", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_TRACES_SAMPLER": "secret-value",
		"OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_EXPORTER_OTLP_HEADERS": "secret-value", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/secret-value", "OTEL_BSP_MAX_QUEUE_SIZE": "-1",
	} {
		t.Setenv(variable, value)
	}
	wrong := strings.Join(app.Config{Addr: "127.0.0.1:0", DatabaseConnections: 1, TestTimeout: time.Second}.Check(), "\n")
	for _, line := range []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL such as http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf", "OTEL_TRACES_SAMPLER: must be always_on",
		"OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1", "OTEL_EXPORTER_OTLP_HEADERS: must be name=value", "OTEL_EXPORTER_OTLP_CERTIFICATE: must be a PEM file", "OTEL_BSP_MAX_QUEUE_SIZE: must be",
	} {
		if !strings.Contains(wrong, line) {
			t.Errorf("%q is not reported:\n%s", line, wrong)
		}
	}
	if strings.Contains(wrong, "secret-value") || strings.Count(wrong, "\n") != 6 {
		t.Errorf("reported:\n%s", wrong)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "console")
	if wrong := (app.Config{Addr: "127.0.0.1:0", DatabaseConnections: 1, TestTimeout: time.Second}).Check(); len(wrong) != 8 || !strings.Contains(wrong[0], "OTEL_TRACES_EXPORTER: must be otlp or none") {
		t.Errorf("with another exporter, %q is reported", wrong)
	}
}
