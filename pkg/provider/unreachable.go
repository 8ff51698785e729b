package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"
)

// unreachable explains, in plain words, why no connection to host came about.
func unreachable(host string, err error) *Failure {
	message, hint := reason(host, withoutURL(err))
	return &Failure{Kind: Unreachable, Message: message, Hint: hint}
}

func reason(host string, err error) (message, hint string) {
	var (
		dns      *net.DNSError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "There is no host " + dns.Name + ".", "Check the spelling of the host name, and that this service can resolve it."
	case errors.As(err, &dns):
		return "The host name " + dns.Name + " could not be resolved.", "Try again; if it stays, the name service of this service's network has a fault."
	case errors.Is(err, syscall.ECONNREFUSED):
		return host + " refused the connection.", "Is the server running, and is the port right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "There is no way to " + host + " in the network.", "Check the address, and that no firewall keeps this service from reaching it."
	case errors.As(err, &unknown):
		return "The TLS certificate of " + host + " is signed by an authority that is not trusted here.", "Use a publicly trusted certificate, or have the operator add the authority to the trusted ones."
	case errors.As(err, &hostname):
		return "The TLS certificate of " + host + " is for another host name.", "Enter the host name that the certificate is for."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "The TLS certificate of " + host + " has expired or is not valid yet.", "Renew the certificate of the server."
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return host + " does not speak TLS on this port.", "Is the port right? If the server has no TLS, its address begins with http://."
	}
	return "No connection to " + host + " came about: " + err.Error() + ".", "Check host and port, and that this service can reach them."
}

// misspoken explains that what listens does not speak HTTP, or refuses the
// TLS handshake; nil for another error.
func misspoken(host string, err error) *Failure {
	text := err.Error()
	switch {
	case strings.Contains(text, `malformed HTTP response "\x15\x03`):
		return &Failure{Kind: Unreachable, Message: host + " speaks TLS on this port, and was called without.", Hint: "Enter an address that begins with https://."}
	case hasWords("malformed HTTP response|malformed HTTP status|malformed HTTP version", text):
		return &Failure{Kind: Unreachable, Message: "What listens on " + host + " does not speak HTTP.", Hint: "Is the port right? It has to be one on which an API answers over http or https."}
	case hasWords("server closed idle connection|readLoopPeekFail|use of closed network connection", text): // by the transport, before the request was sent on a new one
		return &Failure{Kind: Unreachable, Message: "What listens on " + host + " speaks first or hangs up, as no HTTP server does.", Hint: "Is the port right? It has to be one on which an API answers over http or https."}
	case hasWords("remote error: tls: certificate required|remote error: tls: bad certificate|remote error: tls: handshake failure", text):
		return wantsCertificate(host)
	}
	return nil
}

func wantsCertificate(host string) *Failure {
	return &Failure{Kind: Misconfigured, Message: host + " refused the TLS connection: it may want a client certificate, which cannot be configured here.", Hint: "Enter an address that can be called without a client certificate."}
}
