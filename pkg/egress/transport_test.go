package egress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestHTTP2AndCertificates(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.EnableHTTP2 = true
	u.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(u.Certificate())
	allow := []string{"127.0.0.1"}
	body, err := get(t, newGuard(t, Config{Allow: allow, RootCAs: pool}).Transport(), u.URL)
	if err != nil || body != "hello HTTP/2.0" {
		t.Errorf("%q, %v; want HTTP/2", body, err)
	}
	_, err = get(t, newGuard(t, Config{Allow: allow}).Transport(), u.URL)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	u.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(u.Certificate())
	if _, err := get(t, newGuard(t, Config{Allow: []string{"127.0.0.1"}, RootCAs: pool}).Transport(), u.URL); err == nil || u.requests.Load() != 0 {
		t.Errorf("TLS 1.1 is accepted: %v", err)
	}
}

func TestResponsesAreBounded(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	u := newUpstream(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/headers" {
			for range 10_000 {
				w.Header().Add("X-Filler", strings.Repeat("x", 64))
			}
			return
		}
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("Accept-Encoding %q is sent", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(packed.Bytes())
	})
	u.Start()
	rt := newGuard(t, Config{Allow: []string{"127.0.0.1"}}).Transport()
	if _, err := get(t, rt, u.URL+"/headers"); err == nil {
		t.Error("640 KiB of headers are read")
	}
	body, err := get(t, rt, u.URL+"/bomb")
	if err != nil || len(body) != packed.Len() {
		t.Errorf("%d bytes, %v; want the %d that were sent", len(body), err, packed.Len())
	}
}

func TestConnectionsAreShared(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	g := newGuard(t, Config{Allow: []string{"127.0.0.1"}})
	for range 5 {
		if _, err := get(t, g.Transport(), u.URL); err != nil {
			t.Fatal(err)
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("%d connections for 5 calls one after the other, want 1", n)
	}
	g.CloseIdle()
	if _, err := get(t, g.Transport(), u.URL); err != nil || u.conns.Load() != 2 {
		t.Errorf("after CloseIdle: %d connections, %v", u.conns.Load(), err)
	}
}

func TestCancelledCallEnds(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	u := newUpstream(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {
		close(started)
		<-release
	})
	u.Start()
	defer close(release)
	rt := newGuard(t, Config{Allow: []string{"127.0.0.1"}}).Transport()
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-started
		cancel()
	}()
	if _, err := rt.RoundTrip(r); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}

func BenchmarkCall(b *testing.B) {
	u := newUpstream(b, "127.0.0.1:0", hello)
	u.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(u.Certificate())
	g := newGuard(b, Config{Allow: []string{"127.0.0.1"}, RootCAs: pool})
	for name, cold := range map[string]bool{"warm": false, "cold": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if cold {
					g.CloseIdle()
				}
				if _, err := get(b, g.Transport(), u.URL); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
