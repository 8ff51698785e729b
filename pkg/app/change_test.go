package app_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// waiting waits until so many requests wait for changes.
func (s *service) waiting(t testing.TB, waits string) {
	t.Helper()
	eventually(t, waits+" requests wait", func() bool {
		return strings.Contains(s.call(t, "GET", "/metrics", nil).text, "\nmodelproviders_change_waits "+waits+"\n")
	})
}

// TestStopEndsWaitsForChanges: a stream after the event that it has to tell, and none of
// them with an error.
func TestStopEndsWaitsForChanges(t *testing.T) {
	t.Parallel()
	upstream := providertest.Start(t, providertest.Custom())
	s := start(t, func(c *app.Config) { c.ShutdownDelay = 2 * time.Second })
	provider, model := s.connect(t, upstream)
	end := s.must(t, 200, "GET", "/changes", nil).string("next_cursor")
	asks := func(path string, headers ...string) <-chan answer {
		answered := make(chan answer, 1)
		go func() {
			got, err := s.try(t.Context(), "GET", path, nil, headers...)
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			answered <- got
		}()
		return answered
	}
	wait := asks("/changes?wait=50s&after=" + end)
	stream := asks("/changes", "Accept", "text/event-stream")
	s.waiting(t, "2")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- s.Run(ctx) }()
	s.must(t, 200, "PATCH", "/providers/"+provider+"/models/"+model, object{"enabled": false})
	stop()
	if got := <-wait; got.status != http.StatusOK || strings.Count(got.text, `"cursor"`) != 1 {
		t.Errorf("a wait is answered %d: %s", got.status, got.text)
	}
	got := <-stream
	if got.status != http.StatusOK || strings.Count(got.text, "event: change\n") != 1 || strings.Contains(got.text, "event: error") || !strings.HasSuffix(got.text, "}\n\n") {
		t.Errorf("a stream ends with %q", got.text)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("they ended after %v", took)
	}
	// Until the end, waits are short.
	end = s.must(t, 200, "GET", "/changes", nil).string("next_cursor")
	began = time.Now()
	if got := <-asks("/changes?wait=50s&after=" + end); got.string("next_cursor") != end || time.Since(began) < 500*time.Millisecond {
		t.Errorf("after %v, a wait is answered %d: %s", time.Since(began), got.status, got.text)
	}
	if err := <-ended; err != nil {
		t.Error("the service ended with:", err)
	}
	if log := s.log.String(); strings.Contains(log, "did not finish") {
		t.Errorf("something was cut off:\n%s", log)
	}
}

// TestWaitsOutlastTheTimeouts of requests that don't wait: of the request, and of the
// server.
func TestWaitsOutlastTheTimeouts(t *testing.T) {
	storetest.Long(t)
	t.Parallel()
	const longer = 32 * time.Second
	upstream := providertest.Start(t, providertest.Custom())
	s := running(t, func(c *app.Config) { c.ReadTimeout, c.TestTimeout = 200*time.Millisecond, 200*time.Millisecond })
	provider, _ := s.connect(t, upstream)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/changes", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Accept", "text/event-stream")
	response, err := s.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	began := time.Now()
	end := s.must(t, 200, "GET", "/changes", nil).string("next_cursor")
	if got := s.must(t, 200, "GET", "/changes?wait="+longer.String()+"&after="+end, nil); got.string("next_cursor") != end || time.Since(began) < longer {
		t.Errorf("after %v, the wait is answered with %s", time.Since(began), got.text)
	}
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"name": "Renamed"})
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "data: ") {
			return
		}
	}
	t.Error("the stream ended before the change")
}
