package apitest

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestStreamsThatAreWrongFail(t *testing.T) {
	t.Parallel()
	c := checker(t)
	good := strings.Replace(deltaAndResult, "RESULT", exampleOf(t, c, "TestResult"), 1)
	_, result, _ := strings.Cut(good, ": still waiting\n\n")
	for _, test := range []struct{ name, old, with, saying string }{
		{"an extra field of a delta", `{"text":`, `{"key":1,"text":`, "key"},
		{"an extra field of a result", `{"endpoint"`, `{"key":1,"endpoint"`, "key"},
		{"the data of another event", `{"text":"Hel"}`, problemOf("500", "/"), "delta"},
		{"an unknown event", "event: delta", "event: piece", "piece"},
		{"an event without a name", "event: delta\n", "", `event ""`},
		{"data that is no JSON", `{"text":"Hel"}`, "Hel", "no JSON"},
		{"an undocumented field", "event: delta", "retry: 1\nevent: delta", "undocumented line"},
		{"an undocumented id", "event: delta", "id: 1\nevent: delta", "id"},
		{"an event after the last", "event: delta", "event: error\ndata: " + problemOf("500", "/") + "\n\nevent: delta", "after the last"},
		{"no result", "event: result\n", ": result\n", `event ""`},
		{"an end within an event", "}\n\n", "}", ""},
		{"an end without a result", result, "", "without a result"},
	} {
		if !strings.Contains(good, test.old) {
			t.Fatalf("%s: the stream has no %q", test.name, test.old)
		}
		service := answering(200, strings.Replace(good, test.old, test.with, 1)).with("Content-Type", mediaEvents)
		err := exchanged(t, c, "", service, "POST /models/"+testID+`/test {"prompt":"p"}`)
		if err == nil || !strings.Contains(err.Error(), test.saying) {
			t.Errorf("%s: got the error %v, want one with %q", test.name, err, test.saying)
		}
	}
}

// TestStreamsAreNotHeldBack reads the first event while the service has not
// ended its answer.
func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	c := checker(t)
	read := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("X-Request-Id", "r1")
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Content-Type", mediaEvents)
		_, _ = io.WriteString(w, "event: delta\ndata: {\"text\":\"Hel\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-read
	}))
	defer server.Close()
	client := http.Client{Transport: c.RoundTripper(http.DefaultTransport, "")}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/models/"+testID+"/test", strings.NewReader(`{"prompt":"p"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", mediaJSON)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	for range 3 {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	close(read)
	if _, err := io.ReadAll(lines); err == nil || !strings.Contains(err.Error(), "without a result") {
		t.Errorf("a stream that was cut off passes: %v", err)
	}
}
