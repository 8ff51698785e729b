package providertest

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
)

// Server is a fake that is being served. It is safe for concurrent use.
type Server struct {
	Fake
	// URL is where it is served: scheme://host:port.
	URL string
	// Credentials and Config are settings that it accepts.
	Credentials map[string]any
	Config      map[string]any
	// RootCAs has the authority of its certificate; nil without TLS.
	RootCAs *x509.CertPool

	t testing.TB

	mu   sync.Mutex
	mode Mode
	text string
	// texts are what the model says to requests that contain the key
	texts map[string]string
	// arguments are those of calls of tools
	arguments string
	requests  []Request
	redirect  string

	left chan struct{}
	stop func()
}

// Start serves a fake until the test ends. It answers with [Success].
func Start(t testing.TB, fake Fake) *Server {
	t.Helper()
	s := &Server{Fake: fake, t: t, mode: Success, text: Text, arguments: Arguments, left: make(chan struct{}, 1024)}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = quiet()
	server.EnableHTTP2 = fake.TLS
	if fake.TLS {
		server.StartTLS()
		s.RootCAs = x509.NewCertPool()
		s.RootCAs.AddCert(server.Certificate())
	} else {
		server.Start()
	}
	s.stop = sync.OnceFunc(func() {
		server.CloseClientConnections()
		server.Close()
	})
	t.Cleanup(s.stop)
	s.URL = server.URL
	s.Credentials, s.Config = fake.Settings(s.URL)
	return s
}

// Use makes the server answer in a mode from now on.
func (s *Server) Use(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Say makes the model say a text from now on.
func (s *Server) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// SayTo makes the model say a text to requests whose body contains part, which has no
// characters that JSON escapes, from now on.
func (s *Server) SayTo(part, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts == nil {
		s.texts = map[string]string{}
	}
	s.texts[part] = text
}

// RedirectTo is where [Redirect] points to.
func (s *Server) RedirectTo(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.redirect = url
}

// Stop ends the server before the test does: nothing listens any more.
func (s *Server) Stop() { s.stop() }

// Requests are the requests that came, without the auxiliary ones.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Left yields once for each request whose client went away before the answer
// was complete.
func (s *Server) Left() <-chan struct{} { return s.left }

// ProviderEndpoints is the operator's setting that leads the type here; empty
// where its config does.
func (s *Server) ProviderEndpoints() string {
	if s.Endpoints == nil {
		return ""
	}
	return s.Endpoints(s.URL)
}

// Host is host:port of the server, as an operator allows it to users.
func (s *Server) Host() string {
	u, err := url.Parse(s.URL)
	if err != nil {
		s.t.Errorf("providertest: %v", err)
		return ""
	}
	return u.Host
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, raw *http.Request) {
	body, err := io.ReadAll(raw.Body)
	if err != nil {
		return // the client went away
	}
	raw.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	mode, redirect, arguments := s.mode, s.redirect, s.arguments
	r := Request{
		Method: raw.Method, Path: raw.URL.EscapedPath(), Query: raw.URL.RawQuery,
		Header: raw.Header.Clone(), Host: raw.Host, Body: body, Text: s.text, raw: raw,
	}
	for part, text := range s.texts {
		if bytes.Contains(body, []byte(part)) {
			r.Text = text
		}
	}
	s.mu.Unlock()
	if s.Auxiliary != nil {
		if a, ok := s.Auxiliary(&r); ok {
			send(w, a)
			return
		}
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if err := s.Check(&r); err != nil {
		s.t.Errorf("%s refuses %s %s: %v", s.Type, r.Method, r.Path, err)
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	if !s.Authentic(&r) {
		s.answer(w, &r, Authentication)
		return
	}
	mode = r.answerPrompt(mode, s.Tool(&r), arguments)
	if _, own := s.Answer(&r, mode); own {
		s.answer(w, &r, mode)
		return
	}
	s.misbehave(w, &r, mode, redirect)
}

// answer sends the service's own answer in a mode.
func (s *Server) answer(w http.ResponseWriter, r *Request, mode Mode) {
	a, ok := s.Answer(r, mode)
	if !ok {
		s.t.Errorf("%s has no answer for %q", s.Type, mode)
		http.Error(w, fmt.Sprintf("no answer for %q", mode), http.StatusTeapot)
		return
	}
	send(w, a)
}

// send sends an answer; each piece of a stream by itself.
func send(w http.ResponseWriter, a Answer) {
	begin(w, a)
	if a.Pieces == nil {
		_, _ = w.Write(a.Body)
		return
	}
	for _, piece := range a.Pieces {
		if _, err := w.Write(piece); err != nil {
			return
		}
		flush(w)
	}
}

func begin(w http.ResponseWriter, a Answer) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.Status)
}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
