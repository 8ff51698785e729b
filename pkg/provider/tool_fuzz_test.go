package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzToolCallPieces cuts the arguments of two calls into pieces, which arrive in turn:
// they are joined to what they were.
func FuzzToolCallPieces(f *testing.F) {
	f.Add("get_weather", `{"city":"Paris"}`, `{"city":"Köln"}`, uint8(3))
	f.Add("f", ``, `{"x":"\\\"\u00e9"}`, uint8(1))
	f.Add("f", `{"x":`, "\x00", uint8(0))
	f.Fuzz(func(t *testing.T, name, first, second string, size uint8) {
		if name == "" || !utf8.ValidString(name) || !utf8.ValidString(first) || !utf8.ValidString(second) || len(first)+len(second) > 10_000 {
			return
		}
		a := &answer{emit: func(string) {}}
		arguments := [2][]rune{[]rune(first), []rune(second)}
		for round := 0; round == 0 || len(arguments[0])+len(arguments[1]) > 0; round++ {
			for i, rest := range arguments {
				n := min(int(size)+1, len(rest))
				call := map[string]any{"index": i, "function": map[string]any{"arguments": string(rest[:n])}}
				if round == 0 {
					call["id"], call["function"] = string(rune('a'+i)), map[string]any{"name": name, "arguments": string(rest[:n])}
				}
				arguments[i] = rest[n:]
				event, err := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]any{"tool_calls": []any{call}}}}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := readChat(a, event, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(a.toolCalls) != 2 || string(a.toolCalls[0].arguments) != first || string(a.toolCalls[1].arguments) != second || a.toolCalls[1].name != name {
			t.Errorf("%+v", a.toolCalls)
		}
	})
}

// FuzzToolCalls feeds calls of any form to the readers of all APIs: they fail, or stay
// within their bounds and are valid UTF-8.
func FuzzToolCalls(f *testing.F) {
	for _, seed := range []string{
		`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"function":{"name":"f","arguments":{"x":[1,{}]}}}`,
		`{"index":-1,"function":{"arguments":null}}`, `{"index":"0","function":5}`, `null`, `{"function":{"name":"f","arguments":"\ud83d"}}`,
		`{"type":"function_call","name":"f","arguments":"{}"}`, `{"type":"function_call","name":5,"arguments":{}}`,
		`{"type":"tool_use","name":"f","input":{}}`, `{"type":"input_json_delta","partial_json":"{"}`, `{"name":"f","input":"{"}`, `{"name":"f","args":{}}`,
	} {
		f.Add(seed, seed)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for name, form := range map[string]string{
			"chat, whole":       `{"choices":[{"message":{"tool_calls":[%]}}]}`,
			"chat, older form":  `{"choices":[{"message":{"function_call":%}}]}`,
			"chat, stream":      `{"choices":[{"delta":{"tool_calls":[%]}}]}`,
			"responses, whole":  `{"status":"completed","output":[%]}`,
			"responses, stream": `{"type":"response.output_item.added","output_index":0,"item":%}`,
			"claude, whole":     `{"type":"message","content":[%]}`,
			"claude, stream":    `{"type":"content_block_delta","index":0,"delta":%}`,
			"converse, whole":   `{"output":{"message":{"content":[{"toolUse":%}]}}}`,
			"converse, stream":  `{"contentBlockIndex":0,"delta":{"toolUse":%}}`,
			"gemini, stream":    `{"candidates":[{"content":{"parts":[{"functionCall":%}]}}]}`,
		} {
			api, _, _ := strings.Cut(name, ",")
			read := map[string]reader{"chat": readChat, "responses": readResponse, "claude": readClaude, "converse": readConverse, "gemini": readGemini}[api]
			a := &answer{emit: func(string) {}}
			for _, call := range []string{first, second} {
				_, _ = read(a, []byte(strings.Replace(form, "%", call, 1)), !strings.HasSuffix(name, "stream"))
			}
			for _, call := range resultOf(a.toolCalls, newRedactor()) {
				if len(call.Arguments) > maxAnswer || !utf8.ValidString(call.Name) || json.Valid([]byte(first)) && json.Valid([]byte(second)) && !utf8.Valid(call.Arguments) {
					t.Errorf("%s: %+q", name, call)
				}
			}
		}
	})
}

// TestToolCallsAreBounded: an upstream must not use much memory for calls.
func TestToolCallsAreBounded(t *testing.T) {
	for name, next := range map[string]func(i int) toolPiece{
		"calls":     func(i int) toolPiece { return toolPiece{index: i, name: "f"} },
		"arguments": func(int) toolPiece { return toolPiece{arguments: strings.Repeat("x", 1000)} },
		"names":     func(int) toolPiece { return toolPiece{name: strings.Repeat("x", 1000)} },
	} {
		a, err := &answer{}, error(nil)
		for i := 0; err == nil && i < 2000; i++ {
			err = a.addToolCall(next(i))
		}
		if !errors.Is(err, errTooLarge) || a.toolBytes > maxAnswer+1000 {
			t.Errorf("%s: %v after %d bytes", name, err, a.toolBytes)
		}
	}
	a := &answer{}
	for range 10 { // servers send all that came before once more
		if err := a.addToolCall(toolPiece{arguments: strings.Repeat("x", maxAnswer/2), whole: true}); err != nil {
			t.Error(err)
		}
	}
}
