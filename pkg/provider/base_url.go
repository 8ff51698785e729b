package provider

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostName is a DNS name in ASCII, or an IPv4 address. RFC 1123 has no
// underscore, but names in private networks do.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// parseBaseURL parses an address that a person typed, and normalises its scheme
// and host. It refuses parts that could send a request to another place than the
// address seems to say: a user, a fragment, and `.` and `..` segments in any spelling.
// The caller checks the query. The text of an error continues the name of the field.
func parseBaseURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("must be a URL")
	}
	u.Host = strings.ToLower(u.Host) // [url.Parse] lowers the scheme
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must begin with https:// or http://")
	case u.Opaque != "" || u.Host == "":
		return nil, errors.New("must have a host")
	case u.User != nil:
		return nil, errors.New("must not have a user or a password; credentials have their own fields")
	case strings.Contains(address, "#"):
		return nil, errors.New("must not have a fragment (#…)")
	}
	if err := checkHost(u); err != nil {
		return nil, err
	}
	if err := checkPath(u); err != nil {
		return nil, err
	}
	return u, nil
}

// checkHost refuses an invalid host or port, and drops the scheme's own port.
func checkHost(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return errors.New("must have a valid IPv6 address between the brackets")
		}
		host = "[" + addr.String() + "]"
	} else if len(host) > 253 || !hostName.MatchString(host) {
		return errors.New("must have a valid host; write an international name in its xn-- form")
	}
	u.Host = host
	if port == "" {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return errors.New("must have a valid port")
	}
	if (u.Scheme == "https" && n != 443) || (u.Scheme == "http" && n != 80) {
		u.Host += ":" + strconv.FormatUint(n, 10)
	}
	return nil
}

func checkPath(u *url.URL) error {
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "." || plain == ".." || strings.ContainsAny(plain, "/\\") {
			return errors.New("must not have `.` or `..` segments, or escaped slashes, in its path")
		}
		if strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("must not contain control characters")
		}
	}
	return nil
}

// originOf is the normal form of an address that was accepted: scheme, host, port
// where it is not the scheme's own, and path, without `/v1` and trailing
// slashes. It is empty for any other address.
func originOf(address string) string {
	u, err := parseBaseURL(address)
	if err != nil {
		return ""
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	path = strings.TrimRight(strings.TrimSuffix(path, "/v1"), "/")
	return u.Scheme + "://" + u.Host + path
}

// pathSegment escapes a name so that it is one segment of a path. A colon is
// escaped too: it has a meaning in the paths of some services.
func pathSegment(name string) string {
	if name == "." || name == ".." {
		return strings.ReplaceAll(name, ".", "%2E")
	}
	return strings.ReplaceAll(url.PathEscape(name), ":", "%3A")
}
