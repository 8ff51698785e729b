package providertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// ChatRequest is the body of a call of the Chat Completions API, or of the
// Responses API.
type ChatRequest struct {
	Model    string `json:"model"`
	Messages []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	} `json:"messages"`
	Input               string   `json:"input"`
	Instructions        string   `json:"instructions"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	MaxOutputTokens     *int     `json:"max_output_tokens"`
	Temperature         *float64 `json:"temperature"`
	Stream              bool     `json:"stream"`
	Store               *bool    `json:"store"`
	StreamOptions       *struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Tools          json.RawMessage `json:"tools"`
	ToolChoice     json.RawMessage `json:"tool_choice"`
	ResponseFormat json.RawMessage `json:"response_format"`
	TextFormat     json.RawMessage `json:"text"` // of the Responses API
}

// ParseChat reads the body of a call as strictly as OpenAI does.
func ParseChat(body []byte) (ChatRequest, error) {
	var c ChatRequest
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, fmt.Errorf("body: %w", err)
	}
	switch {
	case c.StreamOptions != nil && !c.Stream:
		return c, errors.New("stream_options without stream")
	case c.MaxTokens != nil && c.MaxCompletionTokens != nil:
		return c, errors.New("max_tokens and max_completion_tokens are both set")
	case c.Temperature != nil && (*c.Temperature < 0 || *c.Temperature > 2):
		return c, fmt.Errorf("temperature is %v", *c.Temperature)
	case c.ToolChoice != nil && c.Tools == nil:
		return c, errors.New("tool_choice without tools")
	}
	return c, nil
}

// CheckChat checks a call of the Chat Completions API, its path apart.
func CheckChat(r *Request) error {
	c, err := ParseChat(r.Body)
	if err != nil {
		return err
	}
	if len(c.Messages) == 0 || c.Messages[len(c.Messages)-1].Role != "user" {
		return fmt.Errorf("messages end with no user's: %+v", c.Messages)
	}
	for _, m := range c.Messages {
		if (m.Role != "user" && m.Role != "system") || m.Content == "" {
			return fmt.Errorf("message %+v", m)
		}
	}
	if c.MaxTokens == nil && c.MaxCompletionTokens == nil {
		return errors.New("no output limit")
	}
	if err := c.checkChatTools(); err != nil {
		return err
	}
	return checkJSONHeaders(r)
}

// checkJSONHeaders checks what every JSON call has, and that nothing of the
// machine's environment is in it.
func checkJSONHeaders(r *Request) error {
	if r.Method != http.MethodPost {
		return fmt.Errorf("method %s", r.Method)
	}
	if got := r.Header.Get("Content-Type"); got != "application/json" {
		return fmt.Errorf("content type %q", got)
	}
	return checkNoEnvironment(r)
}

func checkNoEnvironment(r *Request) error {
	for _, name := range []string{"OpenAI-Organization", "OpenAI-Project"} {
		if got := r.Header.Get(name); got != "" {
			return fmt.Errorf("header %s: %s", name, got)
		}
	}
	return nil
}

// ChatAnswer is the answer of a model called modelID to a call of the Chat
// Completions API: r.Text or r.Calls, in a stream where the call asks for one.
func ChatAnswer(r *Request, modelID, finish string, header http.Header) Answer {
	c, err := ParseChat(r.Body)
	if err != nil {
		return Answer{Status: http.StatusTeapot, Body: []byte(err.Error())}
	}
	header, finish = header.Clone(), finishOf(r, c, finish)
	usage := map[string]any{"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
	if !c.Stream {
		header.Set("Content-Type", "application/json")
		message := map[string]any{"role": "assistant", "content": r.Text, "refusal": nil}
		if len(r.Calls) > 0 {
			message["content"], message["tool_calls"] = nil, chatCalls(r, r.Calls, false)
		}
		return Answer{Status: http.StatusOK, Header: header, Body: encode(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": modelID,
			"choices": []any{map[string]any{"index": 0, "message": message, "logprobs": nil, "finish_reason": finish}},
			"usage":   usage, "system_fingerprint": "fp_1",
		})}
	}
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	var pieces [][]byte
	chunk := func(choices []any, usage any) {
		body := map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": modelID,
			"choices": choices, "system_fingerprint": "fp_1",
		}
		if c.StreamOptions != nil && c.StreamOptions.IncludeUsage {
			body["usage"] = usage
		}
		pieces = append(pieces, event(encode(body)))
	}
	choice := func(delta map[string]any, finish any) []any {
		return []any{map[string]any{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": finish}}
	}
	chunk(choice(map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil), nil)
	for _, delta := range chatDeltas(r) {
		chunk(choice(delta, nil), nil)
	}
	chunk(choice(map[string]any{}, finish), nil)
	if c.StreamOptions != nil && c.StreamOptions.IncludeUsage {
		chunk([]any{}, usage)
	}
	return Answer{Status: http.StatusOK, Header: header, Pieces: append(pieces, event([]byte("[DONE]")))}
}

// chatDeltas are the deltas of a stream that has r.Text or r.Calls.
func chatDeltas(r *Request) []map[string]any {
	if len(r.Calls) > 0 {
		return chatCallDeltas(r)
	}
	var deltas []map[string]any
	for _, piece := range Pieces(r.Text) {
		deltas = append(deltas, map[string]any{"content": piece})
	}
	return deltas
}

// openAIError is an error in OpenAI's form. Empty param and code are null.
func openAIError(status int, header http.Header, message, typ, param, code string) Answer {
	orNull := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return jsonAnswer(status, header, map[string]any{"error": map[string]any{
		"message": message, "type": typ, "param": orNull(param), "code": orNull(code),
	}})
}

func jsonAnswer(status int, header http.Header, body any) Answer {
	header = header.Clone()
	header.Set("Content-Type", "application/json; charset=utf-8")
	return Answer{Status: status, Header: header, Body: encode(body)}
}

// errorInStream is a stream that an error ends after its first deltas.
func errorInStream(success Answer, body any) Answer {
	first := min(4, len(success.Pieces))
	success.Pieces = append(success.Pieces[:first:first], event(encode(body)))
	return success
}

// event is one server-sent event.
func event(data []byte) []byte { return []byte("data: " + string(data) + "\n\n") }

// encode is the JSON of a value; characters beyond ASCII stay as they are.
func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// modelList is a list of models in OpenAI's form.
func modelList(header http.Header, ids ...string) Answer {
	data := make([]any, 0, len(ids))
	for _, id := range ids {
		data = append(data, map[string]any{"id": id, "object": "model", "created": 1700000000, "owned_by": "system"})
	}
	return jsonAnswer(http.StatusOK, header, map[string]any{"object": "list", "data": data})
}

// streams reports whether the call asks for a stream.
func streams(r *Request) bool { return strings.Contains(string(r.Body), `"stream":true`) }
