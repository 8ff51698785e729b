package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// allowList is what may be reached beside the public internet.
type allowList struct {
	names     []allowedName
	addresses []allowedAddresses
}

type allowedName struct {
	host string // lower case
	port uint16 // 0: any
}

type allowedAddresses struct {
	prefix netip.Prefix
	port   uint16 // 0: any
}

func (l allowList) name(host string, port uint16) bool {
	return slices.ContainsFunc(l.names, func(n allowedName) bool {
		return strings.EqualFold(n.host, host) && (n.port == 0 || n.port == port)
	})
}

func (l allowList) address(ip netip.Addr, port uint16) bool {
	return slices.ContainsFunc(l.addresses, func(a allowedAddresses) bool {
		return a.prefix.Contains(ip) && (a.port == 0 || a.port == port)
	})
}

func parseAllow(entries []string) (allowList, error) {
	var list allowList
	for _, entry := range entries {
		if err := list.add(strings.TrimSpace(entry)); err != nil {
			return allowList{}, fmt.Errorf("%s: %q %w", setting, entry, err)
		}
	}
	return list, nil
}

// add parses one entry: a CIDR, an address, `address:port`, `[IPv6]:port`, a
// name or `name:port`. The error goes on after the entry.
func (l *allowList) add(entry string) error {
	if strings.Contains(entry, "/") {
		return l.addPrefix(entry)
	}
	if ip, ok := parseIP(entry); ok {
		return l.addAddress(ip, 0)
	}
	host, port := entry, uint16(0)
	if i := strings.LastIndexByte(entry, ':'); i >= 0 {
		n, err := strconv.ParseUint(entry[i+1:], 10, 16)
		if err != nil || n == 0 {
			return errors.New("has no port from 1 to 65535 after the colon")
		}
		host, port = entry[:i], uint16(n)
	}
	if ip, ok := parseIP(host); ok && (ip.Is4() || host[0] == '[') {
		return l.addAddress(ip, port)
	}
	return l.addName(host, port)
}

// parseIP parses an address; brackets are for IPv6 alone.
func parseIP(s string) (netip.Addr, bool) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		return ip, ok && err == nil && ip.Is6()
	}
	ip, err := netip.ParseAddr(s)
	return ip, err == nil
}

func (l *allowList) addPrefix(entry string) error {
	prefix, err := netip.ParsePrefix(entry)
	switch {
	case err != nil:
		return errors.New("is not a CIDR like 10.0.0.0/8; a name or an address is written without scheme and path")
	case prefix.Addr().Is4In6():
		return errors.New("is an IPv4 network written as IPv6: write it as IPv4")
	case prefix != prefix.Masked():
		return fmt.Errorf("has bits set behind its prefix: write %s, or %s for the one address", prefix.Masked(), prefix.Addr())
	}
	l.addresses = append(l.addresses, allowedAddresses{prefix: prefix})
	return nil
}

func (l *allowList) addAddress(ip netip.Addr, port uint16) error {
	if ip.Zone() != "" {
		return errors.New("has a zone: link-local addresses can't be allowed")
	}
	ip = ip.Unmap()
	l.addresses = append(l.addresses, allowedAddresses{prefix: netip.PrefixFrom(ip, ip.BitLen()), port: port})
	return nil
}

func (l *allowList) addName(host string, port uint16) error {
	host = strings.ToLower(host)
	switch {
	case host == "":
		return errors.New("names no host")
	case strings.Contains(host, "*"):
		return errors.New("has a wildcard: a name must be written in full")
	case len(host) > 253 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return errors.New("is not a host name; an international one is written as xn--…")
	case checkNotation(host) != nil:
		return errors.New("is not an IP address written in full, like 192.0.2.1")
	}
	l.names = append(l.names, allowedName{host: host, port: port})
	return nil
}
