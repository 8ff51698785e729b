package egress

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// CheckProxy checks a URL for [Config.Proxy].
func CheckProxy(text string) error {
	_, err := parseProxy(text)
	return err
}

// parseProxy returns nil for an empty text. Its error does not contain the text,
// which may have a password.
func parseProxy(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
		return nil, errors.New("must be an http, https or socks5 URL such as http://proxy.internal:3128")
	}
	return u, nil
}

// checkTarget checks where a request goes before a proxy is asked to send it
// there. The proxy may choose any address of a name, so all of them must pass.
func (g *Guard) checkTarget(r *http.Request) error {
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
	ctx, cancel := context.WithTimeout(r.Context(), dialTimeout)
	defer cancel()
	addresses, err := g.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		if g.policy.allow.has(host, netip.Addr{}, uint16(port)) {
			return nil
		}
		return fmt.Errorf("could not resolve %q to check its address before calling the proxy; the operator can allow the name with %s: %w", host, allowSetting, err)
	}
	for _, address := range addresses {
		if err := g.policy.check(host, netip.AddrPortFrom(address, uint16(port))); err != nil {
			return err
		}
	}
	return nil
}

// asciiHost maps an international name as net/http does. The result may be an IP
// address.
func asciiHost(host string) (string, error) {
	if !strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return host, nil
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil {
		return "", fmt.Errorf("%q is not a host name: %w", host, err)
	}
	return ascii, nil
}
