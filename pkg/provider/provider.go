// Package provider knows the model providers: which settings each type needs,
// how to check them, and how to talk to the service behind it.
//
// A [Type] is one file with two structs, one for credentials and one for config. The
// tags of those structs are the single source for strict decoding, validation, the form
// description and the JSON Schema. Everything in the credentials struct is secret and is
// never returned; everything in the config struct is plain text. No code outside this
// package names a type.
//
// A [Client] is built with [Type.Open] from settings that [Type.Read] accepted.
// It calls the upstream through the given transport, never retries, reads nothing
// from the environment, and redacts every secret that it knows in the texts of the
// upstream.
package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"modelproviders/pkg/secret"
)

// Request contains the settings in a request: the JSON of each value by its field.
type Request struct {
	Credentials map[string]json.RawMessage
	Config      map[string]json.RawMessage
}

// Stored describes the stored settings of a provider; the zero value if there are
// none.
type Stored struct {
	// Credentials names the credential fields that have a stored value.
	Credentials []string
	Config      map[string]string
}

// Settings is the outcome of [Type.Read].
type Settings struct {
	// Credentials holds the fields whose value the request replaces. A field
	// that keeps its stored value (absent, null, "", the mask, or the object of a
	// response with the provider) is missing here.
	Credentials map[string]secret.Text
	// Removed names the credential fields whose stored value the request removes, sorted.
	Removed []string
	// Config is the whole wanted config, normalised.
	Config map[string]string
}

// OpenOptions are what a client is opened with besides the settings.
type OpenOptions struct {
	// Transport carries every call of the client; it never follows redirects.
	Transport http.RoundTripper
	// Endpoints are the operator's own, instead of the public ones.
	Endpoints Endpoints
	// Redact are secrets to redact besides the client's credentials: the stored ones
	// that a draft replaces or removes, by their fields.
	Redact map[string]secret.Text
}

// Form describes the settings of a type, for a user interface to draw.
type Form struct {
	Type        string
	Label       string
	Description string
	DocsURL     string // of the page where the credentials are created
	Icon        []byte // an SVG image
	// AuthMethods are the ways to authenticate, if there are several; the first one is
	// the default.
	AuthMethods        []AuthMethod
	Credentials        []FormField
	Config             []FormField
	ModelIDLabel       string
	ModelIDPlaceholder string
	// CredentialsSchema and ConfigSchema are JSON Schema 2020-12 objects.
	CredentialsSchema map[string]any
	ConfigSchema      map[string]any
}

// AuthMethod is one of several ways to authenticate with a type. A provider uses the
// one whose fields have values.
type AuthMethod struct{ Name, Label string }

func (f Form) methodLabel(name string) string {
	for _, m := range f.AuthMethods {
		if m.Name == name {
			return m.Label
		}
	}
	return ""
}

// FormField is one input of a form. Kind is `secret`, `secret_json`, `secret_map`, `text`
// or `url`.
type FormField struct {
	Name        string
	Label       string
	Kind        string
	Required    bool   // if its AuthMethod is used
	AuthMethod  string // the name of the method that the field is for; empty: all
	Needs       string // the name of the field that must have a value if this one has
	Help        string
	Placeholder string
	Suggestions []string // common values; others are accepted too
	Group       FieldGroup
	Pattern     string
}

// FieldGroup is a group of fields that belong together, which follow each other in
// the form; the zero value is none.
type FieldGroup struct{ Name, Label string }

// Client talks to one provider account. It is safe for concurrent use.
type Client interface {
	// Type is the name of the client's type.
	Type() string

	// Generate sends one prompt to a model and reads the whole answer. With
	// onDelta the answer is streamed: onDelta is called with each piece of
	// text, in order, from one goroutine, before Generate returns. A failure
	// is a Result with Failure set. Cancelling ctx ends the upstream call.
	Generate(ctx context.Context, prompt Prompt, onDelta func(text string)) Result

	// Models asks the upstream which models it offers, at most
	// [MaxDiscovered]. The error is a *[Failure].
	Models(ctx context.Context) (Discovery, error)

	// Check finds out whether the upstream accepts the credentials, without calling
	// a model: it asks for the list of models. A failure is a CheckResult with
	// Failure set. A list that the credentials may not read is not a failure.
	Check(ctx context.Context) CheckResult

	// Close wipes the client's copies of the credentials. No call may be under
	// way, or follow.
	Close()
}

// MaxDiscovered bounds the models of one discovery.
const MaxDiscovered = 1000

// Prompt is one request to a model.
type Prompt struct {
	ModelID string
	Text    string
	System  string // empty: none
	// MaxOutputTokens of 0 leaves the choice to the client.
	MaxOutputTokens int
	Temperature     *float64 // nil: not sent
	Tool            *Tool    // that the model has to call; nil: none
	Output          *Schema  // that the answer has to match; nil: any text
}

// Result is the outcome of one prompt.
type Result struct {
	// Failure is nil on success.
	Failure *Failure

	Response     string
	ToolCalls    []ToolCall // a model may answer with text although it has to call a tool
	Model        string     // as the upstream names it
	FinishReason string
	Warnings     []Warning
	Usage        *Usage // nil if the upstream does not report it
	// Sent are the parameters that were sent besides model and messages.
	Sent map[string]any

	// Latency spans sending the answered request to having read the whole
	// answer. FirstToken is the time to the first delta; 0 when not streamed.
	Latency    time.Duration
	FirstToken time.Duration
	Timing     Timing

	RequestID string // the provider's own id of the request
	Endpoint  string // the URL that was called, without its query
}

// Warning is something that a user should know although the model works.
type Warning struct {
	Code    WarningCode
	Message string
}

// WarningCode says what a [Warning] is about.
type WarningCode string

// The warnings of the API contract.
const (
	ReasoningOnly    WarningCode = "reasoning_only"      // all text came as reasoning; the response is empty
	ResponsesAPI     WarningCode = "responses_api"       // chat was refused, and the Responses API answered
	BaseURLWithoutV1 WarningCode = "base_url_without_v1" // the API was found at the base URL itself
	LimitRenamed     WarningCode = "limit_renamed"       // the output limit has another name than is usual for the type
	TokenLimit       WarningCode = "token_limit"         // the answer was cut off by the output limit
)

// Usage counts tokens.
type Usage struct {
	InputTokens  int
	OutputTokens int
}

// Timing splits the latency of one call. Connect and TLS are 0 on a warm
// connection.
type Timing struct {
	Connect   time.Duration
	TLS       time.Duration
	FirstByte time.Duration
	Total     time.Duration
}

// Discovery is the list of models that an upstream offers.
type Discovery struct {
	// Supported is false where the upstream has no such list.
	Supported bool
	// Truncated says that the upstream has more than MaxDiscovered.
	Truncated bool
	Models    []DiscoveredModel // ordered by ModelID
}

// DiscoveredModel is one model that an upstream offers.
type DiscoveredModel struct {
	ModelID     string
	DisplayName string // the ModelID where the upstream has no name for it
}

// FailureKind says why a call failed.
type FailureKind string

// The failure kinds of the API contract.
const (
	Authentication  FailureKind = "authentication"
	Permission      FailureKind = "permission"
	QuotaExceeded   FailureKind = "quota_exceeded"
	RateLimited     FailureKind = "rate_limited"
	ModelNotFound   FailureKind = "model_not_found"
	InvalidRequest  FailureKind = "invalid_request"
	ContentFiltered FailureKind = "content_filtered"
	Timeout         FailureKind = "timeout"
	Unreachable     FailureKind = "unreachable"
	Blocked         FailureKind = "blocked"
	Misconfigured   FailureKind = "misconfigured"
	UpstreamError   FailureKind = "upstream"
)

// Failure is a failed call, in the provider's words. Its texts contain none of the
// secrets that the client knows.
type Failure struct {
	Kind       FailureKind
	Message    string
	HTTPStatus int    // 0: no answer came
	Code       string // the provider's own error code; empty: none
	Hint       string // what a person can do about it; empty: unknown
	// Unsupported says that the model cannot do what the prompt asks for: the upstream
	// refused the tool, or could not read the model's call of it, or its JSON.
	Unsupported bool

	scope    scope   // what the failure concerns
	tooLarge bool    // the answer was longer than is read
	rules    []*rule // that decided, the deciding one last; see [tables]
}

// Error says kind and message.
func (f *Failure) Error() string { return string(f.Kind) + ": " + f.Message }

// OfProvider reports whether the failure concerns the whole provider, so that every
// other call would fail too.
func (f *Failure) OfProvider() bool {
	switch f.scope {
	case ofAccount:
		return true
	case ofModel:
		return false
	}
	switch f.Kind {
	case Authentication, QuotaExceeded, Unreachable, Blocked, Misconfigured:
		return true
	default:
		return false
	}
}
