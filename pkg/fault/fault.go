// Package fault is the one error type that travels through modelproviders.
//
// A package that meets an error of the outside world (a database's, an
// upstream's, a broken request) translates it here once; whoever answers a
// user maps [Kind] to the wire once. Everything else passes errors on.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong. Its value is the stable, machine-readable `code`
// of a problem document.
type Kind string

// The kinds of the API contract.
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
	Conflict             Kind = "conflict"
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

// The field codes of the API contract.
const (
	Required  Code = "required"
	Invalid   Code = "invalid"
	TooLong   Code = "too_long"
	TooMany   Code = "too_many"
	Unknown   Code = "unknown"
	Duplicate Code = "duplicate"
	Missing   Code = "not_found"
)

// Field is one broken field of a request. Name is its path as the client wrote
// it: `name`, `credentials.api_key`, `models[3].model_id`. Message is a
// sentence for people and never holds the value of a credential.
type Field struct {
	Name    string
	Code    Code
	Message string
}

// Fields are the broken fields of one request.
type Fields []Field

// maxFields bounds the broken fields that are gathered. A body of 1 MiB can have
// half a million of them, which nobody reads and which would take a hundred
// times its memory to tell.
const maxFields = 1000

// Full reports whether no more broken fields are gathered.
func (f *Fields) Full() bool { return len(*f) >= maxFields }

// Add appends a broken field; format and args make its message. Of more than
// 1,000 the rest is left out: it shows once these are mended.
func (f *Fields) Add(name string, code Code, format string, args ...any) {
	if f.Full() {
		return
	}
	*f = append(*f, Field{Name: name, Code: code, Message: fmt.Sprintf(format, args...)})
}

// Under returns the fields with prefix and a dot before each name.
func (f Fields) Under(prefix string) Fields {
	out := make(Fields, len(f))
	for i, field := range f {
		out[i] = field
		out[i].Name = prefix + "." + field.Name
	}
	return out
}

// Err returns nil when no field is broken, else an error of the given kind. A
// field that was found broken twice is told once.
func (f Fields) Err(kind Kind, format string, args ...any) error {
	if len(f) == 0 {
		return nil
	}
	told := map[string]bool{}
	fields := make(Fields, 0, len(f))
	for _, field := range f {
		if !told[field.Name] {
			fields = append(fields, field)
		}
		told[field.Name] = true
	}
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Fields: fields}
}

// Error is an error that knows how it is to be answered.
type Error struct {
	Kind    Kind
	Message string // for the user: what happened, to what, what to do
	Fields  Fields
	// RetryAfter is how long a client should wait; zero says nothing.
	RetryAfter time.Duration
	// Upstream says what a provider answered, with UpstreamFailed only.
	Upstream *Upstream
	// Err is the cause. It goes to the log, never to the user.
	Err error
}

// Upstream is what a provider's own service answered to a call we made.
type Upstream struct {
	Kind       string
	Message    string
	HTTPStatus int // 0: no answer came
	Hint       string
}

// New makes an error of a kind; format and args make the user's message.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an error of a kind with a cause that only the log sees.
func Wrap(kind Kind, err error, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...), Err: err}
}

// Error says kind, message and cause: it is for logs.
func (e *Error) Error() string {
	s := string(e.Kind) + ": " + e.Message
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

// As returns the fault in err's chain, or nil.
func As(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}

// Is reports whether err's chain holds a fault of that kind.
func Is(err error, kind Kind) bool {
	e := As(err)
	return e != nil && e.Kind == kind
}
