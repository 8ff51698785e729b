package provider

import "errors"

// Why an answer ended. The services have words of their own for the same few
// reasons; a result uses OpenAI's. A reason that is not among them is passed on
// in the words of the service.
const (
	finishStop      = "stop"       // the model had said everything
	finishLength    = "length"     // the output limit or the context was used up
	finishToolCalls = "tool_calls" // the model wants a tool to be called
	finishFiltered  = "content_filter"
)

// Why what came with status 200 is no answer; [explain] says it to people.
var (
	errNoAnswer = errors.New("the body is not an answer of this API")
	errNoList   = errors.New("the body is not a list of models")
	errBrokeOff = errors.New("the stream ended before the answer did")
)
