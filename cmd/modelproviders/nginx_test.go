package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// TestRollingRestart restarts two processes behind nginx one after the other, under
// load, without a failed call. nginx has the configuration in docs/deploy/nginx.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	addresses := []string{freeAddress(t), freeAddress(t)}
	front := startNginx(t, addresses)
	data, keyset := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keyset.json")
	args := append(loadFlags(), "--data-dir", data, "--keyset", keyset, "--database-url", storetest.Postgres(t),
		"--shutdown-delay", "5s", "--trusted-proxies", "127.0.0.1/32")
	launchAt := func(address string) *process {
		p := launch(t, append(args, "--addr", address)...)
		if !p.settle(t) {
			t.Fatalf("the process ended:\n%s", p.stderr)
		}
		return p
	}
	processes := []*process{launchAt(addresses[0]), launchAt(addresses[1])}
	front.signIn(t, data)
	checkForwarding(t, front, processes)

	l, stop := startLoad(t, front)
	stopStreams := startStreams(t, front)
	for i, p := range processes {
		time.Sleep(2 * time.Second) // under load
		p.signal(syscall.SIGTERM)
		if <-p.ended; p.err != nil {
			t.Errorf("ended with %v:\n%s", p.err, p.stderr.tail())
		}
		processes[i] = launchAt(addresses[i])
	}
	time.Sleep(2 * time.Second)
	stop()
	streams := stopStreams()
	calls := 0
	for status, n := range l.statuses {
		if status == 0 || status >= 400 {
			t.Errorf("%d calls were answered %d", n, status)
		}
		calls += n
	}
	if calls < 100 || streams < 4 {
		t.Errorf("only %d calls and %d streams were made", calls, streams)
	}
	t.Logf("%d calls (by status: %v) and %d streams", calls, l.statuses, streams)
}

// checkForwarding checks that both processes get requests, with the address of the
// client, whatever the client says about it.
func checkForwarding(t *testing.T, front *service, processes []*process) {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 7)}}
	client := &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
	for range 4 {
		front.callWith(t, client, "GET", "/providers", "", http.Header{"X-Forwarded-For": {"203.0.113.9"}})
	}
	for _, p := range processes {
		if log := p.stderr.String(); !strings.Contains(log, "client_ip=127.0.0.7") || strings.Contains(log, "203.0.113.9") {
			t.Errorf("the log of a process does not contain the client's address:\n%s", log)
		}
	}
}

// startNginx starts nginx with the addresses of upstreams.
func startNginx(t *testing.T, upstreams []string) *service {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("nginx is not installed")
	}
	dir, err := os.MkdirTemp("", "modelproviders-nginx-") // which its workers, other users, can enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	config := readFile(t, filepath.Join("..", "..", "docs", "deploy", "nginx", "nginx.conf"))
	config = strings.NewReplacer("listen 8080;", "listen "+address+";", "/tmp/", dir+"/").Replace(config)
	writeFile(t, filepath.Join(dir, "nginx.conf"), config)
	var servers strings.Builder
	for _, upstream := range upstreams {
		fmt.Fprintf(&servers, "server %s max_fails=0;\n", upstream)
	}
	writeFile(t, filepath.Join(dir, "upstreams.conf"), servers.String())

	said := &output{}
	command := exec.Command(program, "-c", filepath.Join(dir, "nginx.conf"), "-g", "daemon off;")
	command.Stderr = said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		if err := command.Wait(); err != nil {
			t.Error("nginx ended with", err)
		}
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.tail())
		}
	})
	eventually(t, "nginx accepts connections", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return &service{url: "http://" + address, stderr: said}
}

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// startStreams runs streamed tests of a slow model. stop returns how many ended with a
// result. Each must arrive piece by piece.
func startStreams(t *testing.T, s *service) (stop func() int) {
	t.Helper()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 8 {
			fmt.Fprint(w, `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"word "}}]}`+"\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(200 * time.Millisecond)
		}
		fmt.Fprint(w, `data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
	}))
	t.Cleanup(slow.Close)
	made := s.must(t, 201, "POST", "/providers", encode(t, map[string]any{
		"name": "slow", "type": "custom", "credentials": map[string]any{"api_key": "sk-slow"}, "config": map[string]any{"base_url": slow.URL},
		"models": []map[string]any{{"model_id": "slow", "supported_stages": []string{"planning"}}},
	}))
	model := made.body["models"].([]any)[0].(map[string]any)["id"].(string)
	done, results := make(chan struct{}), 0
	var all sync.WaitGroup
	all.Go(func() {
		for !t.Failed() {
			select {
			case <-done:
				return
			default:
				s.stream(t, "/models/"+model+"/test")
				results++
			}
		}
	})
	stop = sync.OnceValue(func() int {
		close(done)
		all.Wait()
		return results
	})
	t.Cleanup(func() { stop() })
	return stop
}

// stream runs a streamed test, whose answer takes a while.
func (s *service) stream(t *testing.T, path string) {
	request, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(`{"prompt":"Hello"}`))
	if err != nil {
		t.Error(err)
		return
	}
	request.Header = http.Header{"Authorization": {"Bearer " + s.token}, "Content-Type": {"application/json"}, "Accept": {"text/event-stream"}}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Error("a stream:", err)
		return
	}
	defer response.Body.Close()
	var first, last time.Time
	event := ""
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if name, found := strings.CutPrefix(lines.Text(), "event: "); found {
			event, last = name, time.Now()
			if first.IsZero() {
				first = last
			}
		}
	}
	if event != "result" || last.Sub(first) < time.Second {
		t.Errorf("a stream was answered %d, ended with %q after %v: %v", response.StatusCode, event, last.Sub(first), lines.Err())
	}
}
