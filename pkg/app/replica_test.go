package app_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// TestReplicas: an edit on one replica takes effect in the next call on another.
func TestReplicas(t *testing.T) {
	t.Parallel()
	url, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "keyset.json")
	a := running(t, onPostgres(url, keyset))
	b := running(t, onPostgres(url, keyset))
	if b.token != "" {
		t.Fatal("the second replica made a token too")
	}
	b.token = a.token
	upstream := providertest.Start(t, providertest.Custom())
	provider, model := a.connect(t, upstream)
	test := func(s *service, wants string) {
		t.Helper()
		if got := s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt()); got.string("status") != wants {
			t.Fatalf("the test answered %s", got.text)
		}
	}
	status := func(s *service) string { return s.must(t, 200, "GET", "/providers/"+provider, nil).string("status") }
	key := func(s *service, key any) {
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"credentials": object{"api_key": key}})
	}

	test(b, "success") // b has a client now
	key(a, "sk-not-the-right-one")
	test(b, "failed")
	if used := upstream.Requests()[1].Header.Get("Authorization"); used != "Bearer sk-not-the-right-one" {
		t.Errorf("the other replica sent %q", used)
	}
	if got := status(a); got != "error" {
		t.Errorf("the status that one replica observed is %q on the other", got)
	}
	key(b, upstream.Credentials["api_key"])
	test(a, "success")
	test(b, "success")
	if got := status(a); got != "active" {
		t.Errorf("the status is %q", got)
	}
	if got := b.must(t, 200, "POST", "/providers/"+provider+"/credentials/api_key/reveal", nil).string("value"); got != upstream.Credentials["api_key"] {
		t.Errorf("revealed %q", got)
	}
	a.must(t, 204, "DELETE", "/providers/"+provider, nil)
	b.must(t, 404, "POST", "/models/"+model+"/test", aPrompt())
}

// TestReplicasAgree: revocations and idempotency keys of one replica apply on the other,
// each enforces its share of a limit, and both write one audit chain.
func TestReplicasAgree(t *testing.T) {
	storetest.Long(t) // it waits for heartbeats
	t.Parallel()
	url, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "keyset.json")
	began := time.Now()
	var passed atomic.Int64 // of time; the clock stands still otherwise
	limited := func(c *app.Config) {
		onPostgres(url, keyset)(c)
		c.Limits = app.Limits{TestsPerMinute: 5, RevealsPerMinute: 2}
		c.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	}
	a, b := running(t, limited), start(t, limited)
	b.token = a.token
	upstream := providertest.Start(t, providertest.Custom())
	provider, model := a.connect(t, upstream)

	made := a.must(t, 201, "POST", "/tokens", object{"name": "short-lived", "role": "viewer"})
	elsewhere := *b
	elsewhere.token = made.string("token")
	elsewhere.must(t, 200, "GET", "/providers", nil)
	a.must(t, 204, "DELETE", "/tokens/"+made.string("id"), nil)
	passed.Add(int64(time.Second))
	elsewhere.must(t, 401, "GET", "/providers", nil)

	reveal := "/providers/" + provider + "/credentials/api_key/reveal"
	test := "/models/" + model + "/test"
	shares := func(s *service, reveals, tests int) {
		t.Helper()
		for range reveals {
			s.must(t, 200, "POST", reveal, nil)
		}
		s.must(t, 429, "POST", reveal, nil)
		for range tests {
			s.must(t, 200, "POST", test, aPrompt())
		}
		if got := s.must(t, 429, "POST", test, aPrompt()); got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	shares(b, 1, 2) // it noticed the other when it started
	eventually(t, "the first replica learns of the second", func() bool { return strings.Contains(a.log.String(), "processes=2") })
	shares(a, 1, 2)

	body := object{"name": "once", "type": "custom", "credentials": upstream.Credentials, "config": settingsOf(upstream)}
	first := a.must(t, 201, "POST", "/providers", body, "Idempotency-Key", "the same key")
	again := b.must(t, 201, "POST", "/providers", body, "Idempotency-Key", "the same key")
	if diff := cmp.Diff(first.text, again.text); diff != "" {
		t.Errorf("the answer of the other replica (-want +got):\n%s", diff)
	}
	if got := again.header.Get("Idempotency-Replayed"); got != "true" {
		t.Errorf("Idempotency-Replayed is %q", got)
	}

	operator, err := app.OpenOperator(t.Context(), app.Config{DataDir: t.TempDir(), DatabaseURL: url, DatabaseConnections: 1, Keyset: keyset, Logger: slog.New(slog.DiscardHandler)}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close(t.Context())
	eventually(t, "every event is in one whole chain", func() bool {
		reports, err := operator.VerifyAudit(t.Context())
		return err == nil && len(reports) == 1 && reports[0].Break == nil && reports[0].Links > 8
	})

	if err := b.Close(); err != nil {
		t.Error("stop a replica:", err)
	}
	eventually(t, "the first replica learns that the second has left", func() bool { return strings.Contains(a.log.String(), "processes=1") })
}

// TestUsesOfTokensAreNotedAtAStop: a stop stores uses that were not stored yet.
func TestUsesOfTokensAreNotedAtAStop(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.must(t, 200, "GET", "/me", nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	operator, err := app.OpenOperator(t.Context(), app.Config{DataDir: s.dir, DatabaseConnections: 1, Logger: slog.New(slog.DiscardHandler)}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer operator.Close(t.Context())
	tokens, err := operator.Tokens(t.Context(), "default")
	if err != nil || len(tokens) != 1 {
		t.Fatalf("got %d tokens, %v; want 1", len(tokens), err)
	}
	if tokens[0].LastUsedAt == nil {
		t.Error("the use was not stored")
	}
}

// TestGatheredRefusals: refusals of unknown callers become one event per address, at the
// latest when the service stops.
func TestGatheredRefusals(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.token
	for _, token := range []string{"mp_guess", "mp_another", ""} {
		s.token = token
		s.must(t, 401, "GET", "/providers", nil)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := running(t, func(c *app.Config) { c.DataDir = s.dir })
	next.token = admin
	events := next.must(t, 200, "GET", "/audit-events?action=access.denied", nil)
	data := events.body["data"].([]any)
	if len(data) != 1 {
		t.Fatalf("three refusals left %d events: %s", len(data), events.text)
	}
	event, got := data[0].(object), object{}
	want := object{"count": 3.0, "client_ip": "127.0.0.1", "reason": "unauthenticated", "outcome": "denied"}
	for field := range want {
		got[field] = event[field]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the event (-want +got):\n%s", diff)
	}
}
