package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
	"modelproviders/pkg/provider/providertest"
)

// losing passes requests on, but answers the first ones with a status instead of the
// service's response. It records the Idempotency-Keys.
type losing struct {
	status     int
	retryAfter string
	times      int

	mu       sync.Mutex
	requests int
	keys     []string
}

func (l *losing) wrap(base http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		response, err := base.RoundTrip(r)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests++
		l.keys = append(l.keys, r.Header.Get("Idempotency-Key"))
		if l.requests > l.times || err != nil {
			return response, err
		}
		response.Body.Close()
		header := http.Header{}
		if l.retryAfter != "" {
			header.Set("Retry-After", l.retryAfter)
		}
		return &http.Response{StatusCode: l.status, Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
	})
}

// TestLostAnswer: the service creates, but its answer does not arrive.
func TestLostAnswer(t *testing.T) {
	s := serve(t, nil)
	lost := &losing{status: http.StatusServiceUnavailable, times: 2}
	c := connect(t, s, lost.wrap)
	p := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t)
	if providers := all(t, c.ListProviders(t.Context(), client.ListProvidersParams{})); len(providers) != 1 || providers[0].ID != p.ID {
		t.Errorf("there are %d providers", len(providers))
	}
	if lost.keys[0] == "" || lost.keys[0] != lost.keys[1] || lost.keys[1] != lost.keys[2] {
		t.Errorf("the keys of the attempts are %q", lost.keys)
	}
	must(c.CreateProvider(t.Context(), openAI("Another")))(t)
	if next := lost.keys[len(lost.keys)-1]; next == lost.keys[0] {
		t.Error("two calls have the same key")
	}
	first := must(c.CreateModel(t.Context(), p.ID, gpt("gpt-5"), client.IdempotencyKey("row-1")))(t)
	second := must(c.CreateModel(t.Context(), p.ID, gpt("gpt-5"), client.IdempotencyKey("row-1")))(t)
	if first.ID != second.ID {
		t.Error("two calls with the same key created twice")
	}
}

func TestWhatIsSentAgain(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	s := serve(t, fake)
	p := must(connect(t, s).CreateProvider(t.Context(), openAI("OpenAI")))(t)
	calls := map[string]func(c *client.Client) error{
		"a read": func(c *client.Client) error { _, err := c.GetProvider(t.Context(), p.ID); return err },
		"an edit": func(c *client.Client) error {
			_, err := c.UpdateProvider(t.Context(), p.ID, client.ProviderUpdate{Status: client.ProviderStatusInactive})
			return err
		},
		"a test": func(c *client.Client) error {
			_, err := c.TestModel(t.Context(), p.Models[0].ID, client.TestRequest{Prompt: "Hi"})
			return err
		},
		"a token": func(c *client.Client) error {
			_, err := c.CreateToken(t.Context(), client.TokenCreate{Name: "x", Role: client.RoleViewer})
			return err
		},
		"readiness": func(c *client.Client) error { _, err := c.GetReadiness(t.Context()); return err },
	}
	for _, row := range []struct {
		call   string
		status int
		again  bool
	}{
		{"a read", http.StatusServiceUnavailable, true}, {"a read", http.StatusTooManyRequests, true}, {"a read", http.StatusBadGateway, false},
		{"an edit", http.StatusServiceUnavailable, true}, {"an edit", http.StatusInternalServerError, false},
		{"a test", http.StatusServiceUnavailable, false}, {"a test", http.StatusTooManyRequests, true},
		{"a token", http.StatusServiceUnavailable, false}, {"a token", http.StatusTooManyRequests, true},
		{"readiness", http.StatusServiceUnavailable, false},
	} {
		lost := &losing{status: row.status, times: 1}
		err := calls[row.call](connect(t, s, lost.wrap))
		if want := map[bool]int{true: 2, false: 1}[row.again]; lost.requests != want || (err == nil) != row.again {
			t.Errorf("%s that is answered with %d is sent %d times: %v", row.call, row.status, lost.requests, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	s := serve(t, nil)
	for _, form := range []func() string{
		func() string { return "1" },
		func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) }, // cut to seconds
	} {
		begin, retryAfter := time.Now(), form()
		must(connect(t, s, (&losing{status: http.StatusTooManyRequests, retryAfter: retryAfter, times: 1}).wrap).GetMe(t.Context()))(t)
		if waited := time.Since(begin); waited < 900*time.Millisecond {
			t.Errorf("after Retry-After %s the client waited %s", retryAfter, waited)
		}
	}
}

func TestRetriesEnd(t *testing.T) {
	s := serve(t, nil)
	for name, row := range map[string]struct {
		lost    *losing
		retries int
		limit   time.Duration
		sent    int
	}{
		"no retries":        {&losing{status: 503, times: 9}, 0, time.Minute, 1},
		"two retries":       {&losing{status: 503, times: 9}, 2, time.Minute, 3},
		"a wait too long":   {&losing{status: 429, times: 9, retryAfter: "61"}, 9, time.Hour, 1},
		"an early deadline": {&losing{status: 429, times: 9, retryAfter: "30"}, 9, 5 * time.Second, 1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), row.limit)
		defer cancel()
		c := must(client.New(s.URL, "mp_x", client.WithRetries(row.retries), client.WithHTTPClient(&http.Client{Transport: row.lost.wrap(http.DefaultTransport)})))(t)
		_, err := c.GetMe(ctx)
		var problem *client.Problem
		if !errors.As(err, &problem) || problem.Status != int64(row.lost.status) || row.lost.requests != row.sent || ctx.Err() != nil {
			t.Errorf("%s: %d requests, then %v", name, row.lost.requests, err)
		}
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	lost := &losing{status: http.StatusServiceUnavailable, retryAfter: "30", times: 9}
	c := connect(t, serve(t, nil), lost.wrap)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	begin := time.Now()
	_, err := c.GetMe(ctx)
	var problem *client.Problem
	if !errors.Is(err, context.Canceled) || !errors.As(err, &problem) || time.Since(begin) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}

// TestRateLimit meets a limit of a real service.
func TestRateLimit(t *testing.T) {
	s := serve(t, nil, func(cfg *app.Config) { cfg.Limits.RevealsPerMinute = 1 })
	c := must(client.New(s.URL, s.Admin(t).Token, client.WithRetries(0)))(t)
	p := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t)
	if revealed := must(c.RevealCredential(t.Context(), p.ID, "api_key", ""))(t); revealed.Value != "sk-"+apitest.Secret {
		t.Errorf("revealed is %q", revealed.Value)
	}
	_, err := c.RevealCredential(t.Context(), p.ID, "api_key", "")
	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Code != client.ProblemCodeRateLimited || problem.RetryAfter < time.Second {
		t.Errorf("the second reveal: %v", err)
	}
}
