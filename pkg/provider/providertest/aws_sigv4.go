package providertest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsKey is an AWS access key. A temporary one has a session token.
type awsKey struct{ id, secret, token string }

// sigV4Header takes apart the Authorization header of a signed request.
// Source: AWS General Reference, "Authorization header format (SigV4)".
var sigV4Header = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/([0-9]{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// checkSigV4 verifies the signature of a request the way AWS does: it signs what
// came with the secret of the key, and compares. now is the time of AWS.
func checkSigV4(r *Request, key awsKey, region, service string, now time.Time) error {
	parts := sigV4Header.FindStringSubmatch(r.Header.Get("Authorization"))
	if parts == nil {
		return fmt.Errorf("authorization header %q", r.Header.Get("Authorization"))
	}
	id, date, scope, signedHeaders := parts[1], parts[2], parts[3]+"/"+parts[4], strings.Split(parts[5], ";")
	if id != key.id || scope != region+"/"+service {
		return fmt.Errorf("credential %s for %s", id, scope)
	}
	if r.Header.Get("X-Amz-Security-Token") != key.token {
		return fmt.Errorf("session token %q", r.Header.Get("X-Amz-Security-Token"))
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != date || now.Sub(at).Abs() > 5*time.Minute {
		return fmt.Errorf("x-amz-date %q", r.Header.Get("X-Amz-Date"))
	}
	again, err := signedPart(r, signedHeaders)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(r.Body)
	signer := v4.NewSigner()
	if err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key.id, SecretAccessKey: key.secret, SessionToken: key.token}, again, hex.EncodeToString(sum[:]), service, region, at); err != nil {
		return fmt.Errorf("sign again: %w", err)
	}
	if !hmac.Equal([]byte(again.Header.Get("Authorization")), []byte(r.Header.Get("Authorization"))) {
		return fmt.Errorf("the signature does not match")
	}
	return nil
}

// signedPart is the request with nothing but what its signature covers.
func signedPart(r *Request, headers []string) (*http.Request, error) {
	address, err := url.Parse("http://" + r.Host + r.Path)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	address.RawQuery = r.Query
	part := &http.Request{Method: r.Method, URL: address, Host: r.Host, Header: http.Header{}, Body: http.NoBody}
	covered := map[string]bool{}
	for _, name := range headers {
		covered[name] = true
		switch name {
		case "host":
		case "content-length":
			part.ContentLength = int64(len(r.Body))
		default:
			part.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	for _, name := range []string{"host", "x-amz-date"} {
		if !covered[name] {
			return nil, fmt.Errorf("the signature does not cover %s", name)
		}
	}
	if !bytes.Equal(r.Body, nil) && !covered["content-type"] {
		return nil, fmt.Errorf("the signature does not cover content-type")
	}
	return part, nil
}

// CheckSigV4 verifies the signature of a request to a service of AWS, for other kits.
func CheckSigV4(r *Request, id, secret, region, service string) error {
	return checkSigV4(r, awsKey{id: id, secret: secret}, region, service, time.Now())
}
