package egress

import (
	"net/netip"
	"slices"
	"strings"

	"code.dny.dev/ssrf"
)

// policy decides which addresses may be reached. code.dny.dev/ssrf decides which of
// them are public, from IANA's registries of special-purpose addresses.
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

// check checks an address that a host resolved to. It returns a *[BlockedError].
func (p policy) check(host string, to netip.AddrPort) error {
	ip := to.Addr().Unmap().WithZone("") // no prefix contains an address with a zone
	inner, carries := p.carried(ip)
	switch {
	case p.isMetadata(ip) || carries && p.isMetadata(inner):
		return &BlockedError{Host: host, Reason: Metadata}
	case p.allow.has(host, netip.Addr{}, to.Port()):
		return nil
	case p.permits(ip, to.Port()) && (!carries || p.permits(inner, to.Port())):
		return nil
	}
	return &BlockedError{Host: host, Reason: NotPublic}
}

func (p policy) permits(ip netip.Addr, port uint16) bool {
	return p.allow.has("", ip, port) || p.public.SafeAddr(ip) == nil
}

func (p policy) isMetadata(ip netip.Addr) bool {
	return slices.ContainsFunc(p.metadata, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// metadata returns the networks that are always refused: link-local addresses (RFC
// 3927, RFC 4291), where most clouds have their metadata service, and the addresses
// of the other metadata services.
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

// carrier is an IPv6 network whose addresses contain an IPv4 address to which a
// translator or a tunnel forwards.
type carrier struct {
	prefix netip.Prefix
	offset int // of the IPv4 address, in bytes
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

// carried returns the IPv4 address in an IPv6 address of a [carrier].
func (p policy) carried(ip netip.Addr) (netip.Addr, bool) {
	if ip.IsLoopback() || ip.IsUnspecified() {
		return netip.Addr{}, false
	}
	for _, c := range p.carriers {
		if c.prefix.Contains(ip) {
			b := ip.As16()
			return netip.AddrFrom4([4]byte(b[c.offset : c.offset+4])), true
		}
	}
	return netip.Addr{}, false
}

// checkNotation refuses hosts that are numbers but not IP addresses in the usual
// notation, such as 2852039166, 0xa9fea9fe and 127.1, because resolvers and
// proxies disagree on what they mean. A host is a number if its last label
// is a number ("ends in a number", WHATWG URL Standard).
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
