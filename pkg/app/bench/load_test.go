package bench_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manyCallers is how many calls are under way at once under load.
const manyCallers = 64

// side is a service that is called: the product, the floor or the upstream.
type side struct {
	url, token string
	http       *http.Client
	targets    []target     // providers that were made through its API
	number     atomic.Int64 // of the next call
}

// target is a provider and its models that the upstream serves.
type target struct{ provider, fast, slow string }

func newSide(b testing.TB, url, token string) *side {
	transport := &http.Transport{DisableCompression: true, MaxIdleConns: 2 * manyCallers, MaxIdleConnsPerHost: 2 * manyCallers}
	b.Cleanup(transport.CloseIdleConnections)
	return &side{url: url, token: token, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// call is a request. number counts the calls of a side, caller who makes it.
type call struct {
	method string
	path   func(s *side, caller, number int) string
	body   func(s *side, number int) string // nil: none
	accept string                           // empty: not sent
	status int
	says   string // is in every right answer
}

// send makes one call. Any other answer than the right one is an error.
func (s *side) send(c call, caller int) ([]byte, error) {
	number := int(s.number.Add(1))
	var body io.Reader
	if c.body != nil {
		body = strings.NewReader(c.body(s, number))
	}
	request, err := http.NewRequest(c.method, s.url+c.path(s, caller, number), body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.accept != "" {
		request.Header.Set("Accept", c.accept)
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != c.status || !bytes.Contains(text, []byte(c.says))) {
		err = fmt.Errorf("%s %s answered %d: %s", c.method, request.URL, response.StatusCode, text)
	}
	return text, err
}

// figures are what a round gave, or the medians of several.
type figures struct {
	p50, p99  time.Duration
	perSecond float64
}

// load is a way to call for a while.
type load func(time.Duration) (figures, error)

// together lets concurrent callers call without pauses, spread over the sides.
func together(c call, callers int, sides ...*side) load {
	return func(d time.Duration) (figures, error) {
		var all samples
		began := time.Now()
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for !all.failed() {
					start := time.Now()
					if start.Sub(began) >= d {
						return
					}
					_, err := sides[caller%len(sides)].send(c, caller)
					all.add(time.Since(start), err)
				}
			})
		}
		wg.Wait()
		return all.figures(time.Since(began))
	}
}

// paced starts calls at a fixed rate, even if earlier ones have not ended.
func paced(c call, perSecond int, s *side) load {
	return func(d time.Duration) (figures, error) {
		end := time.Now().Add(d)
		return pace(perSecond, func() bool { return time.Now().Before(end) }, func(i int) error {
			_, err := s.send(c, i)
			return err
		})
	}
}

// pace starts calls at a fixed rate while more says so. The duration of a call is
// measured from when it was due.
func pace(perSecond int, more func() bool, send func(i int) error) (figures, error) {
	var all samples
	pause := time.Second / time.Duration(perSecond)
	began := time.Now()
	var wg sync.WaitGroup
	for i := 0; more() && !all.failed(); i++ {
		due := began.Add(time.Duration(i) * pause)
		time.Sleep(time.Until(due))
		wg.Go(func() {
			err := send(i)
			all.add(time.Since(due), err)
		})
	}
	wg.Wait()
	return all.figures(time.Since(began))
}

// samples collects the durations of calls.
type samples struct {
	mu    sync.Mutex
	times []time.Duration
	err   error // the first one
}

func (s *samples) add(d time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, d)
	if s.err == nil {
		s.err = err
	}
}

func (s *samples) failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err != nil
}

func (s *samples) figures(d time.Duration) (figures, error) {
	slices.Sort(s.times)
	at := func(percent int) time.Duration { return s.times[min(len(s.times)*percent/100, len(s.times)-1)] }
	return figures{p50: at(50), p99: at(99), perSecond: float64(len(s.times)) / d.Seconds()}, s.err
}

// median is the median of each figure.
func median(rounds []figures) figures {
	return figures{p50: medianOf(rounds, func(f figures) time.Duration { return f.p50 }),
		p99:       medianOf(rounds, func(f figures) time.Duration { return f.p99 }),
		perSecond: medianOf(rounds, func(f figures) float64 { return f.perSecond })}
}

func medianOf[T time.Duration | float64](rounds []figures, of func(figures) T) T {
	values := make([]T, len(rounds))
	for i, f := range rounds {
		values[i] = of(f)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// alternate runs loads in turn, a short round each, after a round to warm up,
// so that other work of the machine affects all alike. settle is called after each
// round. It returns the medians, in the order of the loads.
func alternate(b *testing.B, settle func(), loads ...load) []figures {
	b.Helper()
	rounds := make([][]figures, len(loads))
	for i := range *roundCount + 1 {
		for j, run := range loads {
			f, err := run(*roundLength)
			if err != nil {
				b.Fatal("a call failed: ", err)
			}
			settle()
			if i > 0 {
				rounds[j] = append(rounds[j], f)
			}
		}
	}
	medians := make([]figures, len(loads))
	for i, r := range rounds {
		medians[i] = median(r)
	}
	return medians
}
