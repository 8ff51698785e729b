package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate creates a self-signed certificate for 127.0.0.1, and returns the files of
// it and of its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeFile(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	writeFile(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
	return cert, key
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, map[string]string{"MODELPROVIDERS_TLS_CERT": cert, "MODELPROVIDERS_TLS_KEY": key}, "--data-dir", dir)
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("serves at %s", s.url)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(readFile(t, cert)))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	got := s.callWith(t, &http.Client{Transport: transport}, "GET", "/healthz", "", nil)
	if got.status != http.StatusOK {
		t.Errorf("answered %d: %v", got.status, got.body)
	}
	if got.header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security over TLS")
	}

	old := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}}
	if response, err := (&http.Client{Transport: old}).Get(s.url + "/healthz"); err == nil {
		response.Body.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

// TestJSONLog: every line of the log is JSON, those of net/http too.
func TestJSONLog(t *testing.T) {
	cert, key := certificate(t)
	variables := map[string]string{"MODELPROVIDERS_TLS_CERT": cert, "MODELPROVIDERS_TLS_KEY": key, "MODELPROVIDERS_LOG_FORMAT": "json"}
	s := start(t, variables, "--data-dir", filepath.Join(t.TempDir(), "data"))
	if response, err := http.Get("http" + strings.TrimPrefix(s.url, "https")); err == nil {
		response.Body.Close()
	}
	for deadline := time.Now().Add(patience); !strings.Contains(s.stderr.String(), "TLS handshake"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log has no failed handshake:\n%s", s.stderr)
		}
	}
	for line := range strings.Lines(s.stderr.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("the log has the line %s", line)
		}
	}
}

// TestPrivateAuthority: the hint about an unknown authority says what helps.
func TestPrivateAuthority(t *testing.T) {
	cert, key := certificate(t)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"m","object":"model"}]}`)
	}))
	upstream.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	upstream.Config.ErrorLog = log.New(io.Discard, "", 0)
	upstream.StartTLS()
	defer upstream.Close()

	check := func(environ ...string) map[string]any {
		dir := filepath.Join(t.TempDir(), "data")
		p := launchWith(t, environ, "--data-dir", dir, "--allow-upstreams", "127.0.0.1/32")
		if !p.settle(t) {
			t.Fatal(p.stderr)
		}
		p.signIn(t, dir)
		body := encode(t, map[string]any{"credentials": map[string]any{"api_key": "sk-private"}, "config": map[string]any{"base_url": upstream.URL + "/v1"}})
		return p.must(t, http.StatusOK, "POST", "/provider-types/custom/check", body).body
	}
	refused, _ := check()["error"].(map[string]any)
	hint, _ := refused["hint"].(string)
	if !strings.Contains(hint, "SSL_CERT_FILE") {
		t.Errorf("an unknown authority is answered %v", refused)
	}
	if got := check("SSL_CERT_FILE=" + cert); got["status"] != "success" {
		t.Errorf("a known authority is answered %v", got)
	}
}
