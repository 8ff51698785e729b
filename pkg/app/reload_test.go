package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"modelproviders/pkg/app"
)

func TestReloadCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	renew(t, cert, key, 1)
	s := running(t, func(c *app.Config) { c.TLSCert, c.TLSKey = cert, key })
	presents := func(want int64) {
		t.Helper()
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("the certificate has the number %d, want %d", got, want)
		}
	}
	presents(1)
	renew(t, cert, key, 2)
	presents(1)
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	presents(2)

	overwrite(t, cert, "not a certificate")
	if err := s.Reload(t.Context()); err == nil || !strings.Contains(s.log.String(), "could not reload the TLS certificate") {
		t.Errorf("reloaded with %v:\n%s", err, s.log)
	}
	presents(2)
	s.http.Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify = true
	ready := s.must(t, 200, "GET", "/readyz", nil)
	if !strings.Contains(ready.text, `"warnings":["The TLS certificate could not be reloaded.`) {
		t.Errorf("/readyz answered %s", ready.text)
	}
	renew(t, cert, key, 3)
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	presents(3)
	if ready := s.must(t, 200, "GET", "/readyz", nil); strings.Contains(ready.text, "warnings") {
		t.Errorf("/readyz answered %s", ready.text)
	}
}

func TestReloadKeyset(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := filepath.Join(s.dir, "keyset.json")
	before := s.must(t, 201, "POST", "/providers", openAI("before")).string("id")
	old := readFile(t, path)
	overwrite(t, path, withNewPrimary(t, old))
	if err := s.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	after := s.must(t, 201, "POST", "/providers", openAI("after")).string("id")
	reveals := func(s *service, ids ...string) {
		t.Helper()
		for _, id := range ids {
			s.must(t, 200, "POST", "/providers/"+id+"/credentials/api_key/reveal", nil)
		}
	}
	reveals(s, before, after)

	other := running(t)
	for _, unusable := range []string{"not a keyset", readFile(t, filepath.Join(other.dir, "keyset.json"))} {
		overwrite(t, path, unusable)
		if err := s.Reload(t.Context()); err == nil {
			t.Errorf("reloaded %s", unusable)
		}
		reveals(s, before, after)
		if ready := s.must(t, 200, "GET", "/readyz", nil); !strings.Contains(ready.text, "The keyset could not be reloaded.") {
			t.Errorf("/readyz answered %s", ready.text)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	// The new primary key of the file has encrypted nothing.
	overwrite(t, path, old)
	again := running(t, func(c *app.Config) { c.DataDir = s.dir })
	reveals(again, before, after)
}

func openAI(name string) object {
	return object{"name": name, "type": "openai", "credentials": object{"api_key": "sk-0123456789"}}
}

// withNewPrimary adds a key to a keyset file, which seals from then on.
func withNewPrimary(t *testing.T, file string) string {
	t.Helper()
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(strings.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(aead.XAES256GCM192BitNonceKeyTemplate())
	if err == nil {
		err = manager.SetPrimary(id)
	}
	if err == nil {
		handle, err = manager.Handle()
	}
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// renew writes a new self-signed certificate and its key.
func renew(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})))
	overwrite(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
