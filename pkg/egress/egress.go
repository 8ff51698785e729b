// Package egress has the HTTP transport through which every upstream is called.
//
// Users choose where this service sends requests. Without a guard they could make
// it call addresses that only it can reach: the metadata service of a cloud, the
// operator's internal network, or the service itself. Checking host names does not
// help, because a name may resolve to another address each time. Therefore the
// address of every connection is checked when it is dialled, after DNS resolution.
//
//   - Link-local and cloud-metadata addresses are always refused.
//   - Other addresses are allowed only if they are on the public internet: no
//     loopback, private, shared, multicast or reserved addresses, and no IPv6
//     addresses that contain an IPv4 address (NAT64, 6to4, …). [Config.Allow] makes
//     exceptions.
//   - The operator's own origins are exempt: see [Guard.Transport].
//   - The proxy settings of the environment are not used. With [Config.Proxy] the
//     addresses of the target are checked before each request. The proxy resolves
//     the name again, so it has to refuse names whose address has changed.
//
// A refusal is a [BlockedError]. Clients must not follow redirects, because they
// may send credentials along.
package egress

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// Config configures a guard.
type Config struct {
	// Allow lists addresses, CIDRs and host names that may be reached in addition to
	// the public internet (MODELPROVIDERS_ALLOW_UPSTREAMS). A name allows every
	// address that a URL with exactly that host leads to. `:port` after a name or an
	// address restricts the entry to that port. Metadata and
	// link-local addresses are refused anyway.
	Allow []string
	// Proxy is the URL of a proxy for all calls (MODELPROVIDERS_EGRESS_PROXY), with
	// the scheme http, https, socks5 or socks5h; empty for none. A target that
	// can't be resolved here is refused, unless Allow has its name.
	Proxy    string
	RootCAs  *x509.CertPool // nil: the system's
	Resolver *net.Resolver  // nil: the default one
}

// Guard has the policy and two pools of connections, one for guarded calls and one
// for trusted origins. It is safe for concurrent use; a program needs one.
type Guard struct {
	policy   policy
	resolver *net.Resolver
	guarded  *http.Transport
	trusted  *http.Transport
}

// New returns a guard. Its errors name the setting that is wrong.
func New(cfg Config) (*Guard, error) {
	policy, err := newPolicy(cfg.Allow)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", allowSetting, err)
	}
	proxy, err := parseProxy(cfg.Proxy)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", proxySetting, err)
	}
	g := &Guard{policy: policy, resolver: cmp.Or(cfg.Resolver, net.DefaultResolver)}
	unguarded := g.dialer().DialContext
	guarded := g.dial
	if proxy != nil {
		guarded = unguarded // only the proxy is dialled
	}
	g.guarded, g.trusted = newTransport(guarded, proxy, cfg.RootCAs), newTransport(unguarded, proxy, cfg.RootCAs)
	return g, nil
}

// Transport returns a transport that uses the guard's shared connections. Requests
// to the trusted origins (`scheme://host[:port]`), which must be the operator's
// own, are exempt from the policy, even for metadata addresses. Origins that can't
// be parsed are ignored.
func (g *Guard) Transport(trusted ...string) http.RoundTripper {
	origins := make(map[string]bool, len(trusted))
	for _, s := range trusted {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			origins[origin(u)] = true
		}
	}
	return &roundTripper{guard: g, trusted: origins}
}

// Untrusted returns a transport that sends requests through another one, which may wrap
// that of a guard, without an exemption for the trusted origins. It is for requests to
// addresses that users choose.
func Untrusted(transport http.RoundTripper) http.RoundTripper { return untrusted{transport} }

type untrusted struct{ transport http.RoundTripper }

type untrustedKey struct{}

// RoundTrip implements [http.RoundTripper].
func (u untrusted) RoundTrip(r *http.Request) (*http.Response, error) {
	return u.transport.RoundTrip(r.WithContext(context.WithValue(r.Context(), untrustedKey{}, true)))
}

// CloseIdle closes idle connections.
func (g *Guard) CloseIdle() {
	g.guarded.CloseIdleConnections()
	g.trusted.CloseIdleConnections()
}

// roundTripper has no CloseIdleConnections on purpose: a client could close the
// connections of all others.
type roundTripper struct {
	guard   *Guard
	trusted map[string]bool
}

// RoundTrip implements [http.RoundTripper]. Its errors may wrap a *[BlockedError].
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.trusted[origin(r.URL)] && r.Context().Value(untrustedKey{}) == nil {
		return t.guard.trusted.RoundTrip(r)
	}
	if t.guard.guarded.Proxy != nil {
		if err := t.guard.checkTarget(r); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // as a RoundTripper must
			}
			return nil, err
		}
	}
	return t.guard.guarded.RoundTrip(r)
}

// dial connects to target, `host:port`, if the policy allows it.
func (g *Guard) dial(ctx context.Context, network, target string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	if err := checkNotation(host); err != nil {
		return nil, err
	}
	d := g.dialer()
	d.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.policy.check(host, to)
	}
	return d.DialContext(ctx, network, target)
}

// origin returns scheme, host and port of a URL in canonical form.
func origin(u *url.URL) string {
	return fmt.Sprintf("%s://%s", strings.ToLower(u.Scheme), net.JoinHostPort(strings.ToLower(u.Hostname()), portOf(u)))
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if strings.EqualFold(u.Scheme, "http") {
		return "80"
	}
	return "443"
}
