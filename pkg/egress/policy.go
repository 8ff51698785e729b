package egress

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"code.dny.dev/ssrf"
)

// policy judges addresses. Beside what is allowed it is that of
// code.dny.dev/ssrf: the special-purpose registries of IANA.
type policy struct {
	allow    allowList
	public   *ssrf.Guardian
	metadata []netip.Prefix
	carriers []carrier
}

func newPolicy(allow []string) (policy, error) {
	list, err := parseAllow(allow)
	return policy{
		allow:    list,
		public:   ssrf.New(ssrf.WithAnyPort(), ssrf.WithAnyNetwork()),
		metadata: metadata(),
		carriers: carriers(),
	}, err
}

// checkDialled judges an address, `ip:port`, that is about to be dialled for a
// host.
func (p policy) checkDialled(host, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("the address %q can't be checked: %w", address, err)
	}
	return p.check(host, to)
}

// check judges an address that a host led to. The error is a *[BlockedError].
func (p policy) check(host string, to netip.AddrPort) error {
	ip := to.Addr().Unmap().WithZone("") // a prefix contains no address with a zone
	inner, carries := p.carried(ip)
	blocked := &BlockedError{Host: host, Address: to.Addr().String(), Reason: NotPublic}
	switch {
	case p.isMetadata(ip) || carries && p.isMetadata(inner):
		blocked.Reason = Metadata
		return blocked
	case p.allow.name(host, to.Port()):
		return nil
	case p.permits(ip, to.Port()) && (!carries || p.permits(inner, to.Port())):
		return nil
	}
	return blocked
}

func (p policy) permits(ip netip.Addr, port uint16) bool {
	return p.allow.address(ip, port) || p.public.SafeAddr(ip) == nil
}

// isMetadata reports whether the address is one that is always refused.
func (p policy) isMetadata(ip netip.Addr) bool {
	return slices.ContainsFunc(p.metadata, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// metadata returns what is always refused: link-local addresses (RFC 3927, RFC
// 4291), where most clouds have their metadata service, and those elsewhere.
func metadata() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("100.100.100.200/32"),     // Alibaba Cloud
		netip.MustParsePrefix("168.63.129.16/32"),       // Azure WireServer
		netip.MustParsePrefix("192.0.0.192/32"),         // Oracle Cloud Classic
		netip.MustParsePrefix("fd00:ec2::/32"),          // AWS: metadata, EKS Pod Identity
		netip.MustParsePrefix("fd20:ce::254/128"),       // Google Cloud
		netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), // Oracle Cloud
		netip.MustParsePrefix("fd00:42::42/128"),        // Scaleway
		netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"),  // Akamai
		netip.MustParsePrefix("fd00:100::100:200/128"),  // Alibaba Cloud
	}
}

// carrier is an IPv6 network whose addresses lead to the IPv4 address in them.
type carrier struct {
	prefix netip.Prefix
	at     int // of the IPv4 address, in bytes
}

func carriers() []carrier {
	return []carrier{
		{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
		{netip.MustParsePrefix("64:ff9b:1::/48"), 12},  // NAT64 for local use, RFC 8215
		{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // stateless translation, RFC 2765
		{netip.MustParsePrefix("::/96"), 12},           // IPv4-compatible, RFC 4291
		{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
	}
}

// carried returns the IPv4 address that an IPv6 address leads to by way of a
// translator or a tunnel, if it does.
func (p policy) carried(ip netip.Addr) (netip.Addr, bool) {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return netip.Addr{}, false
	}
	for _, c := range p.carriers {
		if c.prefix.Contains(ip) {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[c.at : c.at+4])), true
		}
	}
	return netip.Addr{}, false
}

// checkNotation refuses hosts that are numbers but no IP addresses as they are
// written today: 2852039166, 0xa9fea9fe, 0251.0376.0251.0376, 127.1. Resolvers
// and proxies differ in what they make of these. A host is a number when its
// last label is one, as in the URL Standard of the WHATWG ("ends in a number").
func checkNotation(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	last := strings.ToLower(labels[len(labels)-1])
	digits := "0123456789"
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		last, digits = "0"+hex, "0123456789abcdef"
	}
	if last != "" && strings.Trim(last, digits) == "" {
		return &BlockedError{Host: host, Reason: Notation}
	}
	return nil
}
