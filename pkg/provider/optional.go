package provider

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// optionalParams are the parameters of a request that are left out if the upstream
// refuses them. They have OpenAI's names; other APIs have other names for some, and do not
// have all.
type optionalParams []string

const (
	streamOptions  = "stream_options"
	strict         = "strict" // of a function and a response format
	toolChoice     = "tool_choice"
	toolStream     = "tool stream" // an answer that may call a tool is streamed
	responseFormat = "response_format"
)

// refusalWords are the words of which a refusal of a parameter contains one. Sources:
// answers of OpenAI, Azure OpenAI, vLLM, llama.cpp, LM Studio, DeepSeek, Groq, Anthropic,
// Amazon Bedrock and Vertex AI.
var refusalWords = map[string]string{
	strict:     "'strict'|`strict`|\"strict\"|.strict",
	toolChoice: "tool_choice|tool choice|toolchoice|forced function calling|function calling mode",
	toolStream: "tool use in streaming mode",
	responseFormat: "response_format|response format|text.format|json_schema|json schema|structured output|" +
		"output_config|output_format|outputconfig|responsejsonschema|response_json_schema|response schema|mimetype|json mode|controlled generation",
}

// optionalOf returns the optional parameters that a prompt needs.
func optionalOf(p prompt) (optional optionalParams) {
	if p.stream {
		optional = append(optional, streamOptions)
	}
	if p.Tool != nil || p.Output != nil {
		optional = append(optional, strict)
	}
	if p.Tool != nil {
		optional = append(optional, toolChoice, toolStream)
	}
	if p.Output != nil {
		optional = append(optional, responseFormat)
	}
	return optional
}

func (o optionalParams) sends(param string) bool { return slices.Contains(o, param) }

// drop drops the first of the parameters that an answer refuses, and reports whether there
// is one. A refusal of a tool or a schema has many forms: the parameter may be unknown, or
// only its value, or only together with the model. The response to the next request shows
// whether the parameter was the reason.
func (o *optionalParams) drop(c *call) bool {
	if c == nil || c.status < http.StatusBadRequest {
		return false
	}
	said := c.problem()
	noOtherAccepted := slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}, c.status)
	for i, param := range *o {
		words := refusalWords[param]
		if words == "" && said.refuses(param) || words != "" && !noOtherAccepted && (said.param == param || said.says(words)) {
			*o = slices.Delete(*o, i, i+1)
			return true
		}
	}
	return false
}

// refuses reports whether the problem is that a parameter is not known, rather
// than that its value is wrong.
func (p problem) refuses(param string) bool {
	if p.param != param && !p.says(param) {
		return false
	}
	if hasCode("unsupported_parameter|unknown_parameter|extra_forbidden", p) {
		return true
	}
	if p.param == param && !hasCode("*value*|*range*|*above*|*below*|*max*", p) && !strings.ContainsAny(p.message, "0123456789") {
		return true // in a language that is not known here
	}
	return p.says("unknown|unrecognized|unrecognised|not supported|does not support|unsupported|extra inputs|extra fields|not permitted|unexpected|additional properties|no such")
}

// send sends a prompt with optional parameters, and again without each that the upstream
// refuses.
func (p prompt) send(ctx context.Context, optional optionalParams, call func(optionalParams) (answer, error)) (answer, error) {
	a, err := call(optional)
	for err != nil && optional.drop(lastCall(ctx)) {
		a, err = call(optional)
	}
	return a, err
}
