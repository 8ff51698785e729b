package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer is a name server with answers chosen by the test.
type dnsServer struct {
	mu      sync.Mutex
	records map[string][][]string // by name: the addresses of each answer in turn; the last one repeats
	asked   map[string]int        // queries for A records
}

// newDNS starts a name server and returns a resolver that uses only it.
func newDNS(t testing.TB, records map[string][][]string) (*dnsServer, *net.Resolver) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dnsServer{records: records, asked: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(conn)
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return s, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// turns returns how often the A records of a name were queried.
func (s *dnsServer) turns(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *dnsServer) serve(conn net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		if out, err := s.answer(m).Pack(); err == nil {
			_, _ = conn.WriteTo(out, from)
		}
	}
}

func (s *dnsServer) answer(m dnsmessage.Message) *dnsmessage.Message {
	q := m.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	answer := &dnsmessage.Message{Questions: m.Questions}
	answer.ID, answer.Response, answer.RecursionAvailable = m.ID, true, true

	s.mu.Lock()
	defer s.mu.Unlock()
	turns := s.records[name]
	if len(turns) == 0 {
		answer.RCode = dnsmessage.RCodeNameError
		return answer
	}
	turn := turns[min(s.asked[name], len(turns)-1)]
	if q.Type == dnsmessage.TypeA {
		s.asked[name]++
	}
	for _, address := range turn {
		ip := netip.MustParseAddr(address)
		header := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET}
		switch {
		case ip.Is4() && q.Type == dnsmessage.TypeA:
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: ip.As4()}})
		case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
			answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
		}
	}
	return answer
}
