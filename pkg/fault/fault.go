// Package fault has the error type that all packages share.
//
// A package that gets an error from outside (the database, an upstream, a request)
// translates it into an [Error] once, and the API maps [Kind] to a response once.
// Everything in between passes errors on.
package fault

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what went wrong. It is the `code` of a problem document.
type Kind string

// The kinds of the API.
const (
	MalformedRequest     Kind = "malformed_request"
	Unauthenticated      Kind = "unauthenticated"
	Forbidden            Kind = "forbidden"
	RevealDisabled       Kind = "reveal_disabled"
	NotFound             Kind = "not_found"
	MethodNotAllowed     Kind = "method_not_allowed"
	NameTaken            Kind = "name_taken"
	ModelExists          Kind = "model_exists"
	LastAdmin            Kind = "last_admin"
	InUse                Kind = "in_use"
	Conflict             Kind = "conflict"
	Gone                 Kind = "gone"
	VersionMismatch      Kind = "version_mismatch"
	TooLarge             Kind = "too_large"
	UnsupportedMediaType Kind = "unsupported_media_type"
	ValidationFailed     Kind = "validation_failed"
	TypeImmutable        Kind = "type_immutable"
	CredentialsRequired  Kind = "credentials_required"
	IdempotencyKeyReused Kind = "idempotency_key_reused"
	RateLimited          Kind = "rate_limited"
	Internal             Kind = "internal"
	UpstreamFailed       Kind = "upstream_failed"
	Unavailable          Kind = "unavailable"
)

// Code says what is wrong with one field.
type Code string

// The field codes of the API.
const (
	Required  Code = "required"
	Invalid   Code = "invalid"
	TooLong   Code = "too_long"
	TooMany   Code = "too_many"
	Unknown   Code = "unknown"
	Duplicate Code = "duplicate"
	Missing   Code = "not_found"
)

// Field is one invalid field of a request. Name is its path as the client wrote
// it, such as `credentials.api_key` or `models[3].model_id`. Message never
// contains the value of a credential.
type Field struct {
	Name    string
	Code    Code
	Message string
}

// Fields are the invalid fields of one request.
type Fields []Field

// maxFields bounds the invalid fields that are reported: a body of 1 MiB can have
// half a million.
const maxFields = 1000

// Full reports whether further fields will be dropped.
func (f *Fields) Full() bool { return len(*f) >= maxFields }

// Add appends an invalid field, unless there are 1,000 already. format and args
// make its message.
func (f *Fields) Add(name string, code Code, format string, args ...any) {
	if f.Full() {
		return
	}
	*f = append(*f, Field{Name: name, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Under returns the fields with prefix and a dot in front of each name.
func (f Fields) Under(prefix string) Fields {
	out := slices.Clone(f)
	for i := range out {
		out[i].Name = prefix + "." + out[i].Name
	}
	return out
}

// Err returns nil if there is no invalid field, else an error of the given kind. It
// keeps the first of several entries for one field.
func (f Fields) Err(kind Kind, format string, args ...any) error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Fields: f.unique()}
}

// Invalid is [Fields.Err] for validation_failed. outcome says what did not happen,
// such as "Provider not created"; the number of fields is added to it.
func (f Fields) Invalid(outcome string) error {
	if n := len(f.unique()); n != 1 {
		return f.Err(ValidationFailed, "%s: %d invalid fields.", outcome, n)
	}
	return f.Err(ValidationFailed, "%s: 1 invalid field.", outcome)
}

func (f Fields) unique() Fields {
	seen := map[string]bool{}
	var unique Fields
	for _, field := range f {
		if !seen[field.Name] && !unique.Full() {
			unique = append(unique, field)
		}
		seen[field.Name] = true
	}
	return unique
}

// Problems are the problems of a request. Malformed fields can't be decoded, Invalid
// fields break a rule.
type Problems struct{ Malformed, Invalid Fields }

// Add adds the problems of a part of the request.
func (p *Problems) Add(part Problems) {
	p.Malformed = append(p.Malformed, part.Malformed...)
	p.Invalid = append(p.Invalid, part.Invalid...)
}

// Err returns nil if there is no problem, malformed_request if a field is malformed,
// and validation_failed otherwise. For outcome see [Fields.Invalid].
func (p Problems) Err(outcome string) error {
	if len(p.Malformed) > 0 {
		return p.Malformed.Err(MalformedRequest, "Request body is malformed; see errors.")
	}
	return p.Invalid.Invalid(outcome)
}

// Error is an error with the content of the API's response for it.
type Error struct {
	Kind       Kind
	Message    string // for the user: what happened, and what to do
	Fields     Fields
	RetryAfter time.Duration // how long a client should wait; 0: not specified
	Upstream   *Upstream     // what a provider answered, with UpstreamFailed only
	Use        *Use          // what depends on models, with InUse only
	Err        error         // the cause, which is logged but never answered
}

// Upstream is what a provider's service answered to a call.
type Upstream struct {
	Kind       string
	Message    string
	HTTPStatus int // 0: there was no answer
	Hint       string
}

// Use is what depends on models that can't be removed or disabled because of it.
type Use struct {
	References []Reference // some of them
	Count      int         // of all
}

// Reference is one thing that depends on a model.
type Reference struct {
	ID      string // of the model
	ModelID string // the upstream's id of the model
	Ref     string
	Label   string
	URL     string // empty: none
}

// New returns an error whose message for the user is made from format and args.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap is [New] with a cause.
func Wrap(kind Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: err}
}

// After sets how long a client should wait, and returns the error.
func (e *Error) After(wait time.Duration) *Error {
	e.RetryAfter = wait
	return e
}

// Error returns message, fields and cause, for logs and the command line.
func (e *Error) Error() string {
	s := strings.TrimSuffix(e.Message, ".")
	for _, f := range e.Fields {
		s += fmt.Sprintf("; %s: %s", f.Name, f.Message)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As returns the first [Error] in err's chain, or nil.
func As(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// Is reports whether the first [Error] in err's chain is of that kind.
func Is(err error, kind Kind) bool {
	e := As(err)
	return e != nil && e.Kind == kind
}
