package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"
)

// unreachable explains why no connection to a host was made.
func unreachable(host string, err error) *Failure {
	err = withoutURL(err)
	var (
		dns      *net.DNSError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	because := func(message, hint string) *Failure { return fail(Unreachable, message, hint) }
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return because("There is no host "+dns.Name+".", "Check the spelling of the host name, and that this service can resolve it.")
	case errors.As(err, &dns):
		return because("The host name "+dns.Name+" could not be resolved.", "Try again; if it happens again, the DNS of this service's network has a problem.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return because(host+" refused the connection.", "Check that the server is running, and that the port is right.")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return because("There is no route to "+host+".", "Check the address, and that no firewall keeps this service from reaching it.")
	case errors.As(err, &unknown):
		return because("The TLS certificate of "+host+" is signed by an authority that is not trusted here.", "Use a publicly trusted certificate, or have the operator add the authority to the trusted ones.")
	case errors.As(err, &hostname):
		return because("The TLS certificate of "+host+" is for another host name.", "Enter the host name that the certificate is for.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return because("The TLS certificate of "+host+" has expired or is not valid yet.", "Renew the certificate of the server.")
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return because(host+" does not speak TLS on this port.", "Check the port. If the server has no TLS, its address begins with http://.")
	}
	return because("No connection to "+host+" could be made: "+err.Error()+".", "Check host and port, and that this service can reach them.")
}

// misspoken explains that a server does not speak HTTP, or refuses the TLS
// handshake; nil for another error.
func misspoken(host string, err error) *Failure {
	const hint = "Check the port. It must be one on which an API answers over http or https."
	switch text := err.Error(); {
	case strings.Contains(text, `malformed HTTP response "\x15\x03`):
		return fail(Unreachable, host+" speaks TLS on this port, and was called without.", "Enter an address that begins with https://.")
	case hasWords("malformed HTTP response|malformed HTTP status|malformed HTTP version", text):
		return fail(Unreachable, "The server at "+host+" does not speak HTTP.", hint)
	case hasWords("server closed idle connection|readLoopPeekFail|use of closed network connection", text): // by the transport, before the request was sent on a new one
		return fail(Unreachable, "The server at "+host+" does not speak HTTP: it sent something first, or closed the connection.", hint)
	case hasWords("remote error: tls: certificate required|remote error: tls: bad certificate|remote error: tls: handshake failure", text):
		return wantsCertificate(host)
	}
	return nil
}

func wantsCertificate(host string) *Failure {
	return fail(Misconfigured, host+" refused the TLS connection: it may want a client certificate, which cannot be configured here.",
		"Enter an address that can be called without a client certificate.")
}
