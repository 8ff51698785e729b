package egress

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is a server that counts the requests that reach it.
type upstream struct {
	*httptest.Server
	requests atomic.Int64
	conns    atomic.Int64
}

func newUpstream(t testing.TB, address string, handler http.HandlerFunc) *upstream {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.requests.Add(1)
		handler(w, r)
	}))
	_ = u.Listener.Close()
	u.Listener = listener
	u.Config.ErrorLog = log.New(io.Discard, "", 0)
	u.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			u.conns.Add(1)
		}
	}
	t.Cleanup(func() { u.Close() })
	return u
}

func (u *upstream) port() string {
	_, port, _ := net.SplitHostPort(u.Listener.Addr().String())
	return port
}

func hello(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "hello "+r.Proto)
}

func newGuard(t testing.TB, cfg Config) *Guard {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.CloseIdle)
	return g
}

// get fetches a URL as the SDKs do: through an http.Client.
func get(t testing.TB, rt http.RoundTripper, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func wantBlocked(t *testing.T, err error, want Reason) {
	t.Helper()
	if err == nil {
		t.Error("the call went through")
		return
	}
	if got := reason(t, err); got != want {
		t.Errorf("refused as %q, want %q: %v", got, want, err)
	}
}

func TestRefusesInEveryNotation(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	_, resolver := newDNS(t, map[string][][]string{
		"loopback.example":         {{"127.0.0.1"}},
		"private6.example":         {{"fd12::1"}},
		"metadata.google.internal": {{"169.254.169.254"}},
		"mapped.example":           {{"::ffff:169.254.169.254"}},
	})
	rt := newGuard(t, Config{Resolver: resolver}).Transport()
	for host, want := range map[string]Reason{
		"127.0.0.1": NotPublic, "[::1]": NotPublic, "[::ffff:127.0.0.1]": NotPublic, "0.0.0.0": NotPublic, "[::]": NotPublic,
		"localhost": NotPublic, "loopback.example": NotPublic, "LOOPBACK.example": NotPublic, "private6.example": NotPublic,
		"10.0.0.1": NotPublic, "[64:ff9b::7f00:1]": NotPublic, "[2002:7f00:1::]": NotPublic, "100.64.0.1": NotPublic, "224.0.0.1": NotPublic,
		"2130706433": Notation, "0x7f000001": Notation, "0177.0.0.1": Notation, "127.1": Notation, "127.0.0.1.": Notation,
		"2852039166": Notation, "0xA9.254.0251.254": Notation, "１２７.0.0.1": NotPublic,
		"169.254.169.254": Metadata, "[::ffff:169.254.169.254]": Metadata, "[::ffff:a9fe:a9fe]": Metadata, "[fd00:ec2::254]": Metadata,
		"[fe80::1]": Metadata, "[fe80::1%25lo]": Metadata, "100.100.100.200": Metadata, "168.63.129.16": Metadata,
		"metadata.google.internal": Metadata, "mapped.example": Metadata,
	} {
		t.Run(host, func(t *testing.T) {
			_, err := get(t, rt, "http://"+host+":"+u.port()+"/")
			wantBlocked(t, err, want)
		})
	}
	if n := u.conns.Load(); n != 0 {
		t.Errorf("%d connections reached the server", n)
	}
}

func TestAllowedUpstreamsAreReached(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	_, resolver := newDNS(t, map[string][][]string{"litellm.example": {{"127.0.0.1"}}, "other.example": {{"127.0.0.1"}}})
	for _, c := range []struct {
		allow, host string
		want        bool
	}{
		{"127.0.0.1/32", "127.0.0.1", true},
		{"127.0.0.0/8", "other.example", true},
		{"litellm.example:" + u.port(), "litellm.example", true},
		{"litellm.example:" + u.port(), "LiteLLM.example", true},
		{"litellm.example:1", "litellm.example", false},
		{"litellm.example", "other.example", false},
		{"10.0.0.0/8", "litellm.example", false},
	} {
		rt := newGuard(t, Config{Allow: []string{c.allow}, Resolver: resolver}).Transport()
		body, err := get(t, rt, "http://"+c.host+":"+u.port()+"/")
		if c.want && (err != nil || !strings.HasPrefix(body, "hello")) {
			t.Errorf("allow %s: %s: %q, %v", c.allow, c.host, body, err)
		}
		if !c.want {
			wantBlocked(t, err, NotPublic)
		}
	}
}

// In the two tests below, 127.0.0.2 is allowed and represents a public address.

func TestNameWithPublicAndPrivateAddressNeverReachesThePrivateOne(t *testing.T) {
	private := newUpstream(t, "127.0.0.1:0", hello)
	private.Start()
	for _, addresses := range [][]string{{"127.0.0.1", "127.0.0.2"}, {"127.0.0.2", "127.0.0.1"}, {"::1", "127.0.0.2", "127.0.0.1"}} {
		_, resolver := newDNS(t, map[string][][]string{"both.example": {addresses}})
		rt := newGuard(t, Config{Allow: []string{"127.0.0.2"}, Resolver: resolver}).Transport()
		// Nothing listens at the public address, so every address is tried.
		if _, err := get(t, rt, "http://both.example:"+private.port()+"/"); err == nil {
			t.Errorf("%v: the call went through", addresses)
		}
	}
	if n := private.conns.Load(); n != 0 {
		t.Errorf("%d connections reached the private address", n)
	}

	public := newUpstream(t, "127.0.0.2:0", hello)
	public.Start()
	_, resolver := newDNS(t, map[string][][]string{"both.example": {{"127.0.0.1", "127.0.0.2"}}})
	rt := newGuard(t, Config{Allow: []string{"127.0.0.2"}, Resolver: resolver}).Transport()
	if _, err := get(t, rt, "http://both.example:"+public.port()+"/"); err != nil {
		t.Errorf("the public address is not reached: %v", err)
	}
}

func TestRebindingIsRefusedWhenDialled(t *testing.T) {
	private := newUpstream(t, "127.0.0.1:0", hello)
	private.Start()
	public := newUpstream(t, "127.0.0.2:"+private.port(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close") // the next request has to dial again
		hello(w, r)
	})
	public.Start()
	dns, resolver := newDNS(t, map[string][][]string{"rebind.example": {{"127.0.0.2"}, {"127.0.0.1"}}})
	rt := newGuard(t, Config{Allow: []string{"127.0.0.2"}, Resolver: resolver}).Transport()
	url := "http://rebind.example:" + private.port() + "/"
	if _, err := get(t, rt, url); err != nil {
		t.Fatalf("first, public answer: %v", err)
	}
	_, err := get(t, rt, url)
	wantBlocked(t, err, NotPublic)
	if private.conns.Load() != 0 || dns.turns("rebind.example") != 2 {
		t.Errorf("%d connections reached the private address after %d answers", private.conns.Load(), dns.turns("rebind.example"))
	}
}

func TestTrustedOriginsAreExemptAndNothingElseIs(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	other := newUpstream(t, "127.0.0.1:0", hello)
	other.Start()
	_, resolver := newDNS(t, map[string][][]string{"fake.example": {{"127.0.0.1"}}, "same.example": {{"127.0.0.1"}}})
	g := newGuard(t, Config{Resolver: resolver})
	rt := g.Transport(u.URL, "http://Fake.example:"+u.port()+"/v1", "", "::", "not a url\x7f")
	for _, url := range []string{u.URL, u.URL + "/v1/chat?x=y", "http://fake.example:" + u.port() + "/other", "HTTP://FAKE.example:" + u.port()} {
		if _, err := get(t, rt, url); err != nil {
			t.Errorf("trusted %s: %v", url, err)
		}
	}
	before := u.conns.Load()
	for name, url := range map[string]string{
		"other port":   other.URL,
		"other scheme": strings.Replace(u.URL, "http:", "https:", 1),
		"other name":   "http://same.example:" + u.port(),
		"localhost":    "http://localhost:" + u.port(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t, rt, url)
			wantBlocked(t, err, NotPublic)
		})
	}
	t.Run("other transport of the guard", func(t *testing.T) {
		_, err := get(t, g.Transport(), u.URL) // although a trusted connection is warm
		wantBlocked(t, err, NotPublic)
	})
	t.Run("address of a user", func(t *testing.T) {
		_, err := get(t, Untrusted(rt), u.URL)
		wantBlocked(t, err, NotPublic)
	})
	if n := u.conns.Load() - before + other.conns.Load(); n != 0 {
		t.Errorf("%d connections were made for what is not trusted", n)
	}
}

func TestDefaultPortsAreOneOrigin(t *testing.T) {
	rt := newGuard(t, Config{}).Transport("https://gateway.example", "http://plain.example:80").(*roundTripper)
	for _, o := range []string{"https://gateway.example:443", "http://plain.example:80"} {
		if !rt.trusted[o] {
			t.Errorf("%s is not among %v", o, rt.trusted)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	inner := newUpstream(t, "127.0.0.1:0", hello)
	inner.Start()
	outer := newUpstream(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusTemporaryRedirect)
	})
	outer.Start()
	rt := newGuard(t, Config{Allow: []string{"127.0.0.1:" + outer.port()}}).Transport()
	r, err := http.NewRequest(http.MethodGet, outer.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := rt.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || inner.requests.Load() != 0 {
		t.Errorf("status %d, %d requests at the target", resp.StatusCode, inner.requests.Load())
	}
	// The policy stops a client that follows redirects anyway.
	_, err = (&http.Client{Transport: rt}).Get(outer.URL)
	wantBlocked(t, err, NotPublic)
}

// TestEnvironmentIsNotRead calls upstreams in a new process, because net/http reads the
// environment once per process.
func TestEnvironmentIsNotRead(t *testing.T) {
	if os.Getenv("HTTP_PROXY") == "http://"+os.Getenv("EGRESS_TEST_TRAP") {
		callUpstreams(t)
		return
	}
	trap := newUpstream(t, "127.0.0.1:0", hello)
	trap.Start()
	child := exec.Command(os.Args[0], "-test.run=^TestEnvironmentIsNotRead$")
	child.Env = append(os.Environ(), "EGRESS_TEST_TRAP="+trap.Listener.Addr().String(), "NO_PROXY=", "no_proxy=")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		child.Env = append(child.Env, name+"="+trap.URL)
	}
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := trap.conns.Load(); n != 0 {
		t.Errorf("%d connections to the environment's proxy", n)
	}
}

func callUpstreams(t *testing.T) {
	u := newUpstream(t, "127.0.0.1:0", hello)
	u.Start()
	_, resolver := newDNS(t, map[string][][]string{"upstream.example": {{"127.0.0.1"}}})
	g := newGuard(t, Config{Allow: []string{"upstream.example"}, Resolver: resolver})
	url := "http://upstream.example:" + u.port()
	for _, rt := range []http.RoundTripper{g.Transport(), g.Transport(url)} {
		if _, err := get(t, rt, url); err != nil {
			t.Error(err)
		}
	}
	if n := u.requests.Load(); n != 2 {
		t.Errorf("%d requests reached the upstream, want 2", n)
	}
}
