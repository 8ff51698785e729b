package providertest

import (
	"fmt"
	"net/http"
)

func checkResponses(r *Request) error {
	c, err := ParseChat(r.Body)
	if err != nil {
		return err
	}
	if c.Input == "" || c.MaxOutputTokens == nil || c.Messages != nil || c.Store == nil || *c.Store {
		return fmt.Errorf("not a call of the Responses API: %s", r.Body)
	}
	if err := c.checkResponsesTools(); err != nil {
		return err
	}
	return checkJSONHeaders(r)
}

// responsesAnswer is [ChatAnswer] of the Responses API.
func responsesAnswer(r *Request, modelID string, header http.Header) Answer {
	c, err := ParseChat(r.Body)
	if err != nil {
		return Answer{Status: http.StatusTeapot, Body: []byte(err.Error())}
	}
	header = header.Clone()
	status, details := "completed", any(nil)
	if r.Cut {
		status, details = "incomplete", map[string]any{"reason": "max_output_tokens"}
	}
	response := func(status string, output []any) map[string]any {
		return map[string]any{
			"id": "resp_1", "object": "response", "created_at": 1700000000, "status": status, "model": modelID,
			"error": nil, "incomplete_details": details, "output": output,
			"usage": map[string]any{"input_tokens": 9, "output_tokens": 7, "total_tokens": 16},
		}
	}
	output := responsesOutput(r, status)
	if !c.Stream {
		header.Set("Content-Type", "application/json")
		return Answer{Status: http.StatusOK, Header: header, Body: encode(response(status, output))}
	}
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	var pieces [][]byte
	send := func(name string, body map[string]any) {
		body["type"] = name
		pieces = append(pieces, named(name, encode(body)))
	}
	send("response.created", map[string]any{"response": response("in_progress", []any{})})
	streamResponse(r, send)
	send("response."+status, map[string]any{"response": response(status, output)})
	return Answer{Status: http.StatusOK, Header: header, Pieces: pieces}
}

// responsesOutput is the output of a response: the calls of tools, or a message.
func responsesOutput(r *Request, status string) []any {
	output := []any{}
	for i, call := range r.Calls {
		output = append(output, responsesCall(i, call.Name, argumentsIn(r, call), status))
	}
	if len(output) > 0 {
		return output
	}
	return []any{map[string]any{
		"type": "message", "id": "msg_1", "status": status, "role": "assistant",
		"content": []any{map[string]any{"type": "output_text", "text": r.Text, "annotations": []any{}}},
	}}
}

func responsesCall(index int, name string, arguments any, status string) map[string]any {
	return map[string]any{
		"type": "function_call", "id": fmt.Sprintf("fc_%d", index+1), "call_id": fmt.Sprintf("call_%d", index+1),
		"status": status, "name": name, "arguments": arguments,
	}
}

// streamResponse sends the deltas of the output.
func streamResponse(r *Request, send func(name string, body map[string]any)) {
	for i, call := range r.Calls {
		item := responsesCall(i, call.Name, "", "in_progress")
		send("response.output_item.added", map[string]any{"output_index": i, "item": item})
		for _, piece := range Pieces(call.Arguments) {
			send("response.function_call_arguments.delta", map[string]any{"item_id": item["id"], "output_index": i, "delta": piece})
		}
		send("response.function_call_arguments.done", map[string]any{"item_id": item["id"], "output_index": i, "arguments": call.Arguments})
	}
	if len(r.Calls) > 0 {
		return
	}
	for _, piece := range Pieces(r.Text) {
		send("response.output_text.delta", map[string]any{"item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": piece})
	}
}
