package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// TestHealthcheck asks a service with the settings that it has.
func TestHealthcheck(t *testing.T) {
	cert, key := certificate(t)
	for name, settings := range map[string]map[string]string{
		"plain":                {},
		"under a path":         {"MODELPROVIDERS_BASE_PATH": "/api/v1"},
		"TLS":                  {"MODELPROVIDERS_TLS_CERT": cert, "MODELPROVIDERS_TLS_KEY": key},
		"without sign-in":      {"MODELPROVIDERS_AUTH": "off"},
		"with another's proxy": {"HTTP_PROXY": "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, settings, "--data-dir", filepath.Join(t.TempDir(), "data"))
			served, err := url.Parse(s.url)
			if err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--live"}} {
				variables := map[string]string{"MODELPROVIDERS_ADDR": served.Host}
				for name, value := range settings {
					variables[name] = value
				}
				var stdout, stderr bytes.Buffer
				if err := run(t.Context(), args, environmentOf(variables), &stdout, &stderr); err != nil || stdout.Len()+stderr.Len() > 0 {
					t.Errorf("%v: %v\n%s%s", args, err, &stdout, &stderr)
				}
			}
		})
	}
}

// A service that listens on all addresses is asked on the loopback address.
func TestHealthcheckOfAllAddresses(t *testing.T) {
	s := start(t, nil, "--data-dir", filepath.Join(t.TempDir(), "data"))
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{":" + port, "0.0.0.0:" + port, "127.0.0.1:" + port} {
		printed(t, "healthcheck", "--addr", addr)
	}
	if got := (listenFlags{Addr: "[::]:80", BasePath: "/api", TLSCert: "c"}).url(); got != "https://[::1]:80/api" {
		t.Errorf("asks %s", got)
	}
}

func TestHealthcheckThatFails(t *testing.T) {
	answer := func(status int, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	notReady := answer(503, `{"detail":"The service is not ready: the database can't be reached."}`)
	for addr, says := range map[string]string{
		notReady:                         "The service is not ready: the database can't be reached.",
		answer(502, "<html>"):            "502 Bad Gateway",
		closed.Listener.Addr().String():  "does not answer",
		answer(302, `{"detail":"a\nb"}`): "a b",
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), []string{"healthcheck", "--addr", addr}, environmentOf(nil), io.Discard, io.Discard)
		if status := conclude(err, &stderr); status != exitFailed || !strings.Contains(stderr.String(), says) || strings.Count(stderr.String(), "\n") != 1 {
			t.Errorf("%s: %d, %s", addr, status, &stderr)
		}
	}
	printed(t, "healthcheck", "--addr", notReady, "--live")
	wrongSettings(t, nil, "healthcheck", "--addr", notReady+"/readyz")
}
