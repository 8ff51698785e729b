// Package providertest has a wire-faithful fake of each upstream.
//
// A [Fake] says how one service checks a request and how it answers, in its own
// words, with its own headers. [Start] serves it on a port of this machine: a
// request that the real service would not understand fails the test, one with
// wrong credentials or an unknown model gets the refusal of the real service.
//
// What a started [Server] answers is chosen by the test, by [Server.Use]: a
// success (streamed where the request asks for it), one of the service's
// documented errors, or a misbehaviour that any server is capable of.
package providertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
)

// Fake is one upstream.
type Fake struct {
	// Type is the name of the provider type it is the upstream of.
	Type string
	// Variant says what is special about the credentials that it takes, if the type
	// has several kinds of them; empty for the usual ones.
	Variant string
	// ModelID is a model that it serves.
	ModelID string
	// TLS: it is served over TLS, with a certificate of its own authority.
	TLS bool
	// Settings are credentials and config that it accepts when served at url
	// (scheme://host:port).
	Settings func(url string) (credentials, config map[string]any)
	// Endpoints is the operator's setting that leads the type to url, such as
	// `openai=http://127.0.0.1:1234/v1`; nil where config does.
	Endpoints func(url string) string

	// Check returns what is wrong with a request that the real service could
	// not understand: a wrong path, a missing header, an unknown parameter.
	Check func(r *Request) error
	// Authentic reports whether the request's credentials are right.
	Authentic func(r *Request) bool
	// Auxiliary answers a request that is not the model's or the list's, such
	// as the one for an access token. It is answered the same in every mode.
	// nil, and false, where there is none.
	Auxiliary func(r *Request) (Answer, bool)
	// Tool returns the name of the tool that a prompt has, or empty.
	Tool func(r *Request) string
	// Answer is what the service answers in a mode; false where the mode is not
	// one of its own. It knows [Success] and the modes of documented errors.
	Answer func(r *Request, mode Mode) (Answer, bool)
}

// fakes makes the fakes of each provider type, by the type's name. Each fake's
// file adds its own.
var fakes = map[string][]func() Fake{}

// register makes a fake the one of its type, followed by its variants.
func register(fake func() Fake, variants ...func() Fake) bool {
	fakes[fake().Type] = append([]func() Fake{fake}, variants...)
	return true
}

// Fakes is a fake of the upstream of every provider type, in the order of
// [provider.Types]. A type without one fails the test.
func Fakes(t testing.TB) []Fake {
	t.Helper()
	return slices.DeleteFunc(Variants(t), func(f Fake) bool { return f.Variant != "" })
}

// Variants is Fakes, each followed by its variants.
func Variants(t testing.TB) []Fake {
	t.Helper()
	var all []Fake
	for _, typ := range provider.Types() {
		if fakes[typ.Name()] == nil {
			t.Fatalf("provider type %q has no fake: add one to pkg/provider/providertest and register it", typ.Name())
		}
		for _, fake := range fakes[typ.Name()] {
			all = append(all, fake())
		}
	}
	return all
}

// Request is one request to a fake.
type Request struct {
	Method string
	Path   string // escaped
	Query  string
	Header http.Header
	Host   string
	Body   []byte
	// Text is what the model is to say.
	Text string
	// Calls are what the model is to call instead; empty: nothing.
	Calls []Call
	// Cut says that the output limit ends text and calls.
	Cut bool
	// Retyped says that arguments are a string where the API has an object, or the other
	// way round.
	Retyped bool

	raw *http.Request
}

// HTTP is the request as it came, with its body read already.
func (r *Request) HTTP() *http.Request { return r.raw }

// Answer is one answer of a fake. With Pieces it is a stream: each is sent by
// itself. Body is the whole of any other.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Pieces [][]byte
}

// Text is what a fake model says.
const Text = "Hello, wörld! I am a fake."

// Pieces cuts a text into the deltas of a stream, of two characters each.
func Pieces(text string) []string {
	runes := []rune(text)
	var pieces []string
	for len(runes) > 0 {
		n := min(2, len(runes))
		pieces = append(pieces, string(runes[:n]))
		runes = runes[n:]
	}
	return pieces
}

// RequestID is the provider's id of a request that fakes answer with.
const RequestID = "req_0123456789abcdef"

// Headers makes an answer's header of names and values in turn.
func Headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// bearer is the token of an Authorization header.
func bearer(r *Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}
