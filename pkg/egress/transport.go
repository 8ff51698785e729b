package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"
)

const dialTimeout = 10 * time.Second

func (g *Guard) dialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Resolver: g.resolver}
}

// newTransport returns a transport that has no time limit for responses, because
// models can be slow. The context of the request limits the time.
func newTransport(dial func(ctx context.Context, network, address string) (net.Conn, error), proxy *url.URL, roots *x509.CertPool) *http.Transport {
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, GetClientCertificate: noCertificate},
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true, // off by default with a custom dialer
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           1024,
		MaxIdleConnsPerHost:    128,
		MaxConnsPerHost:        512, // many workspaces share one upstream
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		DisableCompression:     true, // so that limits count real bytes
	}
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

type certificateKey struct{}

// WithCertificateAsked returns a context whose requests call asked when a server
// requests a client certificate, of which there is none. It helps to explain why
// such a server closes the connection.
func WithCertificateAsked(ctx context.Context, asked func()) context.Context {
	return context.WithValue(ctx, certificateKey{}, asked)
}

func noCertificate(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if asked, ok := info.Context().Value(certificateKey{}).(func()); ok {
		asked()
	}
	return new(tls.Certificate), nil
}
