package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestValuesAreCountedOutsideOfStrings(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 1, `[1,1,1]`: 4, `{"a":1,"b":[{}]}`: 5, `"a,b[{"`: 1, `"\",["`: 1, `["\\",1]`: 3,
	} {
		if got := values([]byte(text)); got != want {
			t.Errorf("%s: got %d, want %d", text, got, want)
		}
	}
}

// TestAnswersOfManyValuesAreRefused guards memory: a list of numbers takes fifty
// times its length once it is decoded.
func TestAnswersOfManyValuesAreRefused(t *testing.T) {
	many := "[" + strings.Repeat("1,", maxValues) + "1]"
	readers := map[string]reader{
		"chat": readChat, "responses": readResponse, "claude": readClaude, "gemini": readGemini, "converse": readConverse,
	}
	for name, read := range readers {
		for _, body := range []string{many, `{"error":` + many + `}`, `{"choices":[{"message":{"content":` + many + `}}]}`} {
			if err := readWhole(strings.NewReader(body), &answer{emit: func(string) {}}, read); !errors.Is(err, errTooLarge) {
				t.Errorf("%s: %.30s…: got %v, want %v", name, body, err, errTooLarge)
			}
			stream := strings.NewReader("data: " + body + "\n\n")
			if err := readStream(stream, readEvents, &answer{emit: func(string) {}}, read); !errors.Is(err, errTooLarge) {
				t.Errorf("%s: an event of %.30s…: got %v, want %v", name, body, err, errTooLarge)
			}
		}
	}
}

func TestEventsThatBringAPart(t *testing.T) {
	for data, want := range map[string]bool{
		`{"choices":[{"delta":{"content":"Hi"}}]}`:                      true,
		`{"choices":[{"delta":{"role":"assistant","content":""}}]}`:     false,
		`{"choices":[{"delta":{"thoughts":"Let me see"}}]}`:             true, // reasoning under another name
		`{"choices":[{"delta":{"content":null,"reasoning":"Hm"}}]}`:     true,
		`{"choices":[],"usage":{"prompt_tokens":1}}`:                    false,
		`{"choices":[{"delta":{},"finish_reason":"stop"},{"index":1}]}`: false,
	} {
		useful, err := readChat(&answer{emit: func(string) {}}, []byte(data), false)
		if err != nil || useful != want {
			t.Errorf("%s: got %v, %v, want %v", data, useful, err, want)
		}
	}
}

func TestAFailedResponseEmitsNothing(t *testing.T) {
	body := `{"status":"failed","output":[{"type":"message","content":[{"text":"half"}]}],"error":{"code":"server_error","message":"No."}}`
	a := &answer{emit: func(text string) { t.Errorf("%q was emitted", text) }}
	err := readWhole(strings.NewReader(body), a, readResponse)
	if _, failed := errors.AsType[answerError](err); !failed {
		t.Errorf("got %v, want its error", err)
	}
}

// TestAnErrorThatTheDeadlineCutsHoldsNoPartOfASecret: the body of an error begins
// with most of the key, and never ends.
func TestAnErrorThatTheDeadlineCutsHoldsNoPartOfASecret(t *testing.T) {
	const key = "sk-proj-Fake0123456789abcdef"
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := askIn(ctx, t, key, roundTrip(func(req *http.Request) (*http.Response, error) {
		body := stalled{ctx: req.Context(), begun: strings.NewReader("bad key " + key[:len(key)-2])}
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: body, Request: req}, nil
	}), nil)
	mustHoldNoPart(t, "an error", r.Failure.Message, key)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

var _ io.ReadCloser = stalled{}
