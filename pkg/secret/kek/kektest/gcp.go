package kektest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"modelproviders/pkg/provider/providertest"
)

const (
	gcpName    = "projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/model-providers"
	gcpAccount = "models@my-project.iam.gserviceaccount.com"
	gcpToken   = "ya29.c.FakeKMSToken0123456789"
	gcpScope   = "https://www.googleapis.com/auth/cloud-platform"
)

// gcp is a fake of Google Cloud KMS and of the token endpoint of its service account.
// Source: Cloud KMS REST reference, "cryptoKeys.encrypt" and "cryptoKeys.decrypt";
// "Verifying end-to-end data integrity".
func gcp() Fake {
	return Fake{
		Name:      "Google Cloud KMS",
		start:     startGCP,
		auxiliary: answerToken,
		request:   gcpRequest,
		answer:    answerGCP,
		refusal:   func(_ *Server, mode Mode, message string) answer { return refuseGCP(mode, message) },
	}
}

func startGCP(t testing.TB, s *Server) (string, []string) {
	key, err := rsa.GenerateKey(rand.Reader, 1024) // shorter than Google's, so that it costs little
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s.account = &key.PublicKey
	file, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "my-project", "private_key_id": "89e86f7c6d5b4a3f",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": gcpAccount, "client_id": "108000000000000000001", "token_uri": s.url + "/token", "universe_domain": "googleapis.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return "gcp-kms://" + gcpName, []string{
		"GOOGLE_APPLICATION_CREDENTIALS=" + s.Write(t, "account.json", file),
		"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS=" + s.url + "/",
	}
}

// answerToken exchanges an assertion of the service account for an access token.
func answerToken(s *Server, r *providertest.Request) (answer, bool) {
	if r.Path != "/token" {
		return answer{}, false
	}
	var claims struct {
		Iss   string `json:"iss"`
		Aud   string `json:"aud"`
		Scope string `json:"scope"`
	}
	form, err := url.ParseQuery(string(r.Body))
	if err == nil {
		err = assertion(form.Get("assertion"), s.account, &claims)
	}
	if err != nil || claims.Iss != gcpAccount || claims.Aud != s.url+"/token" || claims.Scope != gcpScope {
		return answer{http.StatusBadRequest, nil, map[string]string{"error": "invalid_grant", "error_description": fmt.Sprintf("Invalid JWT: %+v, %v", claims, err)}}, true
	}
	return answer{http.StatusOK, nil, map[string]any{"access_token": gcpToken, "expires_in": 3599, "token_type": "Bearer"}}, true
}

// assertion reads a JWT that the account has signed.
func assertion(text string, key *rsa.PublicKey, claims any) error {
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	return token.Claims(key, claims)
}

func gcpRequest(_ *Server, r *providertest.Request) (operation, error) {
	if r.Method != http.MethodPost || r.Query != "" {
		return operation{}, fmt.Errorf("the query is %q", r.Query)
	}
	if err := wrong(r, "Authorization", "Bearer "+gcpToken, "Content-Type", "application/json"); err != nil {
		return operation{}, err
	}
	var body struct {
		Plaintext                         []byte `json:"plaintext"`
		PlaintextCRC32C                   string `json:"plaintextCrc32c"`
		Ciphertext                        []byte `json:"ciphertext"`
		CiphertextCRC32C                  string `json:"ciphertextCrc32c"`
		AdditionalAuthenticatedData       []byte `json:"additionalAuthenticatedData"`
		AdditionalAuthenticatedDataCRC32C string `json:"additionalAuthenticatedDataCrc32c"`
	}
	if err := decodeStrictly(r, &body); err != nil {
		return operation{}, err
	}
	if len(body.AdditionalAuthenticatedData) > 0 || body.AdditionalAuthenticatedDataCRC32C != "0" {
		return operation{}, fmt.Errorf("the associated data has %d bytes and the checksum %s", len(body.AdditionalAuthenticatedData), body.AdditionalAuthenticatedDataCRC32C)
	}
	switch {
	case r.Path == "/v1/"+gcpName+":encrypt" && len(body.Plaintext) > 0 && body.PlaintextCRC32C == crc32c(body.Plaintext) && body.Ciphertext == nil:
		return operation{encrypt: true, data: body.Plaintext}, nil
	case r.Path == "/v1/"+gcpName+":decrypt" && len(body.Ciphertext) > 0 && body.CiphertextCRC32C == crc32c(body.Ciphertext) && body.Plaintext == nil:
		return operation{data: body.Ciphertext}, nil
	}
	return operation{}, fmt.Errorf("%d bytes of plaintext and %d of ciphertext, or a wrong checksum", len(body.Plaintext), len(body.Ciphertext))
}

func crc32c(data []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), 10)
}

func answerGCP(_ *Server, op operation, result []byte, opened bool) answer {
	switch {
	case !opened:
		return gcpError(http.StatusBadRequest, "INVALID_ARGUMENT", "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
	case op.encrypt:
		return answer{http.StatusOK, nil, map[string]any{
			"name": gcpName + "/cryptoKeyVersions/1", "ciphertext": result, "ciphertextCrc32c": crc32c(result),
			"verifiedPlaintextCrc32c": true, "verifiedAdditionalAuthenticatedDataCrc32c": true, "protectionLevel": "SOFTWARE",
		}}
	}
	return answer{http.StatusOK, nil, map[string]any{"plaintext": result, "plaintextCrc32c": crc32c(result), "usedPrimary": true, "protectionLevel": "SOFTWARE"}}
}

func refuseGCP(mode Mode, message string) answer {
	switch mode {
	case Denied:
		return gcpError(http.StatusForbidden, "PERMISSION_DENIED", "Permission 'cloudkms.cryptoKeyVersions.useToDecrypt' denied on resource '"+gcpName+"' (or it may not exist).")
	case Missing:
		return gcpError(http.StatusNotFound, "NOT_FOUND", "CryptoKey "+gcpName+" not found.")
	case Disabled:
		return gcpError(http.StatusBadRequest, "FAILED_PRECONDITION", gcpName+"/cryptoKeyVersions/1 is not enabled, current state is: DISABLED.")
	case Throttled:
		return gcpError(http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Cryptographic requests'")
	}
	return gcpError(http.StatusServiceUnavailable, "UNAVAILABLE", message)
}

func gcpError(status int, code, message string) answer {
	return answer{status, nil, map[string]any{"error": map[string]any{"code": status, "status": code, "message": message}}}
}
