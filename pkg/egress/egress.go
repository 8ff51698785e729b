// Package egress is the guarded HTTP transport that every call to an upstream
// goes through.
//
// Users choose where this service sends requests, so without a guard they could
// make it call what only it can reach: the cloud's metadata service, the
// operator's internal network, itself. A URL can't be judged by its looks, for
// the name in it may resolve to anything, and to something else the next time.
// So the address is judged when it is dialled, after DNS: the very address that
// the connection is about to be made to, for each address that is tried, for
// every connection.
//
//   - Link-local and cloud-metadata addresses are always refused.
//   - The public internet may be reached, and nothing else: no loopback,
//     private, shared, multicast or reserved address, and no IPv6 address that
//     carries an IPv4 one (NAT64, 6to4, …). [Config.Allow] makes exceptions.
//   - The operator's own origins are exempt: see [Guard.Transport].
//   - Nothing is taken from the environment, a proxy least of all. Through the
//     operator's proxy ([Config.Proxy]) the target's addresses are judged
//     before each request. As the proxy resolves the name again by itself, a
//     name that changes its address between the two is for the proxy's own
//     policy to refuse.
//
// A refusal is a [BlockedError]. Transports never follow redirects, as no
// http.RoundTripper does: a client over one must not follow them either, or it
// sends credentials along.
package egress

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Config says what a guard lets through, and how.
type Config struct {
	// Allow lists what may be reached beside the public internet
	// (MODELPROVIDERS_ALLOW_UPSTREAMS). An address or CIDR stands for those
	// addresses; a name for any address that a URL with exactly that host
	// leads to. Names and addresses may carry a `:port`, and then stand for
	// that port alone. Metadata and link-local addresses stay refused.
	Allow []string
	// Proxy carries all calls (MODELPROVIDERS_EGRESS_PROXY); nil is none. Its
	// scheme is http, https, socks5 or socks5h. A target whose name can't be
	// resolved here is refused, for its address can't be judged, unless Allow
	// has the name.
	Proxy *url.URL
	// RootCAs verify the upstreams' certificates; nil are the system's.
	RootCAs *x509.CertPool
	// Resolver looks names up; nil is the default one.
	Resolver *net.Resolver
}

// Guard holds the policy, and one pool of connections for what is guarded and
// one for what is trusted. It is safe for concurrent use; a program needs one.
type Guard struct {
	policy   policy
	resolver *net.Resolver
	proxied  bool
	guarded  *http.Transport
	trusted  *http.Transport
}

// New makes a guard. The error names the entry of Allow, or the proxy, that is
// malformed.
func New(cfg Config) (*Guard, error) {
	policy, err := newPolicy(cfg.Allow)
	if err != nil {
		return nil, err
	}
	g := &Guard{policy: policy, resolver: cfg.Resolver, proxied: cfg.Proxy != nil}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	if err := checkProxy(cfg.Proxy); err != nil {
		return nil, err
	}
	unguarded := g.dialer().DialContext
	guarded := g.dial
	if g.proxied {
		guarded = unguarded // only the proxy is dialled
	}
	g.guarded, g.trusted = newTransport(guarded, cfg), newTransport(unguarded, cfg)
	return g, nil
}

// Transport returns a transport over the guard's shared, warm connections. The
// trusted origins (`scheme://host[:port]`) are the operator's own: requests to
// exactly these are exempt from the policy, metadata addresses included. An
// origin that can't be parsed is trusted by nothing.
func (g *Guard) Transport(trusted ...string) http.RoundTripper {
	origins := make(map[string]bool, len(trusted))
	for _, s := range trusted {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			origins[origin(u)] = true
		}
	}
	return &roundTripper{guard: g, trusted: origins}
}

// CloseIdle closes the connections that carry no request.
func (g *Guard) CloseIdle() {
	g.guarded.CloseIdleConnections()
	g.trusted.CloseIdleConnections()
}

// roundTripper sends each request over the guarded or the trusted connections.
// It has no CloseIdleConnections, with which one client would close everyone's.
type roundTripper struct {
	guard   *Guard
	trusted map[string]bool
}

// RoundTrip sends one request. A refusal is a *[BlockedError] in the chain of
// the error.
func (t *roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL != nil && t.trusted[origin(r.URL)] {
		return t.guard.trusted.RoundTrip(r)
	}
	if t.guard.proxied {
		if err := t.guard.checkTarget(r); err != nil {
			if r.Body != nil {
				_ = r.Body.Close() // a RoundTripper must, and its error is nobody's
			}
			return nil, err
		}
	}
	return t.guard.guarded.RoundTrip(r)
}

// dial connects to target (`host:port`), if the policy lets it.
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
		return g.policy.checkDialled(host, address)
	}
	return d.DialContext(ctx, network, target)
}

// origin returns scheme, host and port of a URL, in one spelling.
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
