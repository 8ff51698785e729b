package egress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

func checkProxy(proxy *url.URL) error {
	if proxy == nil {
		return nil
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return fmt.Errorf("the proxy %s can't be used: its scheme must be http, https, socks5 or socks5h", proxy.Redacted())
	}
	if proxy.Hostname() == "" {
		return fmt.Errorf("the proxy %s can't be used: it names no host", proxy.Redacted())
	}
	return nil
}

// checkTarget judges where a request goes before a proxy is asked to carry it
// there. The proxy may choose any address of a name, so each has to pass.
func (g *Guard) checkTarget(r *http.Request) error {
	if r.URL == nil || r.URL.Hostname() == "" {
		return errors.New("the request names no host")
	}
	host, err := asciiHost(r.URL.Hostname())
	if err != nil {
		return err
	}
	port, err := strconv.ParseUint(portOf(r.URL), 10, 16)
	if err != nil {
		return fmt.Errorf("the port of %q is not a number from 0 to 65535", host)
	}
	if err := checkNotation(host); err != nil {
		return err
	}
	addresses, err := g.lookup(r.Context(), host)
	if err != nil {
		if g.policy.allow.name(host, uint16(port)) {
			return nil
		}
		return fmt.Errorf("%q can't be resolved here, so its address can't be checked before the proxy is asked (the operator can allow the name with %s): %w", host, setting, err)
	}
	for _, address := range addresses {
		if err := g.policy.check(host, netip.AddrPortFrom(address, uint16(port))); err != nil {
			return err
		}
	}
	return nil
}

// asciiHost returns a host as net/http hands it on: an international name is
// mapped, and may turn out to be an IP address.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) < 0 {
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("%q is not a host name: %w", host, err)
	}
	return ascii, nil
}

func (g *Guard) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return g.resolver.LookupNetIP(ctx, "ip", host)
}
