package provider

import (
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/secret"
)

// TestNoPartOfASecretIsLeftWhereABoundCuts moves a secret over the place where
// an error's body is cut, in every form in which an upstream may write it.
func TestNoPartOfASecretIsLeftWhereABoundCuts(t *testing.T) {
	const key = "qzwx-7364-vbnm-ytre"
	forms := map[string]string{
		"plain": key, "URL": strings.ReplaceAll(key, "-", "%2D"), "JSON": strings.ReplaceAll(key, "-", `\u002d`), "HTML": html.EscapeString(key),
		"base64": base64.StdEncoding.EncodeToString([]byte(key)),
	}
	for page, statuses := range map[string][]int{"": {400}, "<!doctype html><body>": {400, 404, 503}} {
		for name, form := range forms {
			for cut := 1; cut < len(form); cut++ {
				room := maxErrorBody - len(page) - cut
				for _, status := range statuses {
					f := askOnce(t, key, answering{status, "text/plain", page + strings.Repeat(" ", room) + form + " tail"}, nil).Failure
					mustHoldNoPart(t, fmt.Sprintf("%s, %d bytes, status %d", name, cut, status), f.Message+f.Hint, form)
				}
			}
		}
	}
}

// TestNoPartOfASecretIsLeftInAPage: of a success that is a page only the
// beginning is kept.
func TestNoPartOfASecretIsLeftInAPage(t *testing.T) {
	const key, page = "qzwx-7364-vbnm-ytre", "<html><title>"
	for cut := 1; cut < len(key); cut++ {
		for _, end := range []string{"</title>", ""} {
			body := page + strings.Repeat(" ", maxHead-len(page)-cut) + key + end
			f := askOnce(t, key, answering{200, "text/html", body}, nil).Failure
			mustHoldNoPart(t, fmt.Sprintf("%d bytes", cut), f.Message+f.Hint, key)
		}
	}
}

// TestNoPartOfASecretIsLeftInAStream: the text of a stream is cut when there is
// too much of it, and when the time is up.
func TestNoPartOfASecretIsLeftInAStream(t *testing.T) {
	const key = "qzwx-7364-vbnm-ytre"
	piece := func(text string) string { return `data: {"choices":[{"delta":{"content":"` + text + `"}}]}` + "\n\n" }
	for cut := 1; cut < len(key); cut++ {
		body := strings.Repeat(piece(strings.Repeat("a", 1<<19)), maxAnswer>>19-1) + piece(strings.Repeat("a", 1<<19-cut)) + piece(key[:cut]) + piece(key[cut:])
		var said strings.Builder
		askOnce(t, key, answering{200, "text/event-stream", body}, func(s string) { said.WriteString(s) })
		mustHoldNoPart(t, fmt.Sprintf("%d bytes", cut), said.String(), key)
	}
	for name, end := range map[string]string{
		"an event that is too long":  `data: {"choices":[{"delta":{"content":"` + strings.Repeat("a", maxEvent),
		"a comment that is too long": ":" + strings.Repeat("c", 2*maxIdle),
		"too many lines of nothing":  strings.Repeat("id: 1\n", maxIdle),
	} {
		var said strings.Builder
		askOnce(t, key, answering{200, "text/event-stream", piece("Hi "+key[:12]) + end}, func(s string) { said.WriteString(s) })
		mustHoldNoPart(t, name, said.String(), key)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var said strings.Builder
	askIn(ctx, t, key, stalling(piece("Hi "+key[:12])), func(s string) { said.WriteString(s) })
	mustHoldNoPart(t, "a stall", said.String(), key)
}

// stalling is a transport whose answer is a stream that begins, and never ends.
type stalling string

func (s stalling) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := answering{200, "text/event-stream", string(s)}.RoundTrip(req)
	res.Body = stalled{req.Context(), strings.NewReader(string(s))}
	return res, err
}

type stalled struct {
	ctx   context.Context
	begun *strings.Reader
}

func (s stalled) Read(p []byte) (int, error) {
	if s.begun.Len() > 0 {
		return s.begun.Read(p)
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (s stalled) Close() error { return nil }

func askOnce(t *testing.T, key string, transport http.RoundTripper, emit func(string)) Result {
	t.Helper()
	return askIn(t.Context(), t, key, transport, emit)
}

// askIn sends a prompt with a key to a server like OpenAI's.
func askIn(ctx context.Context, t *testing.T, key string, transport http.RoundTripper, emit func(string)) Result {
	t.Helper()
	c := &client{typ: &Type{}, redact: newRedactor()}
	c.redact.add(key)
	client := withBearer(newHTTPClient(transport), secret.NewText(key))
	c.upstream = newOpenAIChat(client, "http://upstream.example/v1", openAITables)
	r := c.Generate(ctx, Prompt{ModelID: "m", Text: "Hi"}, emit)
	if r.Failure == nil {
		t.Fatalf("it is a success: %+v", r)
	}
	return r
}

// mustHoldNoPart looks for the first four characters of a form of a secret.
func mustHoldNoPart(t *testing.T, name, text, form string) {
	t.Helper()
	if i := strings.Index(text, form[:4]); i >= 0 {
		t.Errorf("%s: %q leaves", name, text[i:min(len(text), i+len(form))])
	}
}
