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
	return checkJSONHeaders(r)
}

func checkResponses(r *Request) error {
	c, err := ParseChat(r.Body)
	if err != nil {
		return err
	}
	if c.Input == "" || c.MaxOutputTokens == nil || c.Messages != nil || c.Store == nil || *c.Store {
		return fmt.Errorf("not a call of the Responses API: %s", r.Body)
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
// Completions API: r.Text, in a stream where the call asks for one.
func ChatAnswer(r *Request, modelID, finish string, header http.Header) Answer {
	c, err := ParseChat(r.Body)
	if err != nil {
		return Answer{Status: http.StatusTeapot, Body: []byte(err.Error())}
	}
	header = header.Clone()
	usage := map[string]any{"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16}
	if !c.Stream {
		header.Set("Content-Type", "application/json")
		return Answer{Status: http.StatusOK, Header: header, Body: encode(map[string]any{
			"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": modelID,
			"choices": []any{map[string]any{
				"index":    0,
				"message":  map[string]any{"role": "assistant", "content": r.Text, "refusal": nil},
				"logprobs": nil, "finish_reason": finish,
			}},
			"usage": usage, "system_fingerprint": "fp_1",
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
	for _, piece := range Pieces(r.Text) {
		chunk(choice(map[string]any{"content": piece}, nil), nil)
	}
	chunk(choice(map[string]any{}, finish), nil)
	if c.StreamOptions != nil && c.StreamOptions.IncludeUsage {
		chunk([]any{}, usage)
	}
	return Answer{Status: http.StatusOK, Header: header, Pieces: append(pieces, event([]byte("[DONE]")))}
}

// responsesAnswer is ChatAnswer of the Responses API.
func responsesAnswer(r *Request, modelID string, header http.Header) Answer {
	c, err := ParseChat(r.Body)
	if err != nil {
		return Answer{Status: http.StatusTeapot, Body: []byte(err.Error())}
	}
	header = header.Clone()
	response := func(status string) map[string]any {
		return map[string]any{
			"id": "resp_1", "object": "response", "created_at": 1700000000, "status": status, "model": modelID,
			"error": nil, "incomplete_details": nil,
			"output": []any{map[string]any{
				"type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
				"content": []any{map[string]any{"type": "output_text", "text": r.Text, "annotations": []any{}}},
			}},
			"usage": map[string]any{"input_tokens": 9, "output_tokens": 7, "total_tokens": 16},
		}
	}
	if !c.Stream {
		header.Set("Content-Type", "application/json")
		return Answer{Status: http.StatusOK, Header: header, Body: encode(response("completed"))}
	}
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	var pieces [][]byte
	send := func(name string, body map[string]any) {
		body["type"] = name
		pieces = append(pieces, append([]byte("event: "+name+"\n"), event(encode(body))...))
	}
	send("response.created", map[string]any{"response": response("in_progress")})
	for _, piece := range Pieces(r.Text) {
		send("response.output_text.delta", map[string]any{"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece})
	}
	send("response.completed", map[string]any{"response": response("completed")})
	return Answer{Status: http.StatusOK, Header: header, Pieces: pieces}
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
