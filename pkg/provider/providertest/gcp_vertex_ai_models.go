package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

const (
	vertexClaude    = "claude-sonnet-4@20250514"
	vertexOpenModel = "meta/llama-3.3-70b-instruct-maas"
)

// geminiRequest is the body of generateContent and streamGenerateContent.
type geminiRequest struct {
	Contents          []geminiContent `json:"contents"`
	SystemInstruction *geminiContent  `json:"systemInstruction"`
	GenerationConfig  struct {
		MaxOutputTokens    int             `json:"maxOutputTokens"`
		Temperature        *float64        `json:"temperature"`
		ResponseMIMEType   string          `json:"responseMimeType"`
		ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
	} `json:"generationConfig"`
	Tools      json.RawMessage `json:"tools"`
	ToolConfig json.RawMessage `json:"toolConfig"`
}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text string `json:"text"`
	} `json:"parts"`
}

func checkGemini(r *Request) error {
	publisher, model, method := publisherModel(r.Path)
	streamed := method == "streamGenerateContent"
	if publisher != "google" || model == "" || (method != "generateContent" && !streamed) {
		return fmt.Errorf("path %s", r.Path)
	}
	if want := map[bool]string{true: "alt=sse"}[streamed]; r.Query != want {
		return fmt.Errorf("query %q of %s", r.Query, method)
	}
	var g geminiRequest
	if err := decodeStrictly(r.Body, &g); err != nil {
		return err
	}
	switch {
	case len(g.Contents) != 1 || g.Contents[0].Role != "user" || len(g.Contents[0].Parts) != 1 || g.Contents[0].Parts[0].Text == "":
		return fmt.Errorf("contents are %+v", g.Contents)
	case g.SystemInstruction != nil && (len(g.SystemInstruction.Parts) != 1 || g.SystemInstruction.Parts[0].Text == ""):
		return fmt.Errorf("systemInstruction is %+v", g.SystemInstruction)
	case g.GenerationConfig.MaxOutputTokens < 1:
		return fmt.Errorf("maxOutputTokens is %d", g.GenerationConfig.MaxOutputTokens)
	}
	if err := g.checkTools(); err != nil {
		return err
	}
	return checkNoQuotaProject(r)
}

func answerGemini(r *Request, mode Mode) (Answer, bool) {
	if _, model, _ := publisherModel(r.Path); mode == Success && model != geminiModel {
		mode = ModelNotFound
	}
	switch mode {
	case Success:
		return GeminiAnswer(r, "STOP"), true
	case EmptyAnswer:
		r.Text = ""
		return GeminiAnswer(r, "MAX_TOKENS"), true
	case NoTools, NoToolChoice, NoSchema:
		g := parseGemini(r)
		if mode.refuses(g.Tools, g.ToolConfig, g.GenerationConfig.ResponseJSONSchema) {
			return GoogleError(400, "INVALID_ARGUMENT", geminiRefusals[mode], ""), true
		}
		return GeminiAnswer(r, "STOP"), true
	case Refused, ContentFiltered:
		return geminiEvents(r, map[string]any{
			"promptFeedback": map[string]any{"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "The prompt is blocked due to prohibited contents."},
			"usageMetadata":  map[string]any{"promptTokenCount": 9, "totalTokenCount": 9}, "modelVersion": geminiModel, "responseId": RequestID,
		}), true
	case ErrorInSuccess:
		return GoogleErrorIn(200, 500, "INTERNAL", "Internal error encountered."), true
	case ErrorInStream:
		success := GeminiAnswer(r, "STOP")
		if success.Pieces == nil {
			return Answer{}, false
		}
		return errorInStream(success, googleFault(500, "INTERNAL", "Internal error encountered.", "")), true
	}
	return vertexDocumented(mode, geminiModel, "google")
}

// GoogleErrorIn is an error of code with another HTTP status.
func GoogleErrorIn(status, code int, rpcStatus, message string) Answer {
	return jsonAnswer(status, vertexHeaders(), googleFault(code, rpcStatus, message, ""))
}

// GeminiAnswer is the answer of a Gemini model, which thinks before it says
// r.Text or calls r.Calls, in a stream where the call asks for one.
func GeminiAnswer(r *Request, finish string) Answer {
	if finish == "STOP" {
		finish = r.stop(finish, finish, "MAX_TOKENS")
	}
	usage := map[string]any{"promptTokenCount": 9, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 16, "trafficType": "ON_DEMAND"}
	response := func(finish string, parts ...any) map[string]any {
		candidate := map[string]any{"index": 0, "content": map[string]any{"role": "model"}}
		if len(parts) > 0 {
			candidate["content"] = map[string]any{"role": "model", "parts": parts}
		}
		body := map[string]any{"candidates": []any{candidate}, "modelVersion": geminiModel + "-001", "createTime": "2025-06-01T00:00:00Z", "responseId": RequestID}
		if finish != "" {
			candidate["finishReason"] = finish
			body["usageMetadata"] = usage
		}
		return body
	}
	if !geminiStreams(r) {
		return geminiEvents(r, response(finish, geminiParts(r, []string{r.Text})...))
	}
	events := []map[string]any{response("", map[string]any{"text": "Let me think.", "thought": true})}
	for _, part := range geminiParts(r, Pieces(r.Text)) {
		events = append(events, response("", part))
	}
	return geminiEvents(r, append(events, response(finish, map[string]any{"text": ""}))...)
}

func geminiStreams(r *Request) bool {
	_, _, method := publisherModel(r.Path)
	return method == "streamGenerateContent" || r.Path == ""
}

// geminiEvents are responses as the call wants them: the events of a stream, or
// one body.
func geminiEvents(r *Request, responses ...map[string]any) Answer {
	if !geminiStreams(r) {
		return jsonAnswer(http.StatusOK, vertexHeaders(), responses[0])
	}
	header := vertexHeaders()
	header.Set("Content-Type", "text/event-stream")
	a := Answer{Status: http.StatusOK, Header: header}
	for _, response := range responses {
		a.Pieces = append(a.Pieces, []byte("data: "+string(encode(response))+"\r\n\r\n"))
	}
	return a
}

func checkVertexClaude(r *Request) error {
	m, err := parseMessages(r.Body)
	if err != nil {
		return err
	}
	publisher, model, method := publisherModel(r.Path)
	switch {
	case publisher != "anthropic" || model == "" || r.Query != "":
		return fmt.Errorf("path %s, query %q", r.Path, r.Query)
	case method != map[bool]string{false: "rawPredict", true: "streamRawPredict"}[m.Stream]:
		return fmt.Errorf("method %s with stream %v", method, m.Stream)
	case m.Model != "" || m.AnthropicVersion != "vertex-2023-10-16":
		return fmt.Errorf("model %q, anthropic_version %q", m.Model, m.AnthropicVersion)
	}
	return checkNoQuotaProject(r)
}

// answerVertexClaude: what is wrong with access is in Google's words, what is
// wrong with the message in Anthropic's.
func answerVertexClaude(r *Request, mode Mode) (Answer, bool) {
	if _, model, _ := publisherModel(r.Path); mode == Success && model != vertexClaude {
		mode = ModelNotFound
	}
	header := vertexHeaders()
	header.Set("Request-Id", "req_vrtx_0123456789abcdef")
	switch mode {
	case Success, EmptyAnswer, Refused, ErrorInSuccess, ErrorInStream, InvalidRequest, ContentFiltered, Overloaded, NoTools, NoToolChoice, NoSchema:
		return answerMessages(r, mode, "claude-sonnet-4-20250514", header)
	}
	return vertexDocumented(mode, vertexClaude, "anthropic")
}

func checkVertexOpen(r *Request) error {
	c, err := ParseChat(r.Body)
	switch {
	case err != nil:
		return err
	case r.Path != vertexPath+"/endpoints/openapi/chat/completions" || r.Query != "":
		return fmt.Errorf("path %s, query %q", r.Path, r.Query)
	case c.Model == "":
		return fmt.Errorf("no model")
	}
	if err := CheckChat(r); err != nil {
		return err
	}
	return checkNoQuotaProject(r)
}

// answerVertexOpen writes its errors as a list of one.
func answerVertexOpen(r *Request, mode Mode) (Answer, bool) {
	if c, err := ParseChat(r.Body); mode == Success && err == nil && c.Model != vertexOpenModel {
		mode = ModelNotFound
	}
	switch mode {
	case Success:
		return ChatAnswer(r, vertexOpenModel, "stop", vertexHeaders()), true
	case NoTools, NoToolChoice, NoSchema:
		if param := refusedTool(r, mode); param != "" {
			return GoogleError(400, "INVALID_ARGUMENT", "Request contains an invalid argument: "+param+" is not supported by the model.", ""), true
		}
		return ChatAnswer(r, vertexOpenModel, "stop", vertexHeaders()), true
	case EmptyAnswer:
		r.Text = ""
		return ChatAnswer(r, vertexOpenModel, "length", vertexHeaders()), true
	case ErrorInStream:
		if !streams(r) {
			return Answer{}, false
		}
		return errorInStream(ChatAnswer(r, vertexOpenModel, "stop", vertexHeaders()), googleFault(500, "INTERNAL", "Internal error encountered.", "")), true
	}
	a, ok := vertexDocumented(mode, "llama-3.3-70b-instruct-maas", "meta")
	if ok {
		a.Body = append(append([]byte("["), a.Body...), ']')
	}
	return a, ok && json.Valid(a.Body)
}
