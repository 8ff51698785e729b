package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// allowList is what may be reached in addition to the public internet.
type allowList []allowed

// allowed is a host name, or a range of addresses.
type allowed struct {
	host   string // lower case
	prefix netip.Prefix
	port   uint16 // 0: any
}

// has reports whether the list has the host or the address, with any port or this one.
func (l allowList) has(host string, ip netip.Addr, port uint16) bool {
	return slices.ContainsFunc(l, func(a allowed) bool {
		return (a.port == 0 || a.port == port) && (a.host != "" && strings.EqualFold(a.host, host) || a.prefix.Contains(ip))
	})
}

// CheckAllow checks entries for [Config.Allow], and reports all that are wrong.
func CheckAllow(entries []string) error {
	_, err := parseAllow(entries)
	return err
}

func parseAllow(entries []string) (allowList, error) {
	var list allowList
	var wrong []error
	for _, entry := range entries {
		a, err := parseEntry(strings.TrimSpace(entry))
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%q %w", entry, err))
		}
		list = append(list, a)
	}
	return list, errors.Join(wrong...)
}

// parseEntry parses a CIDR, an address, `address:port`, `[IPv6]:port`, a name or
// `name:port`. Its errors continue a sentence that begins with the entry.
func parseEntry(entry string) (allowed, error) {
	if strings.Contains(entry, "/") {
		prefix, err := parsePrefix(entry)
		return allowed{prefix: prefix}, err
	}
	if ip, err := netip.ParseAddr(entry); err == nil {
		return allowedAddress(ip, 0)
	}
	if ip, err := netip.ParseAddrPort(entry + ":1"); err == nil && ip.Addr().Is6() { // without a port, in brackets
		return allowedAddress(ip.Addr(), 0)
	}
	host, text, hasPort := entry, "", false
	if i := strings.LastIndexByte(entry, ':'); i >= 0 {
		host, text, hasPort = entry[:i], entry[i+1:], true
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if hasPort && (err != nil || port == 0) {
		return allowed{}, errors.New("has no port from 1 to 65535 after the colon")
	}
	if to, err := netip.ParseAddrPort(entry); err == nil {
		return allowedAddress(to.Addr(), to.Port())
	}
	host = strings.ToLower(host)
	return allowed{host: host, port: uint16(port)}, checkName(host)
}

func allowedAddress(ip netip.Addr, port uint16) (allowed, error) {
	if ip.Zone() != "" {
		return allowed{}, errors.New("has a zone; link-local addresses can't be allowed")
	}
	ip = ip.Unmap()
	return allowed{prefix: netip.PrefixFrom(ip, ip.BitLen()), port: port}, nil
}

func parsePrefix(entry string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(entry)
	switch {
	case err != nil:
		return netip.Prefix{}, errors.New("is not a CIDR such as 10.0.0.0/8; names and addresses are written without scheme and path")
	case prefix.Addr().Is4In6():
		return netip.Prefix{}, errors.New("is an IPv4 network in IPv6 notation; write it as IPv4")
	case prefix != prefix.Masked():
		return netip.Prefix{}, fmt.Errorf("has bits set after its prefix; write %s, or %s for one address", prefix.Masked(), prefix.Addr())
	}
	return prefix, nil
}

func checkName(host string) error {
	switch {
	case host == "":
		return errors.New("has no host")
	case strings.Contains(host, "*"):
		return errors.New("has a wildcard; names must be complete")
	case len(host) > 253 || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "":
		return errors.New("is not a host name; write international names as xn--…")
	case checkNotation(host) != nil:
		return errors.New("is not a complete IP address such as 192.0.2.1")
	}
	return nil
}
