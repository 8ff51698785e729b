package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/webhook/webhooktest"
)

// memory is a store of one process. Delayed webhooks are not due again.
type memory struct {
	mu        sync.Mutex
	due       []registry.Webhook
	delivered []string
	pauses    []time.Duration
}

func (m *memory) add(webhooks ...registry.Webhook) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.due = append(m.due, webhooks...)
}

// LeaseWebhook implements [registry.WebhookStore].
func (m *memory) LeaseWebhook(context.Context, time.Duration) (w registry.Webhook, found bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.due) == 0 {
		return w, false, nil
	}
	w, m.due = m.due[0], m.due[1:]
	w.Attempts++
	return w, true, nil
}

// WebhookDelivered implements [registry.WebhookStore].
func (m *memory) WebhookDelivered(_ context.Context, w registry.Webhook) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.delivered = append(m.delivered, w.ID)
	return nil
}

// DelayWebhook implements [registry.WebhookStore].
func (m *memory) DelayWebhook(_ context.Context, _ registry.Webhook, pause time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pauses = append(m.pauses, pause)
	return nil
}

// providerChange is a webhook that was attempted before.
func providerChange(id string, attempts int) registry.Webhook {
	return registry.Webhook{Attempts: attempts, Change: registry.Change{
		ID: id, Workspace: "acme", Number: 7, At: time.UnixMilli(1795824000120), Resource: registry.ProviderResource, ResourceID: "p1", ProviderID: "p1",
		Action: registry.StatusChanged, Status: "error", Kind: "authentication", References: 3,
	}}
}

type senderTest struct {
	*Sender
	store    *memory
	log      strings.Builder
	attempts map[bool]int // by whether they succeeded
}

// newSender makes a sender to a receiver with secrets. It waits a short time for answers.
func newSender(t *testing.T, url, secrets string) *senderTest {
	t.Helper()
	receiver, err := NewReceiver(url, secret.NewText(secrets), &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	receiver.http.Timeout = 500 * time.Millisecond
	s := &senderTest{store: &memory{}, attempts: map[bool]int{}}
	var mu sync.Mutex
	observe := func(delivered bool) {
		mu.Lock()
		defer mu.Unlock()
		s.attempts[delivered]++
	}
	s.Sender = NewSender(s.store, receiver, observe, slog.New(slog.NewTextHandler(&s.log, nil)))
	return s
}

// send sends webhooks, and waits until that is done.
func (s *senderTest) send(t *testing.T, webhooks ...registry.Webhook) {
	t.Helper()
	s.store.add(webhooks...)
	if err := s.SendDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.slots.Acquire(t.Context(), maxSending); err != nil {
		t.Fatal(err)
	}
	s.slots.Release(maxSending)
}

func TestWebhookMessage(t *testing.T) {
	receiver := webhooktest.Start(t)
	s := newSender(t, receiver.URL, receiver.Secret)
	s.send(t, providerChange("c1", 0))
	got := receiver.Accepted()
	if len(got) != 1 || got[0].ID != "c1" || len(s.store.delivered) != 1 {
		t.Fatalf("received %+v, noted %v", got, s.store.delivered)
	}
	const want = `{"type":"provider.status_changed","timestamp":"2026-11-28T00:00:00.120Z","data":{"workspace":"acme","number":7,"id":"p1","provider_id":"p1",` +
		`"status":"error","kind":"authentication","hint":"Replace the credentials of this provider.","reference_count":3}}`
	if got[0].Text != want {
		t.Errorf("the body is\n%s", got[0].Text)
	}
	if h := got[0].Header; h.Get("Content-Type") != "application/json" || !strings.HasPrefix(h.Get("User-Agent"), "modelproviders/") {
		t.Errorf("the header is %v", h)
	}

	model := providerChange("c2", 0)
	model.Resource, model.ResourceID, model.Action, model.Status, model.Kind = registry.ModelResource, "m1", registry.Updated, "disabled", ""
	s.send(t, model)
	const wantModel = `{"type":"model.status_changed","timestamp":"2026-11-28T00:00:00.120Z","data":{"workspace":"acme","number":7,"id":"m1","provider_id":"p1",` +
		`"status":"disabled","reference_count":3}}`
	if got := receiver.Accepted(); len(got) != 2 || got[1].Text != wantModel {
		t.Errorf("received %+v", got)
	}
}

// While the secret is replaced, receivers with either secret can verify messages.
func TestWebhookSecretsRotate(t *testing.T) {
	receiver := webhooktest.Start(t)
	for _, secrets := range []string{webhooktest.NewSecret() + " " + receiver.Secret, receiver.Secret + " " + webhooktest.NewSecret()} {
		newSender(t, receiver.URL, secrets).send(t, providerChange("c1", 0))
	}
	if len(receiver.Accepted()) != 2 {
		t.Error("a message was not delivered")
	}
}

func TestWebhookFailures(t *testing.T) {
	other := webhooktest.Start(t)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
	}
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"refuses": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }, "500 Internal Server Error"},
		"redirects": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, "307 Temporary Redirect"},
		"is slow":     {hang, "Timeout"},
		"hangs up":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"not changed": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) }, "304 Not Modified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := webhooktest.Start(t)
			receiver.Answer(test.answer)
			s := newSender(t, receiver.URL+"?key=hunter22", receiver.Secret)
			s.send(t, providerChange("c1", 0))
			if len(s.store.delivered) > 0 || len(s.store.pauses) != 1 || s.attempts[false] != 1 {
				t.Errorf("delivered %v, pauses %v", s.store.delivered, s.store.pauses)
			}
			if log := s.log.String(); !strings.Contains(log, test.says) || strings.Contains(log, "hunter22") || strings.Contains(log, receiver.Secret[6:]) {
				t.Errorf("the log says\n%s", log)
			}
			receiver.Answer(nil)
			s.send(t, providerChange("c1", 1))
			if len(s.store.delivered) != 1 || !strings.Contains(s.log.String(), "delivered again") {
				t.Errorf("delivered %v; the log says\n%s", s.store.delivered, s.log.String())
			}
		})
	}
	if len(other.Attempts()) > 0 {
		t.Error("a redirect was followed")
	}
}

// A receiver that is not there, and comes back.
func TestWebhookReceiverGoesAway(t *testing.T) {
	receiver := webhooktest.Start(t)
	s := newSender(t, receiver.URL, receiver.Secret)
	s.send(t, providerChange("c1", 0))
	receiver.GoAway()
	s.send(t, providerChange("c2", 0))
	receiver.Return()
	s.send(t, providerChange("c2", 1))
	if got := fmt.Sprint(s.store.delivered); got != "[c1 c2]" || s.attempts[false] != 1 {
		t.Errorf("delivered %s", got)
	}
}

// The schedule is that of Standard Webhooks, shortened at random by up to a fifth.
func TestWebhookPauses(t *testing.T) {
	total := time.Duration(0)
	for i, want := range []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 6 * time.Hour, 6 * time.Hour} {
		got := pause(i+1, errors.New("away"))
		if got > want || got < want*4/5 {
			t.Errorf("after attempt %d the pause is %v, want about %v", i+1, got, want)
		}
		if i < 7 {
			total += want
		}
	}
	if total > 24*time.Hour {
		t.Errorf("the last attempt is after %v", total)
	}
	different := map[time.Duration]bool{}
	for range 10 {
		different[pause(3, errors.New("away"))] = true
	}
	if len(different) < 5 {
		t.Error("messages that failed together are sent again together")
	}
}

func TestWebhookRetryAfter(t *testing.T) {
	receiver := webhooktest.Start(t)
	s := newSender(t, receiver.URL, receiver.Secret)
	inAnHour := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, test := range []struct {
		header    string
		low, high time.Duration
	}{
		{"3600", time.Hour, time.Hour},
		{inAnHour, 59 * time.Minute, time.Hour},
		{"1", 4 * time.Second, 5 * time.Second},
		{"4000000000", 6 * time.Hour, 6 * time.Hour},
		{"-5", 4 * time.Second, 5 * time.Second},
		{"soon", 4 * time.Second, 5 * time.Second},
	} {
		receiver.Refuse(503, "Retry-After", test.header)
		s.store.pauses = nil
		s.send(t, providerChange("c1", 0))
		if got := s.store.pauses[0]; got < test.low || got > test.high {
			t.Errorf("after Retry-After %s the pause is %v", test.header, got)
		}
	}
}

// A receiver that answers 410 wants no more messages.
func TestWebhookReceiverIsGone(t *testing.T) {
	receiver := webhooktest.Start(t)
	receiver.Refuse(http.StatusGone)
	s := newSender(t, receiver.URL, receiver.Secret)
	s.send(t, providerChange("c1", 0))
	s.send(t, providerChange("c2", 0))
	if n := len(receiver.Attempts()); n != 1 || !s.Gone() || !strings.Contains(s.log.String(), "410 Gone") {
		t.Errorf("%d messages were sent; the log says\n%s", n, s.log.String())
	}
	if len(s.store.pauses) != 1 || len(s.store.due) != 1 {
		t.Errorf("of the messages %v wait, and %v are due", s.store.pauses, s.store.due)
	}
}

// An endless answer is not read to its end, and its status counts.
func TestWebhookEndlessAnswer(t *testing.T) {
	receiver := webhooktest.Start(t)
	receiver.Answer(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, strings.Repeat("x", 32<<10)); err != nil {
				return
			}
		}
	})
	s := newSender(t, receiver.URL, receiver.Secret)
	s.receiver.http.Timeout = time.Minute
	s.send(t, providerChange("c1", 0))
	receiver.GoAway()
	if len(s.store.delivered) != 1 {
		t.Error("the message was not delivered")
	}
}

func TestWebhooksAtOnce(t *testing.T) {
	receiver := webhooktest.Start(t)
	var mu sync.Mutex
	now, most := 0, 0
	receiver.Answer(func(w http.ResponseWriter, _ *http.Request) {
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			now += by
			most = max(most, now)
		}
		count(1)
		defer count(-1)
		time.Sleep(20 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	s := newSender(t, receiver.URL, receiver.Secret)
	s.receiver.http.Timeout = time.Minute
	var all []registry.Webhook
	for i := range 40 {
		all = append(all, providerChange(fmt.Sprint("c", i), 0))
	}
	s.send(t, all...)
	if len(receiver.Accepted()) != 40 || most < 2 || most > maxSending {
		t.Errorf("%d messages arrived, up to %d at once", len(receiver.Accepted()), most)
	}
}

// A stop waits for attempts that end soon, and gives the messages of the others back.
func TestWebhookStop(t *testing.T) {
	receiver := webhooktest.Start(t)
	started := make(chan bool, 2)
	receiver.Answer(func(w http.ResponseWriter, r *http.Request) {
		started <- true
		if r.Header.Get(standardwebhooks.HeaderWebhookID) == "slow" {
			<-r.Context().Done()
			return
		}
		time.Sleep(100 * time.Millisecond)
		w.WriteHeader(http.StatusNoContent)
	})
	s := newSender(t, receiver.URL, receiver.Secret)
	s.receiver.http.Timeout = time.Minute
	s.store.add(providerChange("slow", 0), providerChange("quick", 0))
	if err := s.SendDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-started
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = s.Stop(ctx) // the time is up when the slow one is interrupted
	if err := s.slots.Acquire(t.Context(), 1); err != nil && time.Since(began) > 10*time.Second {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) && !s.store.settled() {
		time.Sleep(5 * time.Millisecond)
	}
	if fmt.Sprint(s.store.delivered) != "[quick]" || fmt.Sprint(s.store.pauses) != "[0s]" || s.attempts[false] != 0 {
		t.Errorf("delivered %v, made due after %v; %d failures", s.store.delivered, s.store.pauses, s.attempts[false])
	}
}

func (m *memory) settled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.delivered)+len(m.pauses) == 2
}
