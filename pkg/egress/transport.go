package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"
)

// The bounds of a connection. None is put on the wait for an answer, which a
// model may take its time with: that is the caller's, by the request's context.
const (
	dialTimeout  = 10 * time.Second
	tlsTimeout   = 10 * time.Second
	keepAlive    = 30 * time.Second
	idleTimeout  = 90 * time.Second
	pingAfter    = 30 * time.Second // HTTP/2: silence after which a peer is asked
	pingTimeout  = 15 * time.Second // whether it is still there
	headerLimit  = 256 << 10        // bytes of a response's headers
	maxIdle      = 1024
	maxIdleHost  = 128
	maxConnsHost = 512 // many workspaces share one upstream
)

func (g *Guard) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive, Resolver: g.resolver}
}

func newTransport(dial func(ctx context.Context, network, address string) (net.Conn, error), cfg Config) *http.Transport {
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: cfg.RootCAs, MinVersion: tls.VersionTLS12, GetClientCertificate: noCertificate},
		TLSHandshakeTimeout:    tlsTimeout,
		ForceAttemptHTTP2:      true, // its own dialer would turn it off
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdleHost,
		MaxConnsPerHost:        maxConnsHost,
		IdleConnTimeout:        idleTimeout,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: headerLimit,
		// Who limits what he reads of a body must see its real size.
		DisableCompression: true,
	}
	if cfg.Proxy != nil {
		t.Proxy = http.ProxyURL(cfg.Proxy)
	}
	return t
}

type certificateKey struct{}

// WithCertificateAsked returns a context whose requests call asked when a server
// asks for a client certificate. There is none to give: a server that demands
// one breaks the connection off, with TLS 1.3 without a word at times.
func WithCertificateAsked(ctx context.Context, asked func()) context.Context {
	return context.WithValue(ctx, certificateKey{}, asked)
}

func noCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if asked, ok := info.Context().Value(certificateKey{}).(func()); ok {
		asked()
	}
	return new(tls.Certificate), nil
}
