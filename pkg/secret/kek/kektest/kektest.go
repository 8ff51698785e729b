// Package kektest has a wire-faithful fake of each key management service (KMS).
//
// [Start] serves one on a port of this machine, with a key. A request that the real
// service would not understand fails the test. What the fake answers is chosen by
// [Server.Use]: a success, one of the service's own refusals, or a misbehaviour of which
// any server is capable.
package kektest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

// Mode is what a fake answers.
type Mode string

// The refusals of the services.
const (
	Success   Mode = "success"
	Denied    Mode = "access denied"
	Missing   Mode = "key not found"
	Disabled  Mode = "key disabled"
	Throttled Mode = "throttled"
	Broken    Mode = "internal error"
)

// Misbehaviours of any server.
const (
	Garbage Mode = "garbage"
	Endless Mode = "endless"
	Echo    Mode = "an error that quotes the request"
	Silent  Mode = "no answer"
)

// Fake is a KMS.
type Fake struct {
	Name string
	// tls: it is served over TLS.
	tls bool
	// start returns the URI of the key and the environment of a process that may use
	// it, in the form of [os.Environ].
	start func(t testing.TB, s *Server) (uri string, environ []string)
	// auxiliary answers a request that is not for the key. nil: there is none.
	auxiliary func(s *Server, r *providertest.Request) (answer, bool)
	// request returns what is asked, or what is wrong with the request.
	request func(s *Server, r *providertest.Request) (operation, error)
	// answer answers what was asked. Where opened is false, the ciphertext is not of
	// this key.
	answer func(s *Server, op operation, result []byte, opened bool) answer
	// refusal is the answer in a mode, with a message.
	refusal func(s *Server, mode Mode, message string) answer
}

// Fakes are the fakes of all services.
func Fakes() []Fake { return []Fake{aws(), gcp(), vault()} }

// operation is what a request asks for.
type operation struct {
	encrypt bool
	data    []byte // plaintext or ciphertext
}

type answer struct {
	status int
	header map[string]string
	body   any // encoded as JSON
}

// Server is a fake that is being served.
type Server struct {
	// URI is that of the key.
	URI string
	// Environ is the environment of a process that may use the key, in the form of
	// [os.Environ].
	Environ []string

	fake    Fake
	url     string
	ca      string // file of the authority of its certificate
	dir     string
	key     cipher.AEAD
	account *rsa.PublicKey // of Google
	server  *httptest.Server
	stop    func()
	ended   chan struct{}

	mu    sync.Mutex
	mode  Mode
	calls int
}

// Start serves a fake until the test ends.
func Start(t testing.TB, fake Fake) *Server {
	t.Helper()
	s := &Server{fake: fake, mode: Success, dir: t.TempDir(), ended: make(chan struct{})}
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	block, err := aes.NewCipher(material)
	if err == nil {
		s.key, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(t, w, r) }))
	s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if fake.tls {
		s.server.StartTLS()
		s.ca = s.Write(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw}))
	} else {
		s.server.Start()
	}
	s.url = s.server.URL
	s.stop = sync.OnceFunc(func() {
		close(s.ended)
		s.server.CloseClientConnections()
		s.server.Close()
	})
	t.Cleanup(s.stop)
	s.URI, s.Environ = fake.start(t, s)
	return s
}

// Setenv makes this process one that may use the key, until the test ends.
func (s *Server) Setenv(t testing.TB) {
	t.Helper()
	for _, variable := range s.Environ {
		name, value, _ := bytes.Cut([]byte(variable), []byte("="))
		t.Setenv(string(name), string(value))
	}
}

// Use makes the server answer in a mode from now on.
func (s *Server) Use(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = mode
}

// Stop ends the server before the test does: nothing listens any more.
func (s *Server) Stop() { s.stop() }

// Calls returns how many requests for the key came.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Write writes a file that stays until the test ends, and returns its path.
func (s *Server) Write(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *Server) serve(t testing.TB, w http.ResponseWriter, raw *http.Request) {
	body, err := io.ReadAll(raw.Body)
	if err != nil {
		return // the client went away
	}
	r := &providertest.Request{Method: raw.Method, Path: raw.URL.EscapedPath(), Query: raw.URL.RawQuery, Header: raw.Header, Host: raw.Host, Body: body}
	if s.fake.auxiliary != nil {
		if a, ok := s.fake.auxiliary(s, r); ok {
			send(w, a)
			return
		}
	}
	op, err := s.fake.request(s, r)
	if err != nil {
		t.Errorf("%s refuses %s %s: %v", s.fake.Name, r.Method, r.Path, err)
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	s.mu.Lock()
	s.calls++
	mode := s.mode
	s.mu.Unlock()
	s.answer(w, mode, op, body)
}

func (s *Server) answer(w http.ResponseWriter, mode Mode, op operation, request []byte) {
	switch mode {
	case Success:
		result, opened := s.key.Seal(nil, nil, op.data, nil), true
		if !op.encrypt {
			var err error
			result, err = s.key.Open(nil, nil, op.data, nil)
			opened = err == nil
		}
		send(w, s.fake.answer(s, op, result, opened))
	case Garbage:
		_, _ = io.WriteString(w, "<html>Welcome to the captive portal</html>")
	case Endless:
		piece := bytes.Repeat([]byte(`{"a":`), 1<<14)
		for {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	case Echo:
		send(w, s.fake.refusal(s, Broken, string(request)))
	case Silent:
		<-s.ended
	default:
		send(w, s.fake.refusal(s, mode, ""))
	}
}

func send(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body)
}

// decodeStrictly decodes the body of a request, which must have no other fields.
func decodeStrictly(r *providertest.Request, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the body: %w", err)
	}
	return nil
}

// wrong returns an error for the first header that is not as it must be.
func wrong(r *providertest.Request, header ...string) error {
	for i := 0; i+1 < len(header); i += 2 {
		if got := r.Header.Get(header[i]); got != header[i+1] {
			return fmt.Errorf("the header %s is %q, want %q", header[i], got, header[i+1])
		}
	}
	return nil
}
