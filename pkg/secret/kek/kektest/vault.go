package kektest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

const (
	vaultToken     = "hvs.CAESIFakeVaultToken0123456789"
	vaultNamespace = "teams/models"
	vaultKey       = "model-providers"
	vaultPrefix    = "vault:v1:"
)

// vault is a fake of the transit secrets engine of Vault and OpenBao.
// Source: Vault API, "Transit secrets engine", and answers of Vault 1.21.
func vault() Fake {
	return Fake{
		Name: "Vault",
		tls:  true,
		start: func(_ testing.TB, s *Server) (string, []string) {
			return "hcvault://" + strings.TrimPrefix(s.url, "https://") + "/transit/keys/" + vaultKey, []string{
				"VAULT_TOKEN=" + vaultToken, "VAULT_NAMESPACE=" + vaultNamespace, "VAULT_CACERT=" + s.ca,
				"VAULT_ADDR=", "VAULT_AGENT_ADDR=", "VAULT_PROXY_ADDR=", "VAULT_SKIP_VERIFY=",
			}
		},
		request: vaultRequest,
		answer:  answerVault,
		refusal: func(_ *Server, mode Mode, message string) answer { return refuseVault(mode, message) },
	}
}

func vaultRequest(_ *Server, r *providertest.Request) (operation, error) {
	if r.Method != http.MethodPut && r.Method != http.MethodPost || r.Query != "" {
		return operation{}, fmt.Errorf("the query is %q", r.Query)
	}
	if err := wrong(r, "X-Vault-Token", vaultToken, "X-Vault-Namespace", vaultNamespace, "X-Vault-Request", "true"); err != nil {
		return operation{}, err
	}
	var body struct {
		Plaintext      []byte `json:"plaintext"`
		Ciphertext     string `json:"ciphertext"`
		AssociatedData string `json:"associated_data"`
	}
	if err := decodeStrictly(r, &body); err != nil {
		return operation{}, err
	}
	switch {
	case body.AssociatedData != "":
		return operation{}, fmt.Errorf("the associated data is %q", body.AssociatedData)
	case r.Path == "/v1/transit/encrypt/"+vaultKey && len(body.Plaintext) > 0 && body.Ciphertext == "":
		return operation{encrypt: true, data: body.Plaintext}, nil
	case r.Path == "/v1/transit/decrypt/"+vaultKey && body.Plaintext == nil:
		text, found := strings.CutPrefix(body.Ciphertext, vaultPrefix)
		data, err := base64.StdEncoding.DecodeString(text)
		if !found || err != nil {
			data = nil // which does not open
		}
		return operation{data: data}, nil
	}
	return operation{}, fmt.Errorf("%d bytes of plaintext and the ciphertext %q", len(body.Plaintext), body.Ciphertext)
}

func answerVault(_ *Server, op operation, result []byte, opened bool) answer {
	switch {
	case !opened:
		return vaultError(http.StatusBadRequest, "cipher: message authentication failed")
	case op.encrypt:
		return vaultAnswer(map[string]any{"ciphertext": vaultPrefix + base64.StdEncoding.EncodeToString(result), "key_version": 1})
	}
	return vaultAnswer(map[string]any{"plaintext": result})
}

func refuseVault(mode Mode, message string) answer {
	switch mode {
	case Denied:
		return vaultError(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	case Missing:
		return vaultError(http.StatusBadRequest, "encryption key not found")
	case Disabled:
		return vaultError(http.StatusBadRequest, "ciphertext or signature version is disallowed by policy (too old)")
	case Throttled:
		return vaultError(http.StatusTooManyRequests, `request path "transit/decrypt/model-providers": rate limit quota exceeded`)
	}
	if message == "" {
		message = "Vault is sealed"
	}
	return vaultError(http.StatusServiceUnavailable, message)
}

func vaultError(status int, message string) answer {
	return answer{status, nil, map[string]any{"errors": []string{message}}}
}

func vaultAnswer(data map[string]any) answer {
	return answer{http.StatusOK, map[string]string{"Cache-Control": "no-store"}, map[string]any{
		"request_id": "11111111-2222-3333-4444-555555555555", "lease_id": "", "renewable": false, "lease_duration": 0,
		"data": data, "wrap_info": nil, "warnings": nil, "auth": nil, "mount_type": "transit",
	}}
}
