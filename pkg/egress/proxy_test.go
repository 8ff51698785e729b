package egress

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// newProxy starts a forward proxy that sends everything to the upstream, and
// returns the targets it was asked for.
func newProxy(t *testing.T, u *upstream) (string, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var targets []string
	p := newUpstream(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		targets = append(targets, r.Method+" "+r.Host)
		mu.Unlock()
		if r.Method != http.MethodConnect {
			hello(w, r)
			return
		}
		tunnel(t, w, u.Listener.Addr().String())
	})
	p.Start()
	return p.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return targets
	}
}

func tunnel(t *testing.T, w http.ResponseWriter, address string) {
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		_ = client.Close()
		return
	}
	_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

func TestProxyCarriesWhatThePolicyLets(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.StartTLS()
	pool := x509.NewCertPool()
	pool.AddCert(u.Certificate()) // it names example.com
	_, resolver := newDNS(t, map[string][][]string{
		"example.com": {{"127.0.0.2"}}, // represents a public address
		"private.net": {{"127.0.0.1"}},
		"both.net":    {{"127.0.0.2", "127.0.0.1"}},
		"cloud.net":   {{"169.254.169.254"}},
		"operator.it": {{"169.254.169.254"}},
	})
	proxy, targets := newProxy(t, u)
	cfg := Config{Allow: []string{"127.0.0.2", "known.net", "cloud.net"}, Proxy: proxy, RootCAs: pool, Resolver: resolver}
	rt := newGuard(t, cfg).Transport("http://operator.it")

	for _, target := range []string{"https://example.com/v1", "http://example.com/v1", "http://known.net:8080/", "http://operator.it/"} {
		if _, err := get(t, rt, target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
	want := "CONNECT example.com:443, GET example.com, GET known.net:8080, GET operator.it"
	if got := strings.Join(targets(), ", "); got != want {
		t.Errorf("the proxy was asked for %s; want %s", got, want)
	}

	for target, want := range map[string]Reason{
		"https://private.net/": NotPublic, "http://private.net/": NotPublic, "https://both.net/": NotPublic,
		"http://127.0.0.1/": NotPublic, "https://[::1]/": NotPublic, "http://10.0.0.1:8080/": NotPublic, "http://１27.0.0.1/": NotPublic,
		"http://169.254.169.254/": Metadata, "https://[::ffff:169.254.169.254]/": Metadata, "http://cloud.net/": Metadata,
		"http://2852039166/": Notation, "http://0xa9fea9fe/": Notation, "https://127.1/": Notation,
	} {
		t.Run(target, func(t *testing.T) {
			_, err := get(t, rt, target)
			wantBlocked(t, err, want)
		})
	}
	t.Run("name that can't be resolved", func(t *testing.T) {
		_, err := get(t, rt, "http://unknown.net/")
		var dnsErr *net.DNSError
		if !errors.As(err, &dnsErr) || !strings.Contains(err.Error(), allowSetting) {
			t.Errorf("error %v, want the look-up's, naming the setting", err)
		}
	})
	if n := len(targets()); n != 4 {
		t.Errorf("the proxy was asked for %v", targets()[4:])
	}
}

func TestProxyIsAskedAgainAfterRebinding(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	_, resolver := newDNS(t, map[string][][]string{"rebind.net": {{"127.0.0.2"}, {"127.0.0.1"}}})
	proxy, targets := newProxy(t, u)
	rt := newGuard(t, Config{Allow: []string{"127.0.0.2"}, Proxy: proxy, Resolver: resolver}).Transport()
	if _, err := get(t, rt, "http://rebind.net/"); err != nil {
		t.Fatal(err)
	}
	_, err := get(t, rt, "http://rebind.net/") // over the warm connection to the proxy
	wantBlocked(t, err, NotPublic)
	if n := len(targets()); n != 1 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

type closer struct {
	io.Reader
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

func TestRefusedRequestsBodyIsClosed(t *testing.T) {
	for name, proxy := range map[string]string{"direct": "", "proxy": "http://127.0.0.1:1"} {
		t.Run(name, func(t *testing.T) {
			body := &closer{Reader: strings.NewReader("x")}
			r, err := http.NewRequest(http.MethodPost, "http://10.0.0.1/", body)
			if err != nil {
				t.Fatal(err)
			}
			_, err = newGuard(t, Config{Proxy: proxy}).Transport().RoundTrip(r)
			wantBlocked(t, err, NotPublic)
			if !body.closed {
				t.Error("the body is left open")
			}
		})
	}
}

func TestProxyMustBeUsable(t *testing.T) {
	for _, proxy := range []string{"ftp://proxy:1", "proxy:8080", "http://", "//proxy", "http://user:sk-canary@:80", "http://user:sk-canary@%"} {
		if _, err := New(Config{Proxy: proxy}); err == nil || !strings.Contains(err.Error(), proxySetting) || strings.Contains(err.Error(), "sk-canary") {
			t.Errorf("%s: %v", proxy, err)
		}
	}
}
