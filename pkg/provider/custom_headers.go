package provider

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// headerToken is the name of a header (RFC 9110, section 5.1).
var headerToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// reservedHeaders are the headers that users can't set: those of the connection and the
// body, those that this service sets, and those that make servers trust a caller or
// forward a request. A * at the end stands for any characters.
var reservedHeaders = []string{
	"accept", "accept-encoding", "content-*", "user-agent", "x-stainless-*",
	"connection", "expect", "host", "http2-settings", "keep-alive", "proxy-*", "te", "trailer", "transfer-encoding", "upgrade",
	"cookie", "sec-*",
	"forwarded", "via", "x-forwarded-*", "x-real-ip", "x-http-method-override",
	"metadata*", "x-aws-ec2-*",
}

// headerName checks the name of a header of a user, and returns it in lower case.
func headerName(name string) (string, error) {
	lower := strings.ToLower(name)
	reserved := func(pattern string) bool {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		return lower == pattern || isPrefix && strings.HasPrefix(lower, prefix)
	}
	switch {
	case len(name) > maxEntryName:
		return lower, errors.New("must have a name of at most 100 characters")
	case !headerToken.MatchString(name):
		return lower, errors.New("must have the name of a header: letters, digits and !#$%&'*+-.^_`|~")
	case slices.ContainsFunc(reservedHeaders, reserved):
		return lower, errors.New("can't be set; this service or the connection sets this header, or servers trust it")
	}
	return lower, nil
}

// withHeaders is a client that adds headers to its requests, in place of those with the
// same name that were set before.
func withHeaders(client *http.Client, headers secretMap) *http.Client {
	if len(headers) == 0 {
		return client
	}
	return authenticated(client, func(req *http.Request) error {
		for name, value := range headers {
			req.Header.Set(name, value.Reveal())
		}
		return nil
	})
}
