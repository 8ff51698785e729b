package kek

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"regexp"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"modelproviders/pkg/secret"
)

const (
	gcpScope    = "https://www.googleapis.com/auth/cloud-platform"
	gcpEndpoint = "https://cloudkms.googleapis.com/"
	// gcpEndpointVariable is gcloud's variable for another endpoint, such as one of
	// Private Service Connect.
	gcpEndpointVariable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"
)

func gcpKMS() service {
	return service{
		name:    "Google Cloud KMS",
		uri:     regexp.MustCompile(`^gcp-kms://(projects/[\w.:-]+/locations/[\w-]+/keyRings/[\w-]+/cryptoKeys/[\w-]+)$`),
		example: "gcp-kms://projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/my-key",
		limit:   64 << 10,
		dial:    dialGCP,
		explain: explainGCP,
	}
}

// gcpKey is a key of Google Cloud KMS. It calls the REST API.
type gcpKey struct {
	url    string
	client *http.Client
}

func dialGCP(ctx context.Context, name string) (secret.KEK, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: timeout}) // for access tokens
	found, err := google.FindDefaultCredentials(ctx, gcpScope)
	if err != nil {
		return nil, fmt.Errorf("could not find application default credentials: %w", err)
	}
	endpoint := cmp.Or(os.Getenv(gcpEndpointVariable), gcpEndpoint)
	return &gcpKey{
		url:    strings.TrimSuffix(endpoint, "/") + "/v1/" + name,
		client: unfollowed(&oauth2.Transport{Source: found.TokenSource, Base: http.DefaultTransport}),
	}, nil
}

// EncryptWithContext implements [secret.KEK].
func (k *gcpKey) EncryptWithContext(ctx context.Context, plain, associated []byte) ([]byte, error) {
	var answer struct {
		Ciphertext                                []byte
		CiphertextCRC32C                          crc32c
		VerifiedPlaintextCRC32C                   bool
		VerifiedAdditionalAuthenticatedDataCRC32C bool
	}
	err := k.post(ctx, ":encrypt", map[string]any{
		"plaintext": plain, "plaintextCrc32c": checksum(plain),
		"additionalAuthenticatedData": []byte(string(associated)), "additionalAuthenticatedDataCrc32c": checksum(associated),
	}, &answer)
	switch {
	case err != nil:
		return nil, err
	case !answer.VerifiedPlaintextCRC32C || !answer.VerifiedAdditionalAuthenticatedDataCRC32C || answer.CiphertextCRC32C != checksum(answer.Ciphertext):
		return nil, errChecksum
	}
	return answer.Ciphertext, nil
}

// DecryptWithContext implements [secret.KEK].
func (k *gcpKey) DecryptWithContext(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	var answer struct {
		Plaintext       []byte
		PlaintextCRC32C crc32c
	}
	err := k.post(ctx, ":decrypt", map[string]any{
		"ciphertext": sealed, "ciphertextCrc32c": checksum(sealed),
		"additionalAuthenticatedData": []byte(string(associated)), "additionalAuthenticatedDataCrc32c": checksum(associated),
	}, &answer)
	switch {
	case err != nil:
		return nil, err
	case answer.PlaintextCRC32C != checksum(answer.Plaintext):
		return nil, errChecksum
	}
	return answer.Plaintext, nil
}

var errChecksum = errors.New("a checksum of the answer is wrong or missing")

// crc32c is the checksum of Google Cloud KMS. Its JSON is a string, as of all numbers of
// 64 bits.
type crc32c uint32

func checksum(data []byte) crc32c {
	return crc32c(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

// MarshalText implements [encoding.TextMarshaler].
func (c crc32c) MarshalText() ([]byte, error) { return fmt.Append(nil, uint32(c)), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (c *crc32c) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "%d", c)
	return err
}

// gcpError is an error of the service. Its form is that of all of Google's APIs.
type gcpError struct {
	Code    int
	Message string
	Status  string
}

func (e *gcpError) Error() string { return e.Status + ": " + e.Message }

// post calls a method of the key.
func (k *gcpKey) post(ctx context.Context, method string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusOK {
		if err := json.NewDecoder(res.Body).Decode(answer); err != nil { // it could quote a key
			return errors.New("the answer is not that of the service")
		}
		return nil
	}
	var refused struct{ Error gcpError }
	if err := json.NewDecoder(res.Body).Decode(&refused); err != nil || refused.Error.Status == "" {
		return fmt.Errorf("the answer has the status %d and is not that of the service", res.StatusCode)
	}
	return &refused.Error
}

func explainGCP(err error) (said, remedy string) {
	var refused *gcpError
	if !errors.As(err, &refused) {
		return "", ""
	}
	switch refused.Status {
	case "PERMISSION_DENIED":
		return refused.Error(), remedyAllow + " (roles/cloudkms.cryptoKeyEncrypterDecrypter), and " + remedyName
	case "NOT_FOUND":
		return refused.Error(), remedyName
	case "FAILED_PRECONDITION":
		return refused.Error(), remedyState
	case "INVALID_ARGUMENT":
		return refused.Error(), remedyOther
	case "RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED":
		return refused.Error(), remedyLater
	}
	return refused.Error(), "check the credentials of this process"
}
