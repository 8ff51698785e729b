package egress

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func mustPolicy(t testing.TB, allow ...string) policy {
	t.Helper()
	p, err := newPolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func reason(t *testing.T, err error) Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	var blocked *BlockedError
	if !errors.As(err, &blocked) {
		t.Fatalf("error %v, want a BlockedError", err)
	}
	return blocked.Reason
}

// metadataAddresses are metadata addresses in every notation.
var metadataAddresses = []string{
	"169.254.169.254", "169.254.0.1", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
	"::ffff:169.254.169.254", "::ffff:168.63.129.16", "::169.254.169.254", "::ffff:0:169.254.169.254",
	"64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::169.254.169.254", "64:ff9b::168.63.129.16",
	"2002:a9fe:a9fe::1", "2002:6464:64c8::",
	"fe80::1", "fe80::a9fe:a9fe", "fe80::1%eth0", "febf::1",
	"fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::254%eth0", "fd20:ce::254", "fd00:c1::a9fe:a9fe",
	"fd00:42::42", "fd00:a9fe:a9fe::1", "fd00:100::100:200",
}

var notPublicAddresses = []string{
	"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::127.0.0.1",
	"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "::ffff:10.0.0.1", "fc00::1", "fd12:3456::1",
	"100.64.0.1", "100.127.255.255", "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0",
	"224.0.0.1", "239.255.255.255", "ff02::1", "255.255.255.255", "240.0.0.1",
	"192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "2001::1",
	"64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:808:808::1", "2002:7f00:1::", "fec0::1",
}

var publicAddresses = []string{
	"8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.255.255", "100.63.255.255", "100.128.0.1", "168.63.129.17",
	"169.253.255.255", "169.255.0.1", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450:4001::200e",
}

func TestPolicyByDefault(t *testing.T) {
	p := mustPolicy(t)
	for want, addresses := range map[Reason][]string{Metadata: metadataAddresses, NotPublic: notPublicAddresses, "": publicAddresses} {
		for _, address := range addresses {
			err := p.check("host.example", netip.AddrPortFrom(netip.MustParseAddr(address), 443))
			if got := reason(t, err); got != want {
				t.Errorf("%s: refused as %q, want %q", address, got, want)
			}
		}
	}
}

func TestMetadataIsRefusedWhateverIsAllowed(t *testing.T) {
	p := mustPolicy(t, "0.0.0.0/0", "::/0", "host.example", "host.example:80", "169.254.169.254", "169.254.169.254:80",
		"169.254.0.0/16", "fd00:ec2::/32", "[fe80::1]:80", "metadata.google.internal")
	for _, host := range []string{"host.example", "metadata.google.internal", "169.254.169.254"} {
		for _, address := range metadataAddresses {
			err := p.check(host, netip.AddrPortFrom(netip.MustParseAddr(address), 80))
			if got := reason(t, err); got != Metadata {
				t.Errorf("%s at %s: refused as %q, want %q", host, address, got, Metadata)
			}
		}
	}
	for _, address := range append(notPublicAddresses, publicAddresses...) {
		if err := p.check("other.example", netip.AddrPortFrom(netip.MustParseAddr(address), 80)); err != nil {
			t.Errorf("%s, with everything allowed: %v", address, err)
		}
	}
}

func TestAllow(t *testing.T) {
	for _, c := range []struct {
		allow, host, address string
		want                 bool
	}{
		{"127.0.0.1/32", "x.example", "127.0.0.1:80", true},
		{"127.0.0.1/32", "x.example", "[::ffff:127.0.0.1]:80", true},
		{"127.0.0.1/32", "x.example", "127.0.0.2:80", false},
		{"10.0.0.0/8", "x.example", "10.9.8.7:1", true},
		{"10.0.0.0/8", "x.example", "11.0.0.1:1", true}, // public
		{"10.0.0.0/8", "x.example", "192.168.0.1:1", false},
		{"127.0.0.1", "127.0.0.1", "127.0.0.1:80", true},
		{"127.0.0.1:8080", "127.0.0.1", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "127.0.0.1", "127.0.0.1:8081", false},
		{"::1", "::1", "[::1]:80", true},
		{"[::1]", "::1", "[::1]:80", true},
		{"[::1]:8080", "::1", "[::1]:8080", true},
		{"[::1]:8080", "::1", "[::1]:8081", false},
		{"fd12::/16", "x.example", "[fd12::1]:80", true},
		{"fd12::/16", "x.example", "[fd12::1%eth0]:80", true},
		{"litellm.internal", "litellm.internal", "10.0.0.1:80", true},
		{" LiteLLM.Internal ", "litellm.internal", "10.0.0.1:80", true},
		{"litellm.internal", "LITELLM.INTERNAL", "127.0.0.1:80", true},
		{"litellm.internal:4000", "litellm.internal", "10.0.0.1:4000", true},
		{"litellm.internal:4000", "litellm.internal", "10.0.0.1:4001", false},
		{"litellm.internal", "x.litellm.internal", "10.0.0.1:80", false},
		{"litellm.internal", "litellm.internal.evil.example", "10.0.0.1:80", false},
		{"litellm.internal", "evil.example", "10.0.0.1:80", false},
		{"localhost:11434", "localhost", "127.0.0.1:11434", true},
		{"localhost:11434", "localhost", "[::1]:11434", true},
		{"64:ff9b::/96", "x.example", "[64:ff9b::8.8.8.8]:443", true},
		{"64:ff9b::/96", "x.example", "[64:ff9b::10.0.0.1]:443", false}, // the embedded address is checked too
		{"64:ff9b::/96", "x.example", "[64:ff9b::169.254.169.254]:443", false},
		{"2002::/16", "x.example", "[2002:7f00:1::]:443", false},
	} {
		err := mustPolicy(t, c.allow).check(c.host, netip.MustParseAddrPort(c.address))
		if (err == nil) != c.want {
			t.Errorf("allow %q: %s at %s: %v", c.allow, c.host, c.address, err)
		}
	}
}

func TestMalformedAllowIsNamed(t *testing.T) {
	for _, entry := range []string{
		"", " ", "10.0.0.0/33", "10.0.0.1/8", "::1/64", "::ffff:10.0.0.0/104", "http://litellm.internal", "litellm.internal/v1",
		"*.internal", "litellm.internal:", "litellm.internal:0", "litellm.internal:65536", "litellm.internal:http", ":4000",
		"a b", "a,b", "bücher.example", "fe80::1%eth0", "[::1", "::1]", "[127.0.0.1]:80", "fd00::1:65000", "2130706433", "0x7f000001",
		"127.1", "0177.0.0.1", "user@host", strings.Repeat("a", 254),
	} {
		_, err := New(Config{Allow: []string{"10.0.0.0/8", entry}})
		if err == nil {
			t.Errorf("%q is accepted", entry)
		} else if !strings.Contains(err.Error(), `"`+entry+`"`) || !strings.Contains(err.Error(), "MODELPROVIDERS_ALLOW_UPSTREAMS") {
			t.Errorf("%q: the error does not name it and the setting: %v", entry, err)
		}
	}
}

func TestNotation(t *testing.T) {
	for _, host := range []string{
		"2852039166", "0xa9fea9fe", "0XA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "169.16689662", "127.1", "0", "0x",
		"0x7f.1", "127.0.0.0x1", "127.0.0.1.", "127.0.0.01", "1.2.3.4.5", "a.b.0x1f", "foo.1",
	} {
		if got := reason(t, checkNotation(host)); got != Notation {
			t.Errorf("%s: refused as %q, want %q", host, got, Notation)
		}
	}
	for _, host := range []string{
		"127.0.0.1", "::1", "fe80::1%eth0", "api.openai.com", "api.openai.com.", "localhost", "host-1", "10x.example", "1e100.net", "x.0xyz", "4.example", "",
	} {
		if err := checkNotation(host); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestBlockedErrorTellsWhatToDo(t *testing.T) {
	p := mustPolicy(t)
	err := p.check("db.internal", netip.MustParseAddrPort("10.1.2.3:443"))
	for _, want := range []string{`"db.internal"`, "MODELPROVIDERS_ALLOW_UPSTREAMS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "10.1.2.3") {
		t.Errorf("%v: tells users an address of the internal network", err)
	}
	err = p.check("db.internal", netip.MustParseAddrPort("169.254.169.254:80"))
	if !strings.Contains(err.Error(), "MODELPROVIDERS_ALLOW_UPSTREAMS can't allow") {
		t.Errorf("%v: does not say that it can't be allowed", err)
	}
}

func FuzzAllow(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "127.0.0.1:80", "[::1]:80", "litellm.internal:4000", "::/0", "0.0.0.0/0", "a:b", "[", "host.example", "fe80::/10"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, entry string) {
		g, err := New(Config{Allow: []string{entry}})
		if err != nil {
			if !strings.Contains(err.Error(), allowSetting) {
				t.Fatalf("the error does not name the setting: %v", err)
			}
			return
		}
		for _, address := range metadataAddresses {
			to := netip.AddrPortFrom(netip.MustParseAddr(address), 80)
			for _, host := range []string{entry, strings.TrimSuffix(entry, ":80"), "host.example", address} {
				if err := g.policy.check(host, to); reason(t, err) != Metadata {
					t.Fatalf("%q allows %s: %v", entry, address, err)
				}
			}
		}
	})
}
