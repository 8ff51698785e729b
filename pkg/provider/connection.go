package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"strings"
	"syscall"

	"modelproviders/pkg/egress"
)

// connectionFailure explains why the request could not be sent, or why its answer
// could not be read completely.
func (c *call) connectionFailure(ctx context.Context, err error) *Failure {
	if c.status == 0 && ctx.Err() == nil {
		if f := c.protocolFailure(err); f != nil {
			return f
		}
	}
	var blocked *egress.BlockedError
	var coding codingError
	switch {
	case errors.As(err, &blocked) && blocked.Reason == egress.NotPublic:
		return fail(Blocked, blocked.Error(), "Enter an address on the public internet, or ask the operator of this service to allow this one.")
	case errors.As(err, &blocked):
		return fail(Blocked, blocked.Error(), "Enter an address on the public internet.")
	case errors.Is(err, errNotUTF8):
		return fail(UpstreamError, "The answer of "+c.host+" is not valid UTF-8.", "")
	case errors.As(err, &coding):
		return fail(UpstreamError, coding.Error(), "Switch off compression in the server, or in the proxy in front of it.")
	case errors.Is(err, errHeaderLines):
		return fail(UpstreamError, "The answer of "+c.host+" has too many header lines.", "")
	case ctx.Err() != nil:
		return c.timeoutFailure(ctx.Err())
	case isTimeout(err):
		return c.timeoutFailure(context.DeadlineExceeded)
	case c.status == 0 && !c.connected.Load():
		return unreachable(c.host, withoutURL(err))
	}
	return fail(UpstreamError, c.host+" closed the connection before its answer was complete.",
		"Try again. If it happens again, check the port, and look at the log of the server or of the proxy in front of it.")
}

// protocolFailure explains that the server does not speak HTTP, or refuses the TLS
// handshake. It returns nil for other errors.
func (c *call) protocolFailure(err error) *Failure {
	const hint = "Check the port. It must be one on which an API answers over http or https."
	switch text := err.Error(); {
	case c.wantsCert.Load() || hasWords("remote error: tls: certificate required|remote error: tls: bad certificate|remote error: tls: handshake failure", text):
		return fail(Misconfigured, c.host+" refused the TLS connection. It may require a client certificate, which can't be configured here.",
			"Enter an address that can be called without a client certificate.")
	case strings.Contains(text, `malformed HTTP response "\x15\x03`):
		return fail(Unreachable, c.host+" speaks TLS on this port, but was called without TLS.", "Enter an address that begins with https://.")
	case hasWords("malformed HTTP response|malformed HTTP status|malformed HTTP version", text):
		return fail(Unreachable, "The server at "+c.host+" does not speak HTTP.", hint)
	case hasWords("server closed idle connection|readLoopPeekFail|use of closed network connection", text): // before the request was sent
		return fail(Unreachable, "The server at "+c.host+" does not speak HTTP. It closed the connection, or sent something before the request.", hint)
	}
	return nil
}

// unreachable explains why no connection to a host was made.
func unreachable(host string, err error) *Failure {
	var (
		dns      *net.DNSError
		record   tls.RecordHeaderError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fail(Unreachable, "There is no host "+dns.Name+".", "Check the spelling of the host name, and that this service can resolve it.")
	case errors.As(err, &dns):
		return fail(Unreachable, "The host name "+dns.Name+" could not be resolved.", "Try again. If it happens again, the DNS of this service's network has a problem.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(Unreachable, host+" refused the connection.", "Check that the server is running, and that the port is right.")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return fail(Unreachable, "There is no route to "+host+".", "Check the address, and check that no firewall blocks this service.")
	case errors.As(err, &unknown):
		return fail(Unreachable, "The TLS certificate of "+host+" is signed by an authority that is not trusted here.", "Use a publicly trusted certificate, or ask the operator of this service to add the authority with SSL_CERT_FILE.")
	case errors.As(err, &hostname):
		return fail(Unreachable, "The TLS certificate of "+host+" is for another host name.", "Enter the host name that the certificate is for.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fail(Unreachable, "The TLS certificate of "+host+" has expired or is not valid yet.", "Renew the certificate of the server.")
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return fail(Unreachable, host+" does not speak TLS on this port.", "Check the port. If the server has no TLS, enter an address that begins with http://.")
	}
	return fail(Unreachable, "No connection to "+host+" could be made: "+err.Error()+".", "Check host and port, and check that this service can reach them.")
}

// timeoutFailure explains that the time limit was reached, or that the caller
// cancelled.
func (c *call) timeoutFailure(cause error) *Failure {
	switch {
	case errors.Is(cause, context.Canceled):
		return fail(Timeout, "The call was cancelled before the answer of "+c.host+" was complete.", "")
	case !c.connected.Load():
		return fail(Unreachable, "No connection to "+c.host+" was made in time.", "Check host and port, and check that no firewall blocks this service.")
	}
	return fail(Timeout, c.host+" did not finish its answer in time.", "Try again, with a shorter prompt or a lower output limit. A model that is loading may need a minute.")
}

// isTimeout reports whether the transport itself stopped waiting.
func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// isUnknownHost reports whether the latest call failed in DNS.
func isUnknownHost(ctx context.Context) bool {
	var dns *net.DNSError
	c := lastCall(ctx)
	return c != nil && errors.As(c.fault, &dns) && dns.IsNotFound
}

// withoutURL removes the method and the URL, which may have a query, from an error of
// net/http.
func withoutURL(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}
