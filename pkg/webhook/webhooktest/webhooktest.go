// Package webhooktest is a receiver of webhooks for tests. It verifies messages with the
// library of Standard Webhooks, and can refuse, delay and lose them.
package webhooktest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// NewSecret makes a secret.
func NewSecret() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}

// Message is an attempt to deliver a message.
type Message struct {
	ID     string
	At     time.Time
	Text   string
	Header http.Header
	Body   struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	Accepted bool // it was answered with 2xx
}

// Receiver is a running receiver.
type Receiver struct {
	URL     string
	Secret  string
	t       testing.TB
	address string

	mu       sync.Mutex
	answer   http.HandlerFunc
	messages []Message
	server   *http.Server
}

// Start starts a receiver on a loopback address. It fails the test if a message has no
// valid signature with its secret.
func Start(t testing.TB) *Receiver {
	t.Helper()
	r := &Receiver{Secret: NewSecret(), t: t, address: "127.0.0.1:0"}
	r.Return()
	r.URL = "http://" + r.address + "/hook"
	t.Cleanup(r.GoAway)
	return r
}

// Answer sets the answer to all further messages. Nil accepts them.
func (r *Receiver) Answer(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Refuse answers all further messages with a status and pairs of headers.
func (r *Receiver) Refuse(status int, headers ...string) {
	r.Answer(func(w http.ResponseWriter, _ *http.Request) {
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(status)
	})
}

// GoAway closes the port, and the connections.
func (r *Receiver) GoAway() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.server != nil {
		_ = r.server.Close()
		r.server = nil
	}
}

// Return opens the port again.
func (r *Receiver) Return() {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", r.address)
	if err != nil {
		r.t.Fatal("listen for webhooks: ", err)
	}
	r.address = listener.Addr().String()
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	go func(server *http.Server) { _ = server.Serve(listener) }(r.server)
}

// Attempts returns all attempts in the order in which they arrived.
func (r *Receiver) Attempts() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// Accepted returns the messages that were accepted; one more than once if it was sent
// more than once.
func (r *Receiver) Accepted() []Message {
	return slices.DeleteFunc(r.Attempts(), func(m Message) bool { return !m.Accepted })
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		return // the sender has stopped
	}
	message := Message{ID: request.Header.Get("Webhook-Id"), At: time.Now(), Text: string(body), Header: request.Header.Clone()}
	verifier, err := standardwebhooks.NewWebhook(r.Secret)
	if err == nil {
		err = verifier.Verify(body, request.Header)
	}
	if err == nil {
		err = json.Unmarshal(body, &message.Body)
	}
	if err != nil || request.Method != http.MethodPost {
		r.t.Errorf("%s %s is no webhook: %v\n%v", request.Method, body, err, request.Header)
	}
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	recorded := &recorder{ResponseWriter: w, status: http.StatusNoContent}
	if answer != nil {
		recorded.status = http.StatusOK
		answer(recorded, request)
	} else {
		w.WriteHeader(http.StatusNoContent)
	}
	message.Accepted = recorded.status >= 200 && recorded.status <= 299
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, message)
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements [http.ResponseWriter].
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
