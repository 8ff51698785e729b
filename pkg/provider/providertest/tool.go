package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
)

// Modes for a prompt with a tool, or with a schema. In [Success], and in every other mode
// that is made of it, the model calls the tool that a prompt has, with the arguments of
// [Server.CallWith], and says its text to any other prompt.
const (
	Prose            Mode = "prose"             // the model says its text instead of calling the tool
	WrongArguments   Mode = "wrong arguments"   // the arguments match no strict schema
	OtherTool        Mode = "other tool"        // the model calls a tool that the prompt does not have
	TwoCalls         Mode = "two calls"         // the model calls the tool twice
	RetypedArguments Mode = "retyped arguments" // a string where the API has an object, or an object where it has a string
	CutOff           Mode = "cut off"           // the output limit ends the arguments, or the text, in their middle
	LongReasoning    Mode = "long reasoning"    // as CutOff if the limit is below 4,096 tokens
	LowLimit         Mode = "low limit"         // as CutOff; a limit of 4,096 tokens or more is an [InvalidRequest]

	NoTools      Mode = "no tools"       // tools are refused
	NoToolChoice Mode = "no tool choice" // only the choice of a tool is refused
	NoSchema     Mode = "no schema"      // the schema of an answer is refused
)

// Arguments are what a fake model calls a tool with, unless the test says otherwise.
const Arguments = `{"city":"Paris"}`

// Call is a call of a tool.
type Call struct {
	Name      string
	Arguments string // JSON; the beginning of it in CutOff
}

// CallWith makes the model call tools with these arguments, a JSON object, from now on.
func (s *Server) CallWith(arguments string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arguments = arguments
}

// answerPrompt sets what the model says in a mode, or calls. It returns the mode of the
// rest of the answer.
func (r *Request) answerPrompt(mode Mode, tool, arguments string) Mode {
	call := Call{tool, arguments}
	switch highLimit := r.outputLimit() >= 4096; {
	case mode == LongReasoning && highLimit:
		mode = Success
	case mode == LowLimit && highLimit:
		mode = InvalidRequest
	case mode == LongReasoning || mode == LowLimit:
		mode = CutOff
	}
	switch mode {
	case EmptyAnswer, Refused, Prose:
		tool = ""
	case WrongArguments:
		call.Arguments = `{"unexpected":1}`
	case OtherTool:
		call.Name = "other_tool"
	case CutOff:
		r.Cut = true
		call.Arguments = half(arguments)
		r.Text = half(r.Text)
	}
	r.Retyped = mode == RetypedArguments
	if tool != "" {
		r.Calls = []Call{call}
	}
	switch mode {
	case TwoCalls:
		r.Calls = slices.Concat(r.Calls, r.Calls)
		return Success
	case Prose, WrongArguments, OtherTool, RetypedArguments, CutOff:
		return Success
	}
	return mode
}

var outputLimit = regexp.MustCompile(`(?i)"max_?(?:completion_?|output_?)?tokens":(\d+)`)

// outputLimit returns the output limit of a prompt, under its name in any API; 0: none.
func (r *Request) outputLimit() int {
	found := outputLimit.FindSubmatch(r.Body)
	if found == nil {
		return 0
	}
	limit, _ := strconv.Atoi(string(found[1]))
	return limit
}

// half returns the first half of a text.
func half(text string) string {
	runes := []rune(text)
	return string(runes[:len(runes)/2])
}

// part is a parameter of a request, what it must be if it is there, and the schema in it.
type part struct {
	name   string
	sent   json.RawMessage
	want   any
	schema map[string]any
}

var functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// checkParts checks the parameters of a request for a tool, of which the tool itself is the
// first, and that for a schema.
func checkParts(tool string, parts ...part) error {
	if parts[0].sent != nil && !functionName.MatchString(tool) {
		return fmt.Errorf("the name of the tool is %q", tool)
	}
	for _, p := range parts {
		if p.sent == nil {
			continue
		}
		if !isJSON(p.sent, p.want) {
			return fmt.Errorf("%s is %s, want %s", p.name, p.sent, encode(p.want))
		}
		if err := checkSchema(p.schema); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// firstOf returns the first element of a list, or the zero value if there is none.
func firstOf[T any](list json.RawMessage) (first T) {
	var all []T
	if json.Unmarshal(list, &all) == nil && len(all) > 0 {
		return all[0]
	}
	return first
}

// refuses reports whether a mode refuses a request with these parameters.
func (m Mode) refuses(tools, choice, schema json.RawMessage) bool {
	return m == NoTools && tools != nil || m == NoToolChoice && choice != nil || m == NoSchema && schema != nil
}

// stop is the reason why an answer ends, which is regular unless there are calls, or the
// output limit cuts it off.
func (r *Request) stop(regular, calls, cut string) string {
	switch {
	case r.Cut:
		return cut
	case len(r.Calls) > 0:
		return calls
	}
	return regular
}

// input is the arguments of a call as an object. They are a string if they are retyped,
// and empty if they are cut off.
func (r *Request) input(call Call) any {
	switch {
	case r.Cut:
		return map[string]any{}
	case r.Retyped:
		return call.Arguments
	}
	return json.RawMessage(call.Arguments)
}

// checkSchema checks that a JSON Schema is strict: every object names all of its
// properties as required, and allows no others.
func checkSchema(schema map[string]any) error {
	if schema == nil {
		return errors.New("there is no schema")
	}
	if schema["type"] == "object" {
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		if schema["additionalProperties"] != false || len(required) != len(properties) {
			return fmt.Errorf("the schema is not strict: %s", encode(schema))
		}
		for _, name := range required {
			property, _ := properties[fmt.Sprint(name)].(map[string]any)
			if err := checkSchema(property); err != nil {
				return err
			}
		}
	}
	if schema["type"] == "array" {
		items, _ := schema["items"].(map[string]any)
		return checkSchema(items)
	}
	return nil
}

// isJSON reports whether a part of a request is exactly a value.
func isJSON(part json.RawMessage, want any) bool {
	var got, wanted any
	return json.Unmarshal(part, &got) == nil && json.Unmarshal(encode(want), &wanted) == nil && reflect.DeepEqual(got, wanted)
}
