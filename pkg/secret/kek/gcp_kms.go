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

// gcpAnswer is the answer to a method. Numbers of 64 bits are strings in its JSON.
type gcpAnswer struct {
	Ciphertext       []byte
	CiphertextCRC32C int64 `json:",string"`
	Plaintext        []byte
	PlaintextCRC32C  int64 `json:",string"`

	VerifiedPlaintextCRC32C                   bool
	VerifiedAdditionalAuthenticatedDataCRC32C bool
}

// EncryptWithContext implements [secret.KEK].
func (k *gcpKey) EncryptWithContext(ctx context.Context, plain, associated []byte) ([]byte, error) {
	answer, err := k.post(ctx, "encrypt", "plaintext", plain, associated)
	switch {
	case err != nil:
		return nil, err
	case !answer.VerifiedPlaintextCRC32C || !answer.VerifiedAdditionalAuthenticatedDataCRC32C:
		return nil, errChecksum
	}
	return answer.Ciphertext, nil
}

// DecryptWithContext implements [secret.KEK].
func (k *gcpKey) DecryptWithContext(ctx context.Context, sealed, associated []byte) ([]byte, error) {
	answer, err := k.post(ctx, "decrypt", "ciphertext", sealed, associated)
	return answer.Plaintext, err
}

var errChecksum = errors.New("a checksum of the answer is wrong or missing")

func checksum(data []byte) int64 {
	return int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

// gcpError is an error of the service. Its form is that of all of Google's APIs.
type gcpError struct {
	Code    int
	Message string
	Status  string
}

func (e *gcpError) Error() string { return e.Status + ": " + e.Message }

// post calls a method of the key. name is that of its data.
func (k *gcpKey) post(ctx context.Context, method, name string, data, associated []byte) (gcpAnswer, error) {
	body, err := json.Marshal(map[string]any{
		name: data, name + "Crc32c": fmt.Sprint(checksum(data)),
		"additionalAuthenticatedData": []byte(string(associated)), "additionalAuthenticatedDataCrc32c": fmt.Sprint(checksum(associated)),
	})
	if err != nil {
		return gcpAnswer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, k.url+":"+method, bytes.NewReader(body))
	if err != nil {
		return gcpAnswer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := k.client.Do(req)
	if err != nil {
		return gcpAnswer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		gcpAnswer
		Error gcpError
	}
	err = json.NewDecoder(res.Body).Decode(&answer) // its error could quote a key
	switch {
	case res.StatusCode != http.StatusOK && (err != nil || answer.Error.Status == ""):
		return gcpAnswer{}, fmt.Errorf("the answer has the status %d and is not that of the service", res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return gcpAnswer{}, &answer.Error
	case err != nil:
		return gcpAnswer{}, errors.New("the answer is not that of the service")
	case answer.CiphertextCRC32C != checksum(answer.Ciphertext), answer.PlaintextCRC32C != checksum(answer.Plaintext):
		return gcpAnswer{}, errChecksum
	}
	return answer.gcpAnswer, nil
}

func explainGCP(err error) (said, remedy string) {
	refused, ok := errors.AsType[*gcpError](err)
	if !ok {
		return "", ""
	}
	return refused.Error(), cmp.Or(map[string]string{
		"PERMISSION_DENIED":   remedyAllow + " (roles/cloudkms.cryptoKeyEncrypterDecrypter), and " + remedyName,
		"NOT_FOUND":           remedyName,
		"FAILED_PRECONDITION": remedyState,
		"INVALID_ARGUMENT":    remedyOther,
		"RESOURCE_EXHAUSTED":  remedyLater,
		"UNAVAILABLE":         remedyLater,
		"INTERNAL":            remedyLater,
		"DEADLINE_EXCEEDED":   remedyLater,
	}[refused.Status], remedyIdentity)
}
