package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestWhatAnUpstreamSaysUnaskedIsNotLogged: net/http quotes unsolicited responses in the
// standard log, and they may contain the key.
func TestWhatAnUpstreamSaysUnaskedIsNotLogged(t *testing.T) {
	const key = "sk-unasked-0123456789"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	said := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, request.Body)
		const answer = `{"choices":[{"message":{"content":"Hi!"},"finish_reason":"stop"}]}`
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
		time.Sleep(200 * time.Millisecond) // until the connection is idle
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nX-Key: %s\r\n\r\n", key)
		time.Sleep(200 * time.Millisecond)
		close(said)
	}()
	dir := t.TempDir()
	p := launch(t, "--data-dir", dir, "--allow-upstreams", "127.0.0.1/32")
	if !p.settle(t) {
		t.Fatal(p.stderr)
	}
	p.signIn(t, dir)
	body := fmt.Sprintf(`{"name":"Unasked","type":"custom","credentials":{"api_key":%q},"config":{"base_url":"http://%s"},"models":[{"model_id":"m","supported_stages":["planning"]}]}`, key, listener.Addr())
	made := p.must(t, http.StatusCreated, "POST", "/providers", body)
	id := made.body["models"].([]any)[0].(map[string]any)["id"].(string)
	p.must(t, http.StatusOK, "POST", "/models/"+id+"/test", `{"prompt":"Hi"}`)
	select {
	case <-said:
	case <-time.After(patience):
		t.Fatal("the upstream was not called")
	}
	if log := p.stderr.String(); strings.Contains(log, key) || strings.Contains(log, "Unsolicited") {
		t.Errorf("the log says\n%s", log)
	}
}
