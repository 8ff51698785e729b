package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tokenServer is a token endpoint that answers as told, and counts.
type tokenServer struct {
	*httptest.Server
	calls  atomic.Int32
	answer func(w http.ResponseWriter, r *http.Request)
}

func newTokenServer(t *testing.T, answer func(http.ResponseWriter, *http.Request)) *tokenServer {
	t.Helper()
	s := &tokenServer{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		if err := r.ParseForm(); err != nil { // with the body read, a client that leaves is noticed
			t.Error(err)
		}
		s.answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// tokens makes a token source that fetches from the server.
func (s *tokenServer) tokens(t *testing.T) *tokenTransport[string] {
	t.Helper()
	account, err := parseServiceAccount(toJSON(t, newKeyFile(t)))
	if err != nil {
		t.Fatal(err)
	}
	return googleTokens(t, account, http.DefaultTransport, s.URL+"/token")
}

// googleTokens makes a token source of a service account.
func googleTokens(t testing.TB, account serviceAccount, transport http.RoundTripper, endpoint string) *tokenTransport[string] {
	t.Helper()
	client := newHTTPClient(transport)
	return withToken(environment{http: client, tokens: client}, googleTokenConfig(account, endpoint), googleTokenTables).Transport.(*tokenTransport[string])
}

func issue(token string, seconds int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"expires_in":%d,"token_type":"Bearer"}`, token, seconds)
	}
}

func TestTokenIsFetchedOnceForManyCallers(t *testing.T) {
	server := newTokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		issue("token-1", 3600)(w, r)
	})
	tokens := server.tokens(t)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if got, err := tokens.get(t.Context()); err != nil || got != "token-1" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wait.Wait()
	if n := server.calls.Load(); n != 1 {
		t.Errorf("it was fetched %d times", n)
	}
}

func TestTokenIsFetchedAgain(t *testing.T) {
	server := newTokenServer(t, issue("token-1", 60))
	tokens := server.tokens(t)
	for want := range 2 {
		if _, err := tokens.get(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := server.calls.Load(); n != int32(want)+1 {
			t.Errorf("a token that is nearly over was fetched %d times for %d calls", n, want+1)
		}
	}
	server.answer = issue("token-2", 3600)
	first, err := tokens.get(t.Context())
	if err != nil || first != "token-2" {
		t.Fatalf("got %q, %v", first, err)
	}
	tokens.drop("some other token")
	if _, err := tokens.get(t.Context()); err != nil || server.calls.Load() != 3 {
		t.Errorf("a good token was dropped for another one's sake (%v)", err)
	}
	tokens.drop(first)
	if _, err := tokens.get(t.Context()); err != nil || server.calls.Load() != 4 {
		t.Errorf("a refused token was used again (%v)", err)
	}
}

func TestTokenCallHearsItsCaller(t *testing.T) {
	arrived := make(chan struct{}, 1)
	server := newTokenServer(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	tokens := server.tokens(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { _, err := tokens.get(ctx); done <- err }()
	<-arrived

	// Who only waits for the other's call goes when its own time is up.
	waiting, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := tokens.get(waiting); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the one that waits got %v", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled one got %v", err)
	}
	// And the next one is not held up by either.
	server.answer = issue("token-1", 3600)
	if got, err := tokens.get(t.Context()); err != nil || got != "token-1" {
		t.Errorf("the next one got %q, %v", got, err)
	}
}

func TestSecondEndpointAnswersWithoutAToken(t *testing.T) {
	server := newTokenServer(t, issue("", 3600))
	if token, err := server.tokens(t).get(t.Context()); err == nil {
		t.Errorf("got %q", token)
	}
}

// TestTokenCallKeepsItsAssertion has the endpoint echo what it was sent.
func TestTokenCallKeepsItsAssertion(t *testing.T) {
	sent := ""
	server := newTokenServer(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.PostForm.Get("assertion")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"no good: %s, signed %s"}`, sent, sent[strings.LastIndexByte(sent, '.')+1:])
	})
	e := &exchange{redact: newRedactor()}
	ctx := withExchange(t.Context(), e)
	_, err := server.tokens(t).get(ctx)
	if err == nil || sent == "" {
		t.Fatalf("got %v for %q", err, sent)
	}
	f := googleTokenTables.explain(ctx, "", err)
	said := e.redact.text(f.Message)
	if strings.Contains(said, sent) || strings.Contains(said, sent[strings.LastIndexByte(sent, '.')+1:]) {
		t.Errorf("the assertion leaves in %q", said)
	}
}
