package provider

import (
	"context"
	"net/http"
	"slices"
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
	if !c.failed() {
		return false
	}
	said := c.problem()
	for i, param := range *o {
		words := refusalWords[param]
		if words == "" && said.refuses(param) || words != "" && !aboutAccount(c.status) && (said.param == param || said.says(words)) {
			*o = slices.Delete(*o, i, i+1)
			return true
		}
	}
	return false
}

// failed reports whether the call was made, and has the status of an error.
func (c *call) failed() bool { return c != nil && c.status >= http.StatusBadRequest }

// aboutAccount reports whether a status says that no other request would be accepted.
func aboutAccount(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// send sends a prompt with its optional parameters, and again without each that the
// upstream refuses.
func (p prompt) send(ctx context.Context, call func(optionalParams) (answer, error)) (answer, error) {
	optional := optionalOf(p)
	return sendAdapted(ctx, optional.drop, func() (answer, error) { return call(optional) })
}

// sendAdapted sends a prompt, and sends it again as long as its answer says how to adapt
// it, which adapt does and reports.
func sendAdapted(ctx context.Context, adapt func(*call) bool, send func() (answer, error)) (answer, error) {
	a, err := send()
	for err != nil && adapt(lastCall(ctx)) {
		a, err = send()
	}
	return a, err
}
