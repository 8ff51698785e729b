package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// demoModel is the model of the server that stands in for an upstream with `serve --demo`,
// so that a model can be tested without an API key.
const demoModel = "demo-model"

// startDemo creates the data directory of a demo and starts its server.
func (a *App) startDemo(ctx context.Context) (err error) {
	if !a.cfg.Demo {
		return nil
	}
	if a.cfg.DataDir, err = os.MkdirTemp("", "modelproviders-demo-"); err != nil {
		return err
	}
	a.onClose(func(context.Context) error { return os.RemoveAll(a.cfg.DataDir) })
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", listDemoModels)
	mux.HandleFunc("POST /v1/chat/completions", completeDemoChat)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: readHeaderTimeout}
	a.onClose(func(context.Context) error { return server.Close() })
	go func() { _ = server.Serve(listener) }()
	a.demoAddr = listener.Addr().String()
	a.cfg.AllowUpstreams = append(a.cfg.AllowUpstreams, a.demoAddr)
	return nil
}

// connectDemo creates the provider whose upstream is the demo's server.
func (a *App) connectDemo(ctx context.Context) error {
	if !a.cfg.Demo {
		return nil
	}
	ctx = audit.WithSource(ctx, audit.Source{Workspace: auth.DefaultWorkspace, Actor: audit.Actor{Subject: "demo", Kind: "operator"}})
	typeName, settings := provider.OpenAICompatible("http://"+a.demoAddr+"/v1", "demo-key")
	_, err := a.registry.CreateProvider(ctx, auth.DefaultWorkspace, registry.NewProvider{
		Name: "Demo (simulated, not a real model)", Type: typeName, Settings: settings,
		Models: []registry.ModelInput{{ModelID: new(demoModel), DisplayName: new("Demo model"), Stages: new(StageNames())}},
	})
	if err != nil {
		return fmt.Errorf("could not create the provider of the demo: %w", err)
	}
	if a.cfg.AuthOff {
		a.cfg.Logger.Info("demo: the data is deleted when the service stops")
	} else {
		a.cfg.Logger.Info("demo: the data is deleted when the service stops", slog.String("token", a.cfg.adminTokenPath()))
	}
	return nil
}

func listDemoModels(w http.ResponseWriter, _ *http.Request) {
	writeDemoJSON(w, map[string]any{"object": "list", "data": []any{map[string]any{"id": demoModel, "object": "model", "owned_by": "demo"}}})
}

// completeDemoChat answers like OpenAI's chat completions
// (https://platform.openai.com/docs/api-reference/chat), word by word when streaming. It
// calls a tool and writes JSON if it is asked to, so that a model passes two of the checks
// of stages, and fails the others.
func completeDemoChat(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Stream   bool
		Messages []struct{ Content string }
		Tools    []struct {
			Function struct {
				Name       string
				Parameters map[string]any
			}
		}
		Format struct {
			JSONSchema struct{ Schema map[string]any } `json:"json_schema"`
		} `json:"response_format"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&request); err != nil || len(request.Messages) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		writeDemoJSON(w, map[string]any{"error": map[string]any{"message": "The body is not a chat completion request.", "type": "invalid_request_error"}})
		return
	}
	prompt := strings.Fields(request.Messages[len(request.Messages)-1].Content)
	words := strings.Fields("This is a simulated answer, not that of a real model. You wrote:")
	words = append(words, prompt[:min(len(prompt), 50)]...)
	if schema := request.Format.JSONSchema.Schema; schema != nil {
		words = []string{sampleJSON(schema)}
	}
	chunk := func(object, message string, content, finish any) map[string]any {
		return map[string]any{
			"id": "chatcmpl-demo", "object": object, "created": time.Now().Unix(), "model": demoModel,
			"choices": []any{map[string]any{"index": 0, message: map[string]any{"role": "assistant", "content": content}, "finish_reason": finish}},
			"usage":   map[string]any{"prompt_tokens": len(prompt), "completion_tokens": len(words), "total_tokens": len(prompt) + len(words)},
		}
	}
	if !request.Stream {
		answer := chunk("chat.completion", "message", strings.Join(words, " "), "stop")
		if len(request.Tools) > 0 {
			function := request.Tools[0].Function
			call := map[string]any{"id": "call_demo", "type": "function", "function": map[string]any{"name": function.Name, "arguments": sampleJSON(function.Parameters)}}
			answer["choices"] = []any{map[string]any{"index": 0, "message": map[string]any{"role": "assistant", "tool_calls": []any{call}}, "finish_reason": "tool_calls"}}
		}
		writeDemoJSON(w, answer)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for i, word := range words {
		var finish any
		if i == len(words)-1 {
			finish = "stop"
		} else {
			word += " "
		}
		data, _ := json.Marshal(chunk("chat.completion.chunk", "delta", word, finish)) // strings and numbers only
		fmt.Fprintf(w, "data: %s\n\n", data)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(30 * time.Millisecond)
	}
	fmt.Fprint(w, "data: [DONE]\n\n")
}

// sampleJSON is the JSON of a value of a JSON Schema.
func sampleJSON(schema map[string]any) string {
	data, _ := json.Marshal(sample(schema)) // objects, lists and strings only
	return string(data)
}

func sample(schema map[string]any) any {
	switch schema["type"] {
	case "object":
		object := map[string]any{}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			schema, _ := property.(map[string]any)
			object[name] = sample(schema)
		}
		return object
	case "array":
		schema, _ := schema["items"].(map[string]any)
		return []any{sample(schema), sample(schema)}
	}
	return "simulated"
}

func writeDemoJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the client may have gone
}
