package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	anthropicKey   = "sk-ant-api03-Fake/Anthropic+Key_0123456789abcdef"
	anthropicModel = "claude-sonnet-4-20250514"
)

var _ = register(Anthropic)

// Anthropic is a fake of api.anthropic.com.
// Source of its errors: Anthropic API reference, "Errors", and answers of the
// service.
func Anthropic() Fake {
	return Fake{
		Type:    "anthropic",
		ModelID: anthropicModel,
		Settings: func(string) (credentials, config map[string]any) {
			return map[string]any{"api_key": anthropicKey}, map[string]any{}
		},
		Endpoints: func(url string) string { return "anthropic=" + url },
		Check:     checkAnthropic,
		Authentic: func(r *Request) bool { return r.Header.Get("X-Api-Key") == anthropicKey },
		Tool:      messagesTool,
		Answer:    answerAnthropic,
	}
}

// messagesRequest is the body of a call of the Messages API, at Anthropic or on
// Vertex AI.
type messagesRequest struct {
	Model            string `json:"model"`
	AnthropicVersion string `json:"anthropic_version"`
	MaxTokens        int    `json:"max_tokens"`
	Messages         []struct {
		Role    string      `json:"role"`
		Content []textBlock `json:"content"`
	} `json:"messages"`
	System      []textBlock `json:"system"`
	Temperature *float64    `json:"temperature"`
	Stream      bool        `json:"stream"`

	Tools        json.RawMessage `json:"tools"`
	ToolChoice   json.RawMessage `json:"tool_choice"`
	OutputConfig json.RawMessage `json:"output_config"`
}

type textBlock struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func parseMessages(body []byte) (messagesRequest, error) {
	var m messagesRequest
	if err := decodeStrictly(body, &m); err != nil {
		return m, err
	}
	switch {
	case m.MaxTokens < 1:
		return m, fmt.Errorf("max_tokens is %d", m.MaxTokens)
	case len(m.Messages) != 1 || m.Messages[0].Role != "user" || !isText(m.Messages[0].Content):
		return m, fmt.Errorf("messages are %+v", m.Messages)
	case m.System != nil && !isText(m.System):
		return m, fmt.Errorf("system is %+v", m.System)
	}
	return m, m.checkTools()
}

func isText(blocks []textBlock) bool {
	return len(blocks) == 1 && blocks[0].Type == "text" && blocks[0].Text != ""
}

// decodeStrictly decodes a body in which every field has to be known.
func decodeStrictly(body []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func checkAnthropic(r *Request) error {
	if got := r.Header.Get("Anthropic-Version"); got != "2023-06-01" {
		return fmt.Errorf("anthropic-version: %q", got)
	}
	for _, name := range []string{"Authorization", "Anthropic-Beta", "Anthropic-Workspace-Id", "Traceparent"} {
		if got := r.Header.Get(name); got != "" {
			return fmt.Errorf("header %s: %s", name, got)
		}
	}
	switch r.Path {
	case "/v1/messages":
		m, err := parseMessages(r.Body)
		switch {
		case err != nil:
			return err
		case r.Query != "" || m.Model == "" || m.AnthropicVersion != "":
			return fmt.Errorf("query %q, model %q, anthropic_version %q", r.Query, m.Model, m.AnthropicVersion)
		}
		return checkJSONHeaders(r)
	case "/v1/models":
		return checkAnthropicList(r)
	}
	return fmt.Errorf("path %s", r.Path)
}

func checkAnthropicList(r *Request) error {
	query, err := url.ParseQuery(r.Query)
	if err != nil || r.Method != http.MethodGet || len(r.Body) > 0 {
		return fmt.Errorf("%s with query %q and a body of %d bytes", r.Method, r.Query, len(r.Body))
	}
	for name := range query {
		if name != "limit" && name != "after_id" && name != "before_id" {
			return fmt.Errorf("query parameter %s", name)
		}
	}
	if limit, err := strconv.Atoi(query.Get("limit")); query.Has("limit") && (err != nil || limit < 1 || limit > 1000) {
		return fmt.Errorf("limit %s", query.Get("limit"))
	}
	return nil
}

func answerAnthropic(r *Request, mode Mode) (Answer, bool) {
	header := Headers("Request-Id", RequestID, "Anthropic-Organization-Id", "8f1c1d1c-1111-4222-8333-444444444444")
	if r.Method == http.MethodGet && (mode == Success || mode == EmptyAnswer) {
		return anthropicList(header, anthropicModel, "claude-3-5-haiku-20241022"), true
	}
	if m, err := parseMessages(r.Body); mode == Success && err == nil && m.Model != anthropicModel {
		mode = ModelNotFound
	}
	return answerMessages(r, mode, anthropicModel, header)
}

// answerMessages is the answer of the Messages API, wherever it is served.
func answerMessages(r *Request, mode Mode, model string, header http.Header) (Answer, bool) {
	streamed := streams(r)
	switch mode {
	case Success:
		return MessagesAnswer(r, model, "end_turn", header), true
	case EmptyAnswer:
		r.Text = ""
		return MessagesAnswer(r, model, "max_tokens", header), true
	case Refused:
		r.Text = ""
		return MessagesAnswer(r, model, "refusal", header), true
	case ErrorInSuccess:
		return anthropicError(http.StatusOK, header, "api_error", "Internal server error"), true
	case NoTools, NoToolChoice, NoSchema:
		m, _ := parseMessages(r.Body) // a body that is wrong has no tool
		if mode.refuses(m.Tools, m.ToolChoice, m.OutputConfig) {
			return anthropicError(400, header, "invalid_request_error", messagesRefusals[mode]), true
		}
		return MessagesAnswer(r, model, "end_turn", header), true
	case ErrorInStream:
		if !streamed {
			return Answer{}, false
		}
		success := MessagesAnswer(r, model, "end_turn", header)
		fault := anthropicError(http.StatusOK, header, "overloaded_error", "Overloaded").Body
		success.Pieces = append(success.Pieces[:min(5, len(success.Pieces))], named("error", fault))
		return success, true
	}
	return anthropicDocumented(mode, header)
}

// anthropicDocumented are the errors that the service documents.
func anthropicDocumented(mode Mode, header http.Header) (Answer, bool) {
	switch mode {
	case Authentication:
		return anthropicError(401, header, "authentication_error", "invalid x-api-key"), true
	case Permission:
		return anthropicError(403, header, "permission_error", "Your API key does not have permission to use the specified resource."), true
	case AccountPermission:
		return anthropicError(400, header, "invalid_request_error", "This organization has been disabled."), true
	case QuotaExceeded:
		return anthropicError(400, header, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."), true
	case RateLimited:
		header = header.Clone()
		header.Set("Retry-After", "1")
		header.Set("X-Should-Retry", "true")
		return anthropicError(429, header, "rate_limit_error", "This request would exceed your organization's rate limit of 50,000 input tokens per minute."), true
	case ModelNotFound:
		return anthropicError(404, header, "not_found_error", "model: claude-sonnet-9"), true
	case InvalidRequest:
		return anthropicError(400, header, "invalid_request_error", "max_tokens: 200000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-20250514"), true
	case ContentFiltered:
		return anthropicError(400, header, "invalid_request_error", "Output blocked by content filtering policy"), true
	case Overloaded:
		return anthropicError(529, header, "overloaded_error", "Overloaded"), true
	}
	return Answer{}, false
}

func anthropicError(status int, header http.Header, typ, message string) Answer {
	return jsonAnswer(status, header, map[string]any{
		"type": "error", "error": map[string]any{"type": typ, "message": message}, "request_id": RequestID,
	})
}

func anthropicList(header http.Header, ids ...string) Answer {
	data := []any{}
	for _, id := range ids {
		data = append(data, map[string]any{"type": "model", "id": id, "display_name": strings.ToUpper(id[:1]) + id[1:], "created_at": "2025-05-14T00:00:00Z"})
	}
	return jsonAnswer(http.StatusOK, header, map[string]any{
		"data": data, "has_more": false, "first_id": ids[0], "last_id": ids[len(ids)-1],
	})
}

// MessagesAnswer is the answer of a model to a call of the Messages API: r.Text or
// r.Calls, in a stream where the call asks for one.
func MessagesAnswer(r *Request, model, stop string, header http.Header) Answer {
	if stop == "end_turn" {
		stop = r.stop(stop, "tool_use", "max_tokens")
	}
	message := func(content []any, stop any, output int) map[string]any {
		return map[string]any{
			"id": "msg_01", "type": "message", "role": "assistant", "model": model, "content": content,
			"stop_reason": stop, "stop_sequence": nil, "usage": map[string]any{"input_tokens": 9, "output_tokens": output},
		}
	}
	if !streams(r) {
		content := messagesCalls(r)
		if r.Text != "" && len(r.Calls) == 0 {
			content = append(content, map[string]any{"type": "text", "text": r.Text})
		}
		return jsonAnswer(http.StatusOK, header, message(content, stop, 7))
	}
	header = header.Clone()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	var pieces [][]byte
	say := func(name string, body map[string]any) {
		body["type"] = name
		pieces = append(pieces, named(name, encode(body)))
	}
	say("message_start", map[string]any{"message": message([]any{}, nil, 1)})
	messagesCallEvents(r, say)
	if r.Text != "" && len(r.Calls) == 0 {
		say("content_block_start", map[string]any{"index": 0, "content_block": map[string]any{"type": "text", "text": ""}})
		say("ping", map[string]any{})
		for _, piece := range Pieces(r.Text) {
			say("content_block_delta", map[string]any{"index": 0, "delta": map[string]any{"type": "text_delta", "text": piece}})
		}
		say("content_block_stop", map[string]any{"index": 0})
	}
	say("message_delta", map[string]any{"delta": map[string]any{"stop_reason": stop, "stop_sequence": nil}, "usage": map[string]any{"output_tokens": 7}})
	say("message_stop", map[string]any{})
	return Answer{Status: http.StatusOK, Header: header, Pieces: pieces}
}

// named is a server-sent event with a name.
func named(name string, data []byte) []byte {
	return append([]byte("event: "+name+"\n"), event(data)...)
}
