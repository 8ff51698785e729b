package app_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
	"modelproviders/pkg/webhook/webhooktest"
)

// telling makes a service tell a receiver of changes.
func telling(receiver *webhooktest.Receiver) func(*app.Config) {
	return func(c *app.Config) { c.WebhookURL, c.WebhookSecret = receiver.URL, app.Secret(receiver.Secret) }
}

// said returns what the messages to a receiver say about a provider, in the order of their
// numbers.
func said(receiver *webhooktest.Receiver, provider string) (all []string) {
	messages := receiver.Accepted()
	slices.SortFunc(messages, func(a, b webhooktest.Message) int {
		return int(a.Body.Data["number"].(float64) - b.Body.Data["number"].(float64))
	})
	for _, m := range messages {
		if m.Body.Data["provider_id"] == provider {
			all = append(all, strings.TrimSuffix(m.Body.Type, ".status_changed")+" "+m.Body.Data["status"].(string))
		}
	}
	return all
}

// wantSaid waits until the receiver was told exactly that about a provider.
func wantSaid(t *testing.T, receiver *webhooktest.Receiver, provider string, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); len(said(receiver, provider)) < len(want) && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if got := said(receiver, provider); !slices.Equal(got, want) {
		t.Fatalf("the receiver was told %q, not %q", got, want)
	}
}

func TestWebhooks(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, database func(*app.Config)) {
		t.Parallel()
		receiver, upstream := webhooktest.Start(t), providertest.Start(t, providertest.Custom())
		s := running(t, database, withMetrics, telling(receiver), func(c *app.Config) { c.AllowUpstreams = []string{upstream.Host()} })
		provider, model := s.connect(t, upstream)
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"name": "Renamed"})
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "inactive"})
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "active"})
		upstream.Use(providertest.Authentication)
		s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt())
		s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt())
		s.must(t, 204, "DELETE", "/providers/"+provider+"/models/"+model, nil) // not in use
		wantSaid(t, receiver, provider, "provider inactive", "provider active", "provider error")
		for _, m := range receiver.Accepted() {
			if m.Body.Data["status"] == "error" && (m.Body.Data["kind"] != "authentication" || m.Body.Data["hint"] == "" || m.Body.Data["workspace"] != "default") {
				t.Errorf("the error is told as %s", m.Text)
			}
		}
		s.wantMetrics(t,
			`modelproviders_webhook_attempts_total\{outcome="delivered"\} 3`,
			`modelproviders_webhook_attempts_total\{outcome="failed"\} 0`,
			`modelproviders_webhooks_dropped_total 0`,
			`modelproviders_webhooks_waiting 0`,
			`modelproviders_webhooks_gone 0`)
	})
}

// The receiver is told of models that have references, whatever else an edit changes.
func TestWebhooksOfModelsInUse(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, database func(*app.Config)) {
		t.Parallel()
		receiver, upstream := webhooktest.Start(t), providertest.Start(t, providertest.Custom())
		s := running(t, database, telling(receiver))
		id, model := s.connect(t, upstream)
		provider := "/providers/" + id
		use := func(model string) {
			s.must(t, 201, "PUT", "/models/"+model+"/references/rule", object{"label": "A rule"})
		}
		s.must(t, 200, "PATCH", provider+"/models/"+model, object{"enabled": false})
		s.must(t, 200, "PATCH", provider+"/models/"+model, object{"enabled": true})
		use(model)
		s.must(t, 200, "PATCH", provider+"/models/"+model+"?force=true", object{"enabled": false})
		s.must(t, 200, "PATCH", provider+"/models/"+model, object{"enabled": true})
		s.must(t, 200, "PATCH", provider+"/models/"+model, object{"display_name": "Renamed"})
		upstream.Use(providertest.Authentication)
		s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt())
		s.must(t, 200, "PATCH", provider+"?force=true", object{"name": "Renamed", "models": []object{}})
		use(s.must(t, 201, "POST", provider+"/models", object{"model_id": "another", "supported_stages": []string{"planning"}}).string("id"))
		s.must(t, 204, "DELETE", provider+"?force=true", nil)
		wantSaid(t, receiver, id, "model disabled", "model enabled", "provider error", "model deleted", "provider deleted")
		for _, m := range receiver.Accepted() {
			isModel := m.Body.Type == "model.status_changed"
			if m.Body.Data["reference_count"] != 1.0 || isModel != (m.Body.Data["id"] == model) {
				t.Errorf("a message says %s", m.Text)
			}
		}
	})
}

// A receiver that is away is told of everything when it is back.
func TestWebhookReceiverIsAway(t *testing.T) {
	t.Parallel()
	receiver := webhooktest.Start(t)
	receiver.GoAway()
	s := running(t, withMetrics, telling(receiver))
	provider, _ := s.connect(t, providertest.Start(t, providertest.Custom()))
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "inactive"})
	s.wantMetrics(t, `modelproviders_webhook_attempts_total\{outcome="failed"\} 1`)
	receiver.Return()
	wantSaid(t, receiver, provider, "provider inactive") // after 4 to 5 seconds
	if log := s.log.String(); !strings.Contains(log, "connection refused") || !strings.Contains(log, "delivered again") {
		t.Errorf("the log says\n%s", log)
	}
}

// Messages that could not be delivered are sent by the next process.
func TestWebhooksAfterARestart(t *testing.T) {
	t.Parallel()
	receiver := webhooktest.Start(t)
	receiver.Refuse(http.StatusGone)
	s := start(t, withMetrics, telling(receiver))
	provider, _ := s.connect(t, providertest.Start(t, providertest.Custom()))
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "inactive"})
	s.wantMetrics(t, "modelproviders_webhooks_gone 1")
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "active"})
	s.http.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	receiver.Answer(nil)
	running(t, telling(receiver), func(c *app.Config) { c.DataDir = s.dir })
	wantSaid(t, receiver, provider, "provider inactive", "provider active")
}

// What could not be delivered within a day is dropped and counted.
func TestWebhooksAreDropped(t *testing.T) {
	t.Parallel()
	receiver := webhooktest.Start(t)
	receiver.Refuse(http.StatusInternalServerError)
	s := start(t, withMetrics, telling(receiver))
	provider, _ := s.connect(t, providertest.Start(t, providertest.Custom()))
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": "inactive"})
	s.wantMetrics(t, `modelproviders_webhook_attempts_total\{outcome="failed"\} 1`)
	s.http.CloseIdleConnections()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	later := running(t, withMetrics, telling(receiver), func(c *app.Config) {
		c.DataDir = s.dir
		c.Now = func() time.Time { return time.Now().Add(24*time.Hour + time.Minute) }
	})
	later.wantMetrics(t, "modelproviders_webhooks_dropped_total 1", "modelproviders_webhooks_waiting 0")
	if log := later.log.String(); !strings.Contains(log, "dropped webhooks") {
		t.Errorf("the log says\n%s", log)
	}
}

// Each message is sent by one of several processes.
func TestWebhooksOfReplicas(t *testing.T) {
	t.Parallel()
	url, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "keyset.json")
	receiver := webhooktest.Start(t)
	receiver.Answer(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(20 * time.Millisecond)
		w.WriteHeader(http.StatusOK)
	})
	a := running(t, onPostgres(url, keyset), withMetrics, telling(receiver))
	b := running(t, onPostgres(url, keyset), withMetrics, telling(receiver))
	b.token = a.token
	provider, _ := a.connect(t, providertest.Start(t, providertest.Custom()))
	const changes = 60
	for i := range changes {
		s := []*service{a, b}[i%2]
		s.must(t, 200, "PATCH", "/providers/"+provider, object{"status": []string{"inactive", "active"}[i%2]})
	}
	eventually(t, "all messages have arrived", func() bool { return len(receiver.Accepted()) >= changes })
	time.Sleep(1500 * time.Millisecond) // for those that were sent twice
	numbers := map[any]bool{}
	for _, m := range receiver.Attempts() {
		numbers[fmt.Sprint(m.Body.Data["number"], m.ID)] = true
	}
	if n := len(receiver.Attempts()); n != changes || len(numbers) != changes {
		t.Errorf("%d messages were sent %d times", len(numbers), n)
	}
	for _, s := range []*service{a, b} {
		s.wantMetrics(t, `modelproviders_webhook_attempts_total\{outcome="delivered"\} [1-9][0-9]*`)
	}
}
