package providertest

import (
	"encoding/json"
	"fmt"
)

// functionDeclaration is a tool in generateContent.
type functionDeclaration struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parametersJsonSchema"`
}

// parseGemini reads a body that was checked, or is of another method.
func parseGemini(r *Request) (g geminiRequest) {
	_ = json.Unmarshal(r.Body, &g)
	return g
}

// toolOf returns the tool in a request; its name is empty if there is none.
func (g geminiRequest) toolOf() functionDeclaration {
	type tool struct {
		FunctionDeclarations json.RawMessage `json:"functionDeclarations"`
	}
	return firstOf[functionDeclaration](firstOf[tool](g.Tools).FunctionDeclarations)
}

// geminiTool returns the name of the tool in a request.
func geminiTool(r *Request) string { return parseGemini(r).toolOf().Name }

// checkTools checks the parameters for a tool and a schema. Source: Vertex AI REST
// reference, "FunctionDeclaration", "ToolConfig" and "GenerationConfig".
func (g geminiRequest) checkTools() error {
	config := g.GenerationConfig
	if want := map[bool]string{true: "application/json"}[config.ResponseJSONSchema != nil]; config.ResponseMIMEType != want {
		return fmt.Errorf("responseMimeType is %q, want %q", config.ResponseMIMEType, want)
	}
	var schema map[string]any
	_ = json.Unmarshal(config.ResponseJSONSchema, &schema) // without a schema it is refused
	tool := g.toolOf()
	return checkParts(tool.Name,
		part{"tools", g.Tools, []any{map[string]any{"functionDeclarations": []any{tool}}}, tool.Parameters},
		part{"toolConfig", g.ToolConfig, map[string]any{"functionCallingConfig": map[string]any{
			"mode": "ANY", "allowedFunctionNames": []string{tool.Name},
		}}, tool.Parameters},
		part{"responseJsonSchema", config.ResponseJSONSchema, schema, schema},
	)
}

// geminiRefusals are what Vertex AI says of a parameter that a model does not take.
var geminiRefusals = map[Mode]string{
	NoTools:      "Tool use with function calling is unsupported by the model.",
	NoToolChoice: "Unable to submit request because the forced function calling (mode = ANY) is only supported for Gemini 1.5 Pro models. Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling",
	NoSchema:     "Unable to submit request because it has a mimeType parameter with value application/json, which is not supported. Update the mimeType and try again. Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/gemini",
}

// geminiParts are the calls of an answer, or its text in pieces. A call is never in pieces:
// one that is cut off does not arrive.
func geminiParts(r *Request, text []string) []any {
	var parts []any
	for _, call := range r.Calls {
		if !r.Cut {
			parts = append(parts, map[string]any{"functionCall": map[string]any{"name": call.Name, "args": r.input(call)}, "thoughtSignature": "c2ln"})
		}
	}
	if len(r.Calls) > 0 {
		return parts
	}
	for _, piece := range text {
		if piece != "" {
			parts = append(parts, map[string]any{"text": piece})
		}
	}
	return parts
}
