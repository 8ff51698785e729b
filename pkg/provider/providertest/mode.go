package providertest

// Mode is how a fake answers.
type Mode string

// Success is the answer of a model, in a stream where the request asks for one,
// or the list of models.
const Success Mode = "success"

// Errors that services document, each in the words of the service. A fake whose
// service has no such error doesn't know the mode.
const (
	Authentication    Mode = "authentication"     // the credentials are refused
	Permission        Mode = "permission"         // the account may not use this model
	AccountPermission Mode = "account permission" // the account may not use the service
	QuotaExceeded     Mode = "quota exceeded"
	RateLimited       Mode = "rate limited"
	ModelNotFound     Mode = "model not found"
	InvalidRequest    Mode = "invalid request"
	ContentFiltered   Mode = "content filtered"
	Overloaded        Mode = "overloaded"
	ErrorInSuccess    Mode = "error in success" // an error with the status of a success
	ErrorInStream     Mode = "error in stream"  // after the first deltas
	EmptyAnswer       Mode = "empty answer"     // the output limit was reached before any text
	Refused           Mode = "refused"          // a success in which a filter kept the model from answering
)

// Modes of servers that differ from OpenAI's; the fakes of that family know
// them.
const (
	OnlyMaxTokens   Mode = "only max_tokens"   // max_completion_tokens is refused
	OnlyResponses   Mode = "only responses"    // the model is not served as chat completions
	NoStreamOptions Mode = "no stream_options" // refused
	NoTemperature   Mode = "no temperature"    // refused, as by reasoning models
	NoModelList     Mode = "no model list"     // there is no list of models
)

// Misbehaviour that any server is capable of. It is made of the fake's
// success.
const (
	Truncated     Mode = "truncated"      // half of the body, then its regular end
	CloseMidBody  Mode = "close mid body" // half of the body, then the connection closes
	Silent        Mode = "silent"         // the connection is accepted, nothing comes
	Stall         Mode = "stall"          // half of the body, then nothing
	Drip          Mode = "drip"           // a byte a second
	Huge          Mode = "huge"           // half of the body, then up to a gigabyte
	HTML          Mode = "html"           // a page with status 200
	HTMLNotFound  Mode = "html not found" // a page with status 404
	HTMLBadGate   Mode = "html bad gate"  // a page with status 502, as of a proxy
	Redirect      Mode = "redirect"       // 307 to another host
	BrokenUTF8    Mode = "broken utf-8"   // in the model's text
	ManyHeaders   Mode = "many headers"   // 10,000 of them
	Echo          Mode = "echo"           // the model says the credentials
	EchoError     Mode = "echo error"     // a refusal that says the credentials
	ServerClosing Mode = "server closing" // the connection closes without an answer
	PlainError    Mode = "plain error"    // 500 with plain text
	EmptyError    Mode = "empty error"    // 503 with nothing
	NotJSON       Mode = "not json"       // 200 with text of the type of a success
)
