package provider_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

func TestRequestsNameThisProgram(t *testing.T) {
	for _, fake := range providertest.Variants(t) {
		for _, stream := range []bool{false, true} {
			server := providertest.Start(t, fake)
			result, _ := open(t, server).generate(t, stream)
			succeeded(t, result)
			coding := "gzip"
			if stream {
				coding = "identity"
			}
			for _, r := range server.Requests() {
				if !strings.HasPrefix(r.Header.Get("User-Agent"), "modelproviders/") || r.Header.Get("Accept-Encoding") != coding {
					t.Errorf("%s: headers %v", fake.Type, r.Header)
				}
				for name := range r.Header {
					if strings.HasPrefix(name, "X-Stainless-") || (name == "Anthropic-Version" && fake.Type != "anthropic") {
						t.Errorf("%s: header %s", fake.Type, name)
					}
				}
			}
		}
	}
}

const plainStream = "data: {\"choices\":[{\"delta\":{\"content\":\"H\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"i!\"}}]}\n\ndata: [DONE]\n\n"

func TestAnswersInWhateverForm(t *testing.T) {
	for name, body := range map[string]string{
		"whole": plainAnswer, "stream": plainStream, "blank line first": "\n" + plainStream,
		"whole after a byte order mark": "\uFEFF" + plainAnswer, "stream after a byte order mark": "\uFEFF" + plainStream,
	} {
		for _, contentType := range []string{"application/json", "text/event-stream", "text/html; charset=utf-8", "text/plain", ""} {
			for _, stream := range []bool{false, true} {
				if result := serve(t, 200, contentType, body).ask(t, stream); result.Failure != nil || result.Response != "Hi!" {
					t.Errorf("%s as %q (streamed: %v): %q, %+v", name, contentType, stream, result.Response, result.Failure)
				}
			}
		}
	}
	f := failure(t, serve(t, 200, "text/event-stream", `{"error":{"message":"Model foo is not loaded"}}`).ask(t, true), provider.UpstreamError)
	if !strings.Contains(f.Message, "not loaded") {
		t.Errorf("message %q", f.Message)
	}
}

func compressed(t *testing.T, status int, coding string, body []byte) *site {
	t.Helper()
	return serveAt(t, "/v1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", coding)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func zipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.Bytes()
}

func TestCompressedAnswers(t *testing.T) {
	for _, stream := range []bool{false, true} {
		for _, body := range []string{plainAnswer, plainStream} {
			succeeded(t, compressed(t, 200, "gzip", zipped(body)).ask(t, stream))
			succeeded(t, compressed(t, 200, "gzip", []byte(body)).ask(t, stream))
			whole := zipped(body)
			failed(t, compressed(t, 200, "gzip", whole[:len(whole)-20]).ask(t, stream), provider.UpstreamError)
		}
		failed(t, compressed(t, 200, "gzip", zipped(strings.Repeat("{\"a\":\"", 8<<20))).ask(t, stream), provider.UpstreamError)
		f := failure(t, compressed(t, 401, "gzip", zipped(`{"error":{"message":"Incorrect API key"}}`)).ask(t, stream), provider.Authentication)
		if !strings.Contains(f.Message, "Incorrect API key") {
			t.Errorf("message %q", f.Message)
		}
		f = failure(t, compressed(t, 200, "br", []byte("\x8b\x03")).ask(t, stream), provider.UpstreamError)
		if !strings.Contains(f.Message, "compression (br)") {
			t.Errorf("message %q", f.Message)
		}
	}
	d, err := compressed(t, 200, "gzip", zipped(`{"data":[{"id":"a"}]}`)).client.Models(t.Context())
	if err != nil || len(d.Models) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestPagesOfErrors(t *testing.T) {
	const blocked = "<!DOCTYPE html><html><head><title>Attention Required!</title><style>a{}</style></head><body><h1>Sorry, <b>you</b> have been blocked</h1></body></html>"
	f := failure(t, serve(t, 403, "text/html", blocked).ask(t, false), provider.Permission)
	if f.Message != "The answer was an HTML page (“Attention Required!”). Sorry, you have been blocked" {
		t.Errorf("message %q", f.Message)
	}
	const plain = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n<hr><center>nginx</center></body></html>"
	f = failure(t, serve(t, 400, "text/html", plain).ask(t, false), provider.Misconfigured)
	if !strings.Contains(f.Hint, "https://") {
		t.Errorf("hint %q", f.Hint)
	}
}

func TestClientCertificateThatIsWanted(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		roots := x509.NewCertPool()
		roots.AddCert(s.Certificate())
		client := customClient(t, s.URL+"/v1", guarded(t, egress.Config{Allow: []string{"127.0.0.1"}, RootCAs: roots}))
		for range 20 { // with TLS 1.3 a reset connection may come before the alert
			f := failure(t, client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil), provider.Misconfigured)
			if !strings.Contains(f.Message, "client certificate") {
				t.Errorf("TLS %x: %+v", version, f)
			}
		}
	}
}

// A character that a server cuts in two is passed on whole.
func TestCharactersInHalves(t *testing.T) {
	for typ, events := range map[string][]string{
		"custom": {`data: {"choices":[{"delta":{"content":"\ud83d"}}]}`, `data: {"choices":[{"delta":{"content":"\ude00"}}]}`, `data: [DONE]`},
		"anthropic": {
			`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"\ud83d"}}`,
			`data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"\ude00"}}`, `data: {"type":"message_stop"}`,
		},
		"gcp_vertex_ai": {
			`data: {"candidates":[{"content":{"parts":[{"text":"\ud83d"}]}}]}`,
			`data: {"candidates":[{"content":{"parts":[{"text":"\ude00"}]},"finishReason":"STOP"}]}`,
		},
	} {
		for _, fake := range providertest.Fakes(t) {
			if fake.Type != typ {
				continue
			}
			server := providertest.Start(t, answering(fake, func(*providertest.Request) providertest.Answer { return eventsAnswer(events...) }))
			if result, _ := open(t, server).generate(t, true); result.Response != "😀" {
				t.Errorf("%s: %q, %+v", typ, result.Response, result.Failure)
			}
		}
	}
}

// speaking listens, hands each connection to speak, and returns a base URL.
func speaking(t *testing.T, speak func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			speak(c)
		}
	}()
	return "http://" + l.Addr().String() + "/v1"
}

func TestWhatSpeaksNoHTTP(t *testing.T) {
	for answer, hint := range map[string]string{
		"SSH-2.0-OpenSSH_9.6\r\n": "port", "-ERR unknown command 'POST'\r\n": "port", "220 mail.example ESMTP\r\n": "port",
		"\x15\x03\x01\x00\x02\x02F": "https://",
	} {
		client := customClient(t, speaking(t, func(c net.Conn) {
			if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, r.Body) // closing with something unread would reset the connection
			}
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}), guarded(t, egress.Config{Allow: []string{"127.0.0.1"}}))
		f := failure(t, client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil), provider.Unreachable)
		if !strings.Contains(f.Hint, hint) || strings.Contains(f.Message, "ERR") {
			t.Errorf("%q: %+v", answer, f)
		}
	}
}

// SSH and SMTP servers speak first.
func TestWhatSpeaksFirst(t *testing.T) {
	client := customClient(t, speaking(t, func(c net.Conn) {
		_, _ = io.WriteString(c, "220 mail.example ESMTP\r\n")
		go func() { _, _ = io.Copy(io.Discard, c) }()
	}), guarded(t, egress.Config{Allow: []string{"127.0.0.1"}}))
	for range 20 {
		f := failure(t, client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil), provider.Unreachable)
		if !strings.Contains(f.Hint, "port") {
			t.Errorf("%+v", f)
		}
	}
}
