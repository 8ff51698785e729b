package kek

import (
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read of an answer, in bytes. A keyset of 1,000 keys fits.
const maxAnswer = 1 << 20

// guarded sends the requests that contain a keyset or are answered with one.
type guarded struct{ base http.RoundTripper }

// RoundTrip sends nothing in clear text, except to this machine, where an agent or a
// proxy of the KMS may listen. Of an answer that is too long, the end is missing.
func (g guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !loopback(req.URL.Hostname()) {
		return nil, errors.New("a KMS must be called with https, except on a loopback address")
	}
	res, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// unfollowed is a client that does not follow redirects.
func unfollowed(base http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     guarded{base},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// quotes reports whether a text contains a part of a plaintext in base64, as all
// services encode it.
func quotes(text string, plain []byte) bool {
	const part = 16
	encoded := base64.StdEncoding.EncodeToString(plain)
	text = strings.NewReplacer("-", "+", "_", "/", " ", "").Replace(text)
	for i := 0; i+part <= len(encoded); i++ {
		if strings.Contains(text, encoded[i:i+part]) {
			return true
		}
	}
	return false
}
