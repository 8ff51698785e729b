package providertest

import (
	"encoding/json"
	"fmt"
)

// toolSpec is a tool in Converse.
type toolSpec struct {
	ToolSpec struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		InputSchema struct {
			JSON map[string]any `json:"json"`
		} `json:"inputSchema"`
	} `json:"toolSpec"`
}

// parseConverse reads a body that was checked, or is of another operation.
func parseConverse(r *Request) (c converseRequest) {
	_ = json.Unmarshal(r.Body, &c)
	return c
}

// converseTool returns the name of the tool in a request.
func converseTool(r *Request) string {
	return firstOf[toolSpec](parseConverse(r).ToolConfig.Tools).ToolSpec.Name
}

// checkTools checks the parameters for a tool and a schema. Source: Amazon Bedrock API
// reference, "ToolConfiguration" and "OutputConfig".
func (c converseRequest) checkTools() error {
	type jsonSchema struct {
		Name   string `json:"name"`
		Schema string `json:"schema"`
	}
	var sent struct {
		TextFormat struct {
			Structure struct {
				JSONSchema jsonSchema `json:"jsonSchema"`
			} `json:"structure"`
		} `json:"textFormat"`
	}
	_ = json.Unmarshal(c.OutputConfig, &sent) // it is compared as a whole
	output := sent.TextFormat.Structure.JSONSchema
	var schema map[string]any
	_ = json.Unmarshal([]byte(output.Schema), &schema) // without a schema it is refused
	tool := firstOf[toolSpec](c.ToolConfig.Tools)
	name, parameters := tool.ToolSpec.Name, tool.ToolSpec.InputSchema.JSON
	return checkParts(name,
		part{"tools", c.ToolConfig.Tools, []any{tool}, parameters},
		part{"toolChoice", c.ToolConfig.ToolChoice, map[string]any{"tool": map[string]any{"name": name}}, parameters},
		part{"outputConfig", c.OutputConfig, map[string]any{"textFormat": map[string]any{
			"type": "json_schema", "structure": map[string]any{"jsonSchema": output},
		}}, schema},
	)
}

// converseRefusals are what Amazon Bedrock says of a parameter that a model does not take.
var converseRefusals = map[Mode]string{
	NoTools:      "This model doesn't support tool use.",
	NoToolChoice: "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool and try again.",
	NoSchema:     "This model doesn't support the outputConfig field. Remove outputConfig and try again.",
}

// converseContent is the content of a whole message.
func converseContent(r *Request) []any {
	if len(r.Calls) == 0 {
		return []any{map[string]any{"text": r.Text}}
	}
	var blocks []any
	for i, call := range r.Calls {
		blocks = append(blocks, map[string]any{"toolUse": map[string]any{"toolUseId": toolUseID(i), "name": call.Name, "input": r.input(call)}})
	}
	return blocks
}

func toolUseID(i int) string { return fmt.Sprintf("tooluse_%d", i+1) }

// converseFrames are the events of the content in a stream: each call begins with its name,
// and has its input in pieces. Retyped input comes at once, as an object.
func converseFrames(r *Request) (frames [][]byte) {
	add := func(event string, index int, rest map[string]any) {
		rest["contentBlockIndex"], rest["p"] = index, "abcdefgh"
		frames = append(frames, frame("event", event, rest))
	}
	for i, call := range r.Calls {
		add("contentBlockStart", i, map[string]any{"start": map[string]any{"toolUse": map[string]any{"toolUseId": toolUseID(i), "name": call.Name}}})
		var inputs []any
		for _, piece := range Pieces(call.Arguments) {
			inputs = append(inputs, piece)
		}
		if r.Retyped {
			inputs = []any{json.RawMessage(call.Arguments)}
		}
		for _, input := range inputs {
			add("contentBlockDelta", i, map[string]any{"delta": map[string]any{"toolUse": map[string]any{"input": input}}})
		}
		add("contentBlockStop", i, map[string]any{})
	}
	if len(r.Calls) > 0 {
		return frames
	}
	for _, piece := range Pieces(r.Text) {
		add("contentBlockDelta", 0, map[string]any{"delta": map[string]any{"text": piece}})
	}
	add("contentBlockStop", 0, map[string]any{})
	return frames
}
